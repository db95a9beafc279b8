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
    #[error(
        "{what} needs {privilege}: run as root, grant the capability, or enter a user and network namespace (unshare -Urn)"
    )]
    NotPermitted {
        /// What was refused.
        what: &'static str,
        /// The capability that it takes.
        privilege: &'static str,
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
    pub(super) fn at(step: &'static str, privilege: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted {
                what: step,
                privilege,
            },
            _ => Self::System { step, source },
        }
    }
}

/// What it takes to make, change or look into interfaces.
pub(super) const NET_ADMIN: &str = "CAP_NET_ADMIN";
