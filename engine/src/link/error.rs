//! Why a device of the system could not be opened, and the way out.

use std::io;

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The system has no such device node.
    #[error(
        "{0} does not exist: load or build the driver, or create the node (in a container, pass the device in)"
    )]
    NoDeviceNode(&'static str),
    /// The process may not do this.
    #[error("{what} needs {privilege}: {way_out}")]
    NotPermitted {
        /// What was refused.
        what: &'static str,
        /// The capability that it takes.
        privilege: &'static str,
        /// How to get it.
        way_out: &'static str,
    },
    /// The network namespace has no such interface.
    #[error("there is no interface `{0}` in this network namespace: `ip link` lists them")]
    NoInterface(String),
    /// Somebody else has it.
    #[error("{0} is in use by somebody else: end its other user, or choose another")]
    Busy(String),
    /// The kernel or the driver cannot do this.
    #[error("{what} is not supported here ({source}): {way_out}")]
    NotSupported {
        /// What was asked for.
        what: &'static str,
        /// How to go without.
        way_out: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration contradicts itself or the system's limits.
    #[error("{0}")]
    Invalid(String),
    /// A step that ordinarily succeeds did not.
    #[error("{step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Whether it is the system or its rights that lack something, so that the same request would do elsewhere.
    pub fn is_environments(&self) -> bool {
        matches!(
            self,
            Self::NoDeviceNode(_) | Self::NotPermitted { .. } | Self::NotSupported { .. }
        )
    }

    /// For `map_err`: the error of a `step`, which lacks `privilege` if it was refused.
    pub(super) fn at(step: &'static str, privilege: Privilege) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::lacks(step, privilege),
            _ => Self::System { step, source },
        }
    }

    /// That `what` was refused for want of `privilege`.
    pub(super) fn lacks(what: &'static str, privilege: Privilege) -> Self {
        Self::NotPermitted {
            what,
            privilege: privilege.name,
            way_out: privilege.way_out,
        }
    }
}

/// A right that a process may lack, and how it gets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Privilege {
    name: &'static str,
    way_out: &'static str,
}

impl Privilege {
    /// What it takes to make, change or look into interfaces.
    pub(super) const NET_ADMIN: Self = Self::of_a_namespace("CAP_NET_ADMIN");
    /// What packet and raw sockets take.
    pub(super) const NET_RAW: Self = Self::of_a_namespace("CAP_NET_RAW");
    /// What programs in the kernel take, which are the whole machine's and no namespace's.
    pub(super) const BPF: Self = Self {
        name: "CAP_BPF and CAP_NET_ADMIN outside user namespaces",
        way_out: "run as root, or grant these capabilities (setcap)",
    };
    /// What opening the node of tunnels takes.
    pub(super) const TUNNELS: Self = Self {
        name: "read and write permission on it",
        way_out: "run as root, or give the user that device node (setfacl -m u:USER:rw /dev/net/tun)",
    };
    /// What sharing much memory with the kernel takes.
    pub(super) const LOCKED_MEMORY: Self = Self {
        name: "CAP_IPC_LOCK or a higher RLIMIT_MEMLOCK",
        way_out: "run as root, or raise the limit (ulimit -l, LimitMEMLOCK=)",
    };

    const fn of_a_namespace(name: &'static str) -> Self {
        Self {
            name,
            way_out: "run as root, grant the capability, or enter a user and network namespace (unshare -Urn)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was refused, with the way out.
    fn refused(privilege: Privilege) -> String {
        OpenError::at("a step", privilege)(io::Error::from_raw_os_error(libc::EPERM)).to_string()
    }

    #[test]
    fn a_namespace_is_the_way_out_only_for_rights_that_it_gives() {
        for privilege in [Privilege::NET_ADMIN, Privilege::NET_RAW] {
            assert!(refused(privilege).contains("unshare -Urn"), "{}", privilege.name);
        }
        for privilege in [Privilege::BPF, Privilege::TUNNELS, Privilege::LOCKED_MEMORY] {
            let told = refused(privilege);
            assert!(
                told.contains(privilege.name) && told.contains("run as root"),
                "{told}"
            );
            assert!(!told.contains("unshare"), "{told}");
        }
    }
}
