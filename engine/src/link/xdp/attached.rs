//! The program on its interface, and the map that it finds the sockets in.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use super::config::{Attachment, XdpConfig};
use super::program;
use crate::link::error::{OpenError, Privilege};
use crate::link::sys::bpf;
use crate::link::sys::interface::{Interface, InterfaceName};
use crate::link::sys::xdp::XdpSocket;

/// The program of an interface, for devices on several of its queues ([`XdpDevice::sharing`](super::XdpDevice::sharing)), each the device of an
/// engine on a thread of its own. It goes when the last of its clones and devices does.
///
/// Which queue a packet comes to, the network card or the sender's end of a veth pair decides, by the flow. So each engine sees whole
/// connections of those that it accepts; one that it opens may be answered on another queue, unless its addresses are steered to its own
/// (`ethtool -N`). ARP and Neighbor Discovery come to one of them as well: the others are told whom they talk to
/// ([`LinkConfig::static_neighbours`](crate::config::LinkConfig::static_neighbours)).
#[derive(Clone, Debug)]
pub struct XdpProgram(Arc<Attached>);

#[derive(Debug)]
struct Attached {
    // In the order of their drop: no packet comes any more when the map goes.
    _link: OwnedFd,
    map: OwnedFd,
    queues: u32,
}

impl XdpProgram {
    /// Loads the program that `config` describes, whose queue does not matter here, and attaches it for the first `queues` queues. Packets of queues
    /// without a device are the kernel's.
    ///
    /// # Errors
    /// [`OpenError`] says what is missing.
    pub fn new(config: &XdpConfig, queues: u32) -> Result<Self, OpenError> {
        const GENERIC: u32 = 1 << 1;
        const NATIVE: u32 = 1 << 2;
        config.validate()?;
        let index = Interface::new(InterfaceName::new(&config.interface)?)?.index()?;
        let map =
            bpf::socket_map(queues.max(1)).map_err(OpenError::at("making a BPF map", Privilege::BPF))?;
        let code = program::assemble(&config.steering, map.as_raw_fd());
        let program = bpf::load(bpf::Kind::Xdp, &code)
            .map_err(OpenError::at("loading an XDP program", Privilege::BPF))?;
        let flags = match config.attachment {
            Attachment::Native => NATIVE,
            Attachment::Generic => GENERIC,
        };
        let link =
            bpf::attach(program.as_fd(), index, flags).map_err(|source| match source.raw_os_error() {
                Some(libc::EBUSY | libc::EEXIST) => {
                    OpenError::Busy(format!("the place for an XDP program on `{}`", config.interface))
                }
                Some(libc::EOPNOTSUPP | libc::ERANGE) => OpenError::NotSupported {
                    what: "an XDP program in this interface's driver",
                    way_out: "attach it behind the driver (`Attachment::Generic`)",
                    source,
                },
                _ => OpenError::at("attaching an XDP program", Privilege::BPF)(source),
            })?;
        Ok(Self(Arc::new(Attached {
            _link: link,
            map,
            queues: queues.max(1),
        })))
    }

    /// Gives the packets of a queue to a socket from now on.
    pub(super) fn point(&self, queue: u32, socket: &XdpSocket) -> Result<(), OpenError> {
        if queue >= self.0.queues {
            return Err(OpenError::Invalid(format!(
                "queue {queue} is beyond the {} that the program was attached for",
                self.0.queues
            )));
        }
        bpf::set_socket(self.0.map.as_fd(), queue, socket.as_fd())
            .map_err(OpenError::at("pointing a BPF map at a socket", Privilege::BPF))
    }
}
