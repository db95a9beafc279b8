//! Two hosts on one machine, joined by a cable. They have no name and leave nothing behind, however the process ends: when nobody holds a
//! namespace any more, the kernel takes it away with all that is in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use super::cable;
use super::host::Host;
use super::namespace::{self, NotPossible};

/// The two hosts of this process's lab.
static LAB: OnceLock<Lab> = OnceLock::new();

/// Addresses of the serving host. With the kernel's default of 28,232 ports towards each, room for 30,000 connections/s over 60 s.
pub(crate) const SERVERS: u8 = 64;
const PREFIX: u8 = 16;

/// The hosts, and the cable between them.
#[derive(Debug)]
pub(crate) struct Lab {
    /// Where the threads of this process are, unless they visit.
    pub(crate) client: Host,
    /// The other end of the cable.
    pub(crate) server: Host,
}

impl Lab {
    /// Makes a lab around the calling thread, which is on the client's host afterwards.
    fn around_this_thread(mtu: u32) -> Result<Self, NotPossible> {
        namespace::isolate()?;
        let here = Host::here().map_err(|error| NotPossible(format!("/proc cannot be read ({error})")))?;
        let lab = Self {
            client: here,
            server: Host::new()?,
        };
        cable::veth(&lab.client, &lab.server, mtu)?;
        cable::bring_up(&lab.client, &[(client_address(), PREFIX)])?;
        let servers: Vec<_> = (1..=SERVERS).map(|host| (server_address(host), PREFIX)).collect();
        cable::bring_up(&lab.server, &servers)?;
        Ok(lab)
    }
}

/// Builds the lab around this process, whose threads are on the client's host from then on. Call it once, while there is one thread.
///
/// # Errors
/// [`NotPossible`] with the step that the system refused.
pub(crate) fn build(mtu: u32) -> Result<&'static Lab, NotPossible> {
    let lab = Lab::around_this_thread(mtu)?;
    namespace::note_entered();
    Ok(LAB.get_or_init(|| lab))
}

/// The lab that [`build`] made in this process.
pub(crate) fn built() -> Option<&'static Lab> {
    LAB.get()
}

/// The address of the connecting host.
pub(crate) fn client_address() -> IpAddr {
    Ipv4Addr::new(10, 1, 0, 1).into()
}

/// Where generator number `generator` finds its servers: every address of the serving host, on a port of its own.
pub(crate) fn servers(port: u16) -> Vec<SocketAddr> {
    (1..=SERVERS)
        .map(|host| SocketAddr::new(server_address(host), port))
        .collect()
}

fn server_address(host: u8) -> IpAddr {
    Ipv4Addr::new(10, 1, 1, host).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    /// On a thread of its own, because a lab moves the calling thread into its client's host.
    #[test]
    fn two_hosts_talk_over_the_cable_and_only_over_it() {
        let found = thread::spawn(|| {
            let lab = Lab::around_this_thread(1500)?;
            let at = servers(7007)[3];
            assert!(
                TcpListener::bind(at).is_err(),
                "the client has not the server's addresses"
            );
            let listener = {
                let _visit = lab.server.visit().expect("our own");
                TcpListener::bind(at).expect("an address of the server")
            };
            let mut asking = TcpStream::connect(at).expect("over the cable");
            let (mut answering, from) = listener.accept().expect("the connection");
            assert_eq!(from.ip(), client_address());
            asking.write_all(b"over the cable").expect("open");
            drop(asking);
            let mut heard = String::new();
            answering.read_to_string(&mut heard).expect("open");
            Ok::<_, NotPossible>(heard)
        });
        match found.join().expect("the thread ends") {
            Ok(heard) => assert_eq!(heard, "over the cable"),
            Err(NotPossible(reason)) => {
                eprintln!("SKIPPED: two hosts over a cable, because there is {reason}");
            }
        }
    }
}
