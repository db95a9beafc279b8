//! A host of the lab: a network namespace known by a descriptor alone, so that it has no name and goes with the process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::namespace::NotPossible;
use crate::sys;

/// One network namespace.
#[derive(Debug)]
pub(crate) struct Host {
    namespace: OwnedFd,
}

impl Host {
    /// The namespace that the calling thread is in.
    ///
    /// # Errors
    /// Where `/proc` is not mounted.
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Self {
            namespace: File::open("/proc/thread-self/ns/net")?.into(),
        })
    }

    /// The namespace that a file is, one that another process holds perhaps (`/proc/PID/fd/N`).
    ///
    /// # Errors
    /// Without the privilege to look at that process.
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        Ok(Self {
            namespace: File::open(file)?.into(),
        })
    }

    /// A new namespace that nobody is in; its loopback device is up.
    ///
    /// # Errors
    /// [`NotPossible`] without the privilege, which a process has inside [`super::namespace::enter`].
    pub(crate) fn new() -> Result<Self, NotPossible> {
        let made = thread::spawn(|| {
            sys::unshare(UnshareFlags::NEWNET)?;
            sys::bring_loopback_up()?;
            Self::here()
        });
        made.join()
            .expect("nothing in the thread panics")
            .map_err(|error| NotPossible(format!("no second network namespace for the other end ({error})")))
    }

    /// Takes the calling thread there, until the visit is dropped. Sockets and devices belong for good to the namespace in which they are made.
    ///
    /// # Errors
    /// Without the privilege over the namespace.
    pub(crate) fn visit(&self) -> io::Result<Visit> {
        let home = Self::here()?;
        enter(self.namespace.as_fd())?;
        Ok(Visit { home })
    }
}

impl AsFd for Host {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}

/// The calling thread is in another namespace than its own, and goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Visit {
    home: Host,
}

impl Drop for Visit {
    fn drop(&mut self) {
        // A thread that stayed would measure the wrong host.
        enter(self.home.as_fd()).expect("the way back is open to whoever came from there");
    }
}

fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network)).map_err(io::Error::from)
}
