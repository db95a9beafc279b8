//! Hosts on one machine: two that a cable or a switch joins, or one whose cable ends in this program. They have no name and leave nothing behind, however the process ends: when nobody holds a
//! namespace any more, the kernel takes it away with all that is in it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use super::cable;
use super::detour::Detour;
use super::host::Host;
use super::namespace::{self, NotPossible};
use super::switch::{Port, Switch};
use crate::config::IpVersion;

pub(crate) use super::cable::DEVICE;

/// The lab of this process.
static LAB: OnceLock<Lab> = OnceLock::new();

/// Addresses of the serving host. With the kernel's default of 28,232 ports towards each, room for 30,000 connections/s over 60 s.
pub(crate) const SERVERS: u8 = 64;

/// At which ends the kernel's stack is, and so has the addresses, of which version of IP.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Occupants {
    pub(crate) kernel_connects: bool,
    pub(crate) kernel_answers: bool,
    pub(crate) ip: IpVersion,
    /// Addresses that connections come from; without any, there is one nonetheless.
    pub(crate) sources: u32,
}

/// The far ends of the devices of the client and of the server.
pub(crate) type FarEnds = [OwnedFd; 2];

/// The hosts.
#[derive(Debug)]
pub(crate) struct Lab {
    /// Where the threads of this process are, unless they visit.
    pub(crate) client: Host,
    /// The other end of the cable; `None` when that is this program.
    server: Option<Host>,
    /// What lies between the two, where that is no cable.
    switch: Option<Switch>,
    occupants: Occupants,
}

impl Lab {
    /// Makes a lab around the calling thread, which is on the client's host afterwards.
    fn around_this_thread(mtu: u32, occupants: Occupants) -> Result<Self, NotPossible> {
        let lab = Self::alone(occupants)?;
        let server = Host::new()?;
        cable::veth(&lab.client, DEVICE, &server, mtu)?;
        cable::bring_up(&lab.client, &occupants.connecting())?;
        cable::bring_up(&server, &occupants.answering())?;
        cable::await_link(&lab.client, DEVICE)?;
        cable::await_link(&server, DEVICE)?;
        Ok(Self {
            server: Some(server),
            ..lab
        })
    }

    /// As [`Self::around_this_thread`], with a device on each host whose far end is this program.
    fn around_this_program(mtu: u32, occupants: Occupants) -> Result<(Self, FarEnds), NotPossible> {
        let lab = Self::alone(occupants)?;
        let server = Host::new()?;
        let client_end = cable::tap(&lab.client, mtu)?;
        let server_end = cable::tap(&server, mtu)?;
        cable::bring_up(&lab.client, &occupants.connecting())?;
        cable::bring_up(&server, &occupants.answering())?;
        cable::await_link(&lab.client, DEVICE)?;
        cable::await_link(&server, DEVICE)?;
        let lab = Self {
            server: Some(server),
            ..lab
        };
        Ok((lab, [client_end, server_end]))
    }

    /// As [`Self::around_this_thread`], with a switch between the hosts. Cables lead to those whose kernel has an end; who has the other end
    /// plugs it in himself.
    fn around_a_switch(mtu: u32, occupants: Occupants) -> Result<Self, NotPossible> {
        let lab = Self::alone(occupants)?;
        let server = Host::new()?;
        let switch = Switch::new()?;
        if occupants.kernel_connects {
            switch.lead_to(&lab.client, Port::Client, mtu)?;
            cable::bring_up(&lab.client, &occupants.connecting())?;
            cable::await_link(&lab.client, DEVICE)?;
            switch.await_port(Port::Client)?;
        }
        if occupants.kernel_answers {
            switch.lead_to(&server, Port::Server, mtu)?;
            cable::bring_up(&server, &occupants.answering())?;
            cable::await_link(&server, DEVICE)?;
            switch.await_port(Port::Server)?;
        }
        Ok(Self {
            server: Some(server),
            switch: Some(switch),
            ..lab
        })
    }

    fn alone(occupants: Occupants) -> Result<Self, NotPossible> {
        namespace::isolate()?;
        let client = Host::here().map_err(|error| NotPossible(format!("/proc cannot be read ({error})")))?;
        Ok(Self {
            client,
            server: None,
            switch: None,
            occupants,
        })
    }

    /// Where the server's sockets and devices are.
    pub(crate) fn host_of_server(&self) -> &Host {
        self.server.as_ref().unwrap_or(&self.client)
    }

    /// What lies between the hosts, where that is a switch.
    pub(crate) fn switch(&self) -> Option<&Switch> {
        self.switch.as_ref()
    }

    /// A device on the way that is gone, which nobody takes away who knows what it is for.
    pub(crate) fn missing_device(&self) -> Option<&'static str> {
        if let Some(switch) = &self.switch {
            // The end of a cable at its host goes with the one here.
            return switch.missing();
        }
        let hosts = [Some(&self.client), self.server.as_ref()];
        let cut = hosts
            .into_iter()
            .flatten()
            .any(|host| !cable::is_attached(host, DEVICE));
        cut.then_some(DEVICE)
    }

    /// Gives the kernel its addresses, on an interface that was not there when the lab was built.
    ///
    /// # Errors
    /// [`NotPossible`] when there is no such interface.
    pub(crate) fn address_the_kernel(&self) -> Result<(), NotPossible> {
        let Occupants { kernel_connects, .. } = self.occupants;
        let addresses = if kernel_connects {
            self.occupants.connecting()
        } else {
            self.occupants.answering()
        };
        cable::bring_up(&self.client, &addresses)
    }
}

impl Occupants {
    /// The addresses of the kernel where connections come from.
    fn connecting(self) -> Vec<(IpAddr, u8)> {
        let own = client_addresses(self.ip, self.sources).into_iter();
        own.filter(|_| self.kernel_connects)
            .map(|address| (address, prefix(self.ip)))
            .collect()
    }

    /// The addresses of the kernel where they go to.
    fn answering(self) -> Vec<(IpAddr, u8)> {
        let own = (1..=SERVERS).map(|host| (server_address(self.ip, host), prefix(self.ip)));
        own.filter(|_| self.kernel_answers).collect()
    }
}

/// Builds two hosts and a cable around this process, whose threads are on the client's host from then on. Call it once, while there is one thread.
///
/// # Errors
/// [`NotPossible`] with the step that the system refused.
pub(crate) fn build(mtu: u32, occupants: Occupants) -> Result<&'static Lab, NotPossible> {
    Ok(keep(Lab::around_this_thread(mtu, occupants)?))
}

/// As [`build`], with a switch between the hosts: the devices of ends that are not the kernel's are still to be plugged in.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_switched(mtu: u32, occupants: Occupants) -> Result<&'static Lab, NotPossible> {
    Ok(keep(Lab::around_a_switch(mtu, occupants)?))
}

/// As [`build`], with one host for both ends, between which an interface will be whose far end is this program.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_alone(occupants: Occupants) -> Result<&'static Lab, NotPossible> {
    Ok(keep(Lab::alone(occupants)?))
}

/// As [`build`], with this program in place of the cable: it gets the far ends of both hosts' devices.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_around(mtu: u32, occupants: Occupants) -> Result<(&'static Lab, FarEnds), NotPossible> {
    let (lab, ends) = Lab::around_this_program(mtu, occupants)?;
    Ok((keep(lab), ends))
}

/// Makes the lab of a parent this process's, too, between whose hosts two kernels meet. It has been on the client's host from its start.
///
/// # Errors
/// Where `/proc` is not mounted.
pub(crate) fn join(server: Host, ip: IpVersion) -> io::Result<()> {
    let occupants = Occupants {
        kernel_connects: true,
        kernel_answers: true,
        ip,
        sources: 1,
    };
    keep(Lab {
        client: Host::here()?,
        server: Some(server),
        switch: None,
        occupants,
    });
    Ok(())
}

fn keep(lab: Lab) -> &'static Lab {
    namespace::note_entered();
    LAB.get_or_init(|| lab)
}

/// The lab that [`build`] made in this process.
pub(crate) fn built() -> Option<&'static Lab> {
    LAB.get()
}

/// The address of the connecting host.
pub(crate) fn client_address(ip: IpVersion) -> IpAddr {
    match ip {
        IpVersion::V4 => Ipv4Addr::new(10, 1, 0, 1).into(),
        IpVersion::V6 => Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

/// The addresses of a connecting host that has so many: of several, none is a server's, nor is anything between the first and the last.
pub(crate) fn client_addresses(ip: IpVersion, sources: u32) -> Vec<IpAddr> {
    if sources <= 1 {
        return vec![client_address(ip)];
    }
    let numbered = |number: u32| match ip {
        IpVersion::V4 => {
            let block = Ipv4Addr::new(10, 1, 64, 0).to_bits();
            IpAddr::from(Ipv4Addr::from_bits(block + number))
        }
        IpVersion::V6 => {
            let block = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 2, 0).to_bits();
            IpAddr::from(Ipv6Addr::from_bits(block + u128::from(number)))
        }
    };
    (1..=sources).map(numbered).collect()
}

/// The way from the hosts to `network`, where nobody is.
pub(crate) fn detour(ip: IpVersion, network: (IpAddr, u8)) -> Detour {
    let gateway = match ip {
        IpVersion::V4 => Ipv4Addr::new(10, 1, 255, 254).into(),
        IpVersion::V6 => Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 255, 254).into(),
    };
    Detour {
        link: (client_address(ip), prefix(ip)),
        gateway,
        network,
    }
}

/// Where generator number `generator` finds its servers: every address of the serving host, on a port of its own.
pub(crate) fn servers(ip: IpVersion, port: u16) -> Vec<SocketAddr> {
    (1..=SERVERS)
        .map(|host| SocketAddr::new(server_address(ip, host), port))
        .collect()
}

fn server_address(ip: IpVersion, host: u8) -> IpAddr {
    match ip {
        IpVersion::V4 => Ipv4Addr::new(10, 1, 1, host).into(),
        IpVersion::V6 => Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 1, host.into()).into(),
    }
}

fn prefix(ip: IpVersion) -> u8 {
    match ip {
        IpVersion::V4 => 16,
        IpVersion::V6 => 64,
    }
}

/// What `look` finds in a lab on a thread of its own, because a lab moves the calling thread into its client's host; `None`, loudly, where there is none.
#[cfg(test)]
fn in_lab_of<T: Send>(
    make: impl FnOnce() -> Result<Lab, NotPossible> + Send,
    look: impl FnOnce(&Lab) -> T + Send,
) -> Option<T> {
    let found = std::thread::scope(|scope| {
        let looking = scope.spawn(|| make().map(|lab| look(&lab)));
        looking.join().expect("the thread ends")
    });
    found
        .inspect_err(|reason| eprintln!("SKIPPED: a lab, because there is {reason}"))
        .ok()
}

/// What `look` finds in a lab in which a cable joins two kernels; `None`, loudly, where there is none.
#[cfg(test)]
pub(crate) fn between_kernels<T: Send>(ip: IpVersion, look: impl FnOnce(&Lab) -> T + Send) -> Option<T> {
    let occupants = Occupants {
        kernel_connects: true,
        kernel_answers: true,
        ip,
        sources: 1,
    };
    in_lab_of(|| Lab::around_this_thread(1500, occupants), look)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const KERNELS: Occupants = Occupants {
        kernel_connects: true,
        kernel_answers: true,
        ip: IpVersion::V4,
        sources: 1,
    };

    /// What joins the hosts of a lab that is made for it.
    type Make = fn(u32, Occupants) -> Result<Lab, NotPossible>;

    fn in_lab<T: Send>(make: Make, look: impl FnOnce(&Lab) -> T + Send) -> Option<T> {
        in_lab_of(|| make(1500, KERNELS), look)
    }

    #[test]
    fn a_cable_that_somebody_takes_away_is_missed() {
        let look = |lab: &Lab| {
            let before = lab.missing_device();
            handfast_namespace::remove(DEVICE);
            [before, lab.missing_device()]
        };
        if let Some(missing) = in_lab(Lab::around_this_thread, look) {
            assert_eq!(missing, [None, Some(DEVICE)]);
        }
        if let Some(missing) = in_lab(Lab::around_a_switch, look) {
            assert_eq!(missing, [None, Some(Port::Client.device())]);
        }
    }

    #[test]
    fn an_end_that_is_not_the_kernels_is_missed_until_it_is_plugged_in() {
        let engine_answers = |mtu, occupants| {
            let occupants = Occupants {
                kernel_answers: false,
                ..occupants
            };
            Lab::around_a_switch(mtu, occupants)
        };
        let missing = in_lab(engine_answers, |lab| {
            let switch = lab.switch().expect("it is around one");
            let refused = switch.plug_in(Port::Server).expect_err("there is no such device");
            (lab.missing_device(), refused.to_string())
        });
        if let Some((missing, refused)) = missing {
            assert_eq!(missing, Some(Port::Server.device()));
            assert!(refused.contains("server0 is no port of bridge0"), "{refused}");
        }
    }

    #[test]
    fn the_host_that_connects_has_as_many_addresses_as_were_asked_for() {
        for ip in [IpVersion::V4, IpVersion::V6] {
            for number in [1, 2, 5, 1024] {
                let all = client_addresses(ip, number);
                let distinct: HashSet<_> = all.iter().copied().collect();
                assert_eq!((all.len(), distinct.len()), (number as usize, number as usize));
                let (first, last) = (all[0], all[all.len() - 1]);
                let between = |server: &SocketAddr| (first..=last).contains(&server.ip());
                assert!(!servers(ip, 7).iter().any(between), "{first} to {last}");
            }
        }
    }

    #[test]
    fn a_kernel_connects_from_each_of_its_addresses() {
        let make: Make = |mtu, occupants| {
            let occupants = Occupants {
                sources: 3,
                ..occupants
            };
            Lab::around_this_thread(mtu, occupants)
        };
        let bound = in_lab(make, |_| {
            let sources = client_addresses(IpVersion::V4, 4);
            sources
                .into_iter()
                .map(|source| TcpListener::bind((source, 0)).is_ok())
                .collect::<Vec<_>>()
        });
        if let Some(bound) = bound {
            assert_eq!(bound, [true, true, true, false]);
        }
    }

    #[test]
    fn two_hosts_talk_over_what_joins_them_and_only_over_it() {
        for make in [Lab::around_this_thread as Make, Lab::around_a_switch] {
            let heard = in_lab(make, |lab| {
                let at = servers(IpVersion::V4, 7007)[3];
                assert!(
                    TcpListener::bind(at).is_err(),
                    "the client has not the server's addresses"
                );
                let listener = {
                    let _visit = lab.host_of_server().visit().expect("our own");
                    TcpListener::bind(at).expect("an address of the server")
                };
                let mut asking = TcpStream::connect(at).expect("over what joins them");
                let (mut answering, from) = listener.accept().expect("the connection");
                assert_eq!(from.ip(), client_address(IpVersion::V4));
                asking.write_all(b"over the cable").expect("open");
                drop(asking);
                let mut heard = String::new();
                answering.read_to_string(&mut heard).expect("open");
                heard
            });
            if let Some(heard) = heard {
                assert_eq!(heard, "over the cable");
            }
        }
    }
}
