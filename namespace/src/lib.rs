//! A network namespace for one test: interfaces and addresses made by hand-written rtnetlink messages, gone with the test's thread. Everything
//! here fails the test, loudly, where it cannot do what it is asked for.
#![allow(
    unsafe_code,
    reason = "rustix marks `unshare` so for the sake of descriptors, which stay shared here"
)]

mod interfaces;
mod message;
mod resets;

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::{fs, panic, thread};

use rustix::thread::UnshareFlags;

pub use self::interfaces::{
    add_address, add_default_route, exists, forward, index, remove, set_hardware_address, set_mtu, set_up,
    udp_socket, veth, veth_across, veth_with_queues,
};
pub use self::resets::drop_resets_of;

/// Runs `test` on a thread of its own in an empty network namespace, or says loudly that it could not.
pub fn isolated(test: impl FnOnce() + Send + 'static) {
    let inside = thread::spawn(|| {
        // SAFETY: descriptors stay shared.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
        test();
        Ok::<_, rustix::io::Errno>(())
    });
    match inside.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => skip(format_args!(
            "a network namespace of its own was refused ({error})"
        )),
        Err(failure) => panic::resume_unwind(failure),
    }
}

/// Says past the capture of test output that the test in this thread proves nothing.
pub fn skip(reason: impl Display) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    writeln!(io::stderr().lock(), "SKIPPED: {name} because {reason}").expect("standard error takes a line");
}

/// What was opened, or a loud word on what is missing here. An error that is not the environment's fails the test.
pub fn open<D, E: Display>(opened: Result<D, E>, is_environments: impl FnOnce(&E) -> bool) -> Option<D> {
    match opened {
        Ok(device) => Some(device),
        Err(error) if is_environments(&error) => {
            skip(error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Lets the kernel keep quiet: no IPv6, and so no neighbour discovery on interfaces that come up.
pub fn without_ipv6() {
    for scope in ["all", "default"] {
        let setting = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        fs::write(setting, "1").expect("the namespace is ours");
    }
}

/// A network namespace beside the one that the calling thread is in.
#[derive(Debug)]
pub struct Elsewhere(OwnedFd);

impl Elsewhere {
    /// An empty one.
    pub fn make() -> Self {
        let made = thread::spawn(|| {
            // SAFETY: descriptors stay shared.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.expect("as the one before it");
            current()
        });
        Self(made.join().expect("the thread ends"))
    }

    /// Does something there. Sockets and devices belong for good to the namespace in which they are made.
    pub fn visit<T>(&self, work: impl FnOnce() -> T) -> T {
        let home = current();
        enter(&self.0);
        let result = work();
        enter(&home);
        result
    }

    /// A thread that is there to its end.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        self.visit(|| thread::spawn(work))
    }
}

fn current() -> OwnedFd {
    let file = fs::File::open("/proc/thread-self/ns/net");
    file.expect("/proc shows the namespaces of a thread").into()
}

fn enter(namespace: &OwnedFd) {
    rustix::thread::move_into_link_name_space(
        namespace.as_fd(),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .expect("whoever made the namespace may enter it");
}
