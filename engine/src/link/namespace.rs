//! Network namespaces for the tests of devices.

pub(crate) use handfast_namespace::*;

use crate::link::error::OpenError;

/// A device, or a loud word on what is missing here.
pub(crate) fn open<D>(device: Result<D, OpenError>) -> Option<D> {
    handfast_namespace::open(device, OpenError::is_environments)
}
