//! A network namespace of the process's own, so that a run meets no TIME_WAIT, port or setting of the one before.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

use rustix::thread::UnshareFlags;

use crate::sys;

static ENTERED: AtomicBool = AtomicBool::new(false);

/// What the system refused, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotPossible(pub(crate) String);

/// Moves the process into a fresh network namespace whose loopback device is up; without the privilege for that,
/// into a user namespace that grants it. The namespaces have no name and go with the process.
///
/// Call it while the process has one thread: others would stay behind, and no user namespace can be entered.
///
/// # Errors
/// [`NotPossible`] with the step that the system refused. The process is then where it was, except when the
/// loopback device alone could not be brought up.
pub(crate) fn enter() -> Result<(), NotPossible> {
    isolate()?;
    note_entered();
    Ok(())
}

/// From now on [`entered`] is true.
pub(crate) fn note_entered() {
    ENTERED.store(true, Ordering::Relaxed);
}

/// [`enter`] for the calling thread alone, of which nobody else is told.
pub(crate) fn isolate() -> Result<(), NotPossible> {
    let refused = |step: &str, error: io::Error| {
        NotPossible(format!(
            "no network namespace of its own, because {step} was refused ({error})"
        ))
    };
    if sys::unshare(UnshareFlags::NEWNET).is_err() {
        let (uid, gid) = (
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
        );
        sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)
            .map_err(|error| refused("a user namespace", error))?;
        become_root_inside(uid, gid).map_err(|error| refused("mapping the user", error))?;
    }
    sys::bring_loopback_up().map_err(|error| refused("bringing the loopback device up", error))
}

/// Whether [`enter`] has succeeded in this process.
pub(crate) fn entered() -> bool {
    ENTERED.load(Ordering::Relaxed)
}

/// The sysctls of the namespace belong to its root, so the user is mapped to root.
fn become_root_inside(uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// One setting of the network namespace: `net.ipv4.tcp_tw_reuse` and what it shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sysctl {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Sysctl {
    pub(crate) fn new(name: impl Into<String>, value: impl ToString) -> Self {
        Self {
            name: name.into(),
            value: value.to_string(),
        }
    }

    /// Writes the setting into the calling thread's network namespace.
    ///
    /// # Errors
    /// [`NotPossible`] names the setting and the reason.
    pub(crate) fn apply(&self) -> Result<(), NotPossible> {
        set(&self.name, &self.value)
            .map_err(|error| NotPossible(format!("{} = {} was refused ({error})", self.name, self.value)))
    }
}

/// Sets a sysctl in the calling thread's network namespace.
///
/// # Errors
/// Where it does not exist, or does not take the value.
pub(crate) fn set(name: &str, value: &str) -> io::Result<()> {
    fs::write(sysctl_file(name), value)
}

/// The value of a sysctl in the calling thread's network namespace; `None` where it does not exist.
pub(crate) fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(sysctl_file(name))
        .ok()
        .map(|value| value.trim().to_owned())
}

fn sysctl_file(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// On a thread of its own, because `unshare` moves the calling thread alone.
    #[test]
    fn loopback_is_up_alone_and_its_settings_are_writable() {
        let inside = std::thread::spawn(|| {
            isolate()?;
            let devices = fs::read_to_string("/proc/thread-self/net/dev").expect("devices");
            let sender = UdpSocket::bind("127.0.0.1:0").expect("bind");
            let receiver = UdpSocket::bind("127.3.2.1:0").expect("bind any 127/8 address");
            sender
                .send_to(b"up", receiver.local_addr().expect("address"))
                .expect("loopback is up");
            Sysctl::new("net.ipv4.ip_local_port_range", "2000 2999").apply()?;
            Ok::<_, NotPossible>((devices, sysctl("net.ipv4.ip_local_port_range")))
        });
        match inside.join().expect("the thread ends") {
            Ok((devices, ports)) => {
                assert_eq!(
                    devices.lines().count(),
                    3,
                    "two lines of heading and `lo`: {devices}"
                );
                assert_eq!(ports.as_deref(), Some("2000\t2999"));
                assert_ne!(
                    sysctl("net.ipv4.ip_local_port_range"),
                    ports,
                    "the host keeps its own"
                );
            }
            Err(NotPossible(reason)) => assert!(reason.contains("refused"), "{reason}"),
        }
    }

    #[test]
    fn a_refused_setting_is_named() {
        let refused = Sysctl::new("net.ipv4.no_such_setting", 1)
            .apply()
            .expect_err("does not exist");
        assert!(refused.to_string().contains("net.ipv4.no_such_setting"));
    }
}
