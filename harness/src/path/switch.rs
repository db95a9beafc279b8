//! A bridge between two ends, as hosts have it whose guests are virtual machines. It is alone in a network namespace, so that nobody there
//! has an address and all that packets meet is the bridge.

use super::cable;
use super::host::Host;
use super::namespace::{self, NotPossible};

const BRIDGE: &str = "bridge0";

/// Where an end is plugged in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    Client,
    Server,
}

impl Port {
    /// What its device is called on the host of the switch.
    pub(crate) fn device(self) -> &'static str {
        match self {
            Self::Client => "client0",
            Self::Server => "server0",
        }
    }
}

/// The bridge, and the host that it is on.
#[derive(Debug)]
pub(crate) struct Switch {
    host: Host,
}

impl Switch {
    /// A switch with nothing plugged in.
    ///
    /// # Errors
    /// [`NotPossible`] when the system refuses the host, or its kernel has no bridges.
    pub(crate) fn new() -> Result<Self, NotPossible> {
        let host = Host::new()?;
        let silenced = host
            .visit()
            .and_then(|_visit| namespace::set("net.ipv6.conf.default.disable_ipv6", "1"));
        // Its devices would look for routers and tell of their groups, among the packets that are counted. A kernel without IPv6 has no such setting.
        drop(silenced);
        cable::bridge(&host, BRIDGE)?;
        Ok(Self { host })
    }

    /// Where devices are made that are to be plugged in.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Plugs in the device of `port`, which exists, and brings it up.
    ///
    /// # Errors
    /// [`NotPossible`] when there is none, or the bridge does not take it.
    pub(crate) fn plug_in(&self, port: Port) -> Result<(), NotPossible> {
        cable::join_bridge(&self.host, port.device(), BRIDGE)
    }

    /// Leads a cable from `port` to `host`, whose end is still down.
    ///
    /// # Errors
    /// [`NotPossible`] when the kernel has no such devices or refuses them.
    pub(crate) fn lead_to(&self, host: &Host, port: Port, mtu: u32) -> Result<(), NotPossible> {
        cable::veth(&self.host, port.device(), host, mtu)?;
        self.plug_in(port)
    }

    /// Waits until packets pass through `port`, whose device is up at its other end, too.
    ///
    /// # Errors
    /// [`NotPossible`] when that does not come about.
    pub(crate) fn await_port(&self, port: Port) -> Result<(), NotPossible> {
        cable::await_link(&self.host, port.device())
    }

    /// A device without which no packet gets through, and which is gone.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        [BRIDGE, Port::Client.device(), Port::Server.device()]
            .into_iter()
            .find(|device| !cable::is_attached(&self.host, device))
    }
}
