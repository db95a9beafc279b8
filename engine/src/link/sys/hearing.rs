//! Which frames an interface passes on: those to its own station, to everybody, and to what a packet socket asks for (`packet(7)`).

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, packet_mreq};

use crate::link::ethernet::MacAddress;

/// What an interface listens to for the sake of a packet socket, and for as long as that is open. Never all that is on the wire.
#[derive(Debug)]
pub(in crate::link) struct Hearing {
    interface: u32,
    /// The interface's own station, which needs no asking.
    own: MacAddress,
    heard: Vec<MacAddress>,
}

impl Hearing {
    /// Nothing so far.
    pub(in crate::link) fn new(interface: u32, own: MacAddress) -> Self {
        Self {
            interface,
            own,
            heard: Vec::new(),
        }
    }

    /// Listens to these stations and groups, and to none of before that are not among them. What cannot be heard, because the interface is
    /// gone, is tried again the next time.
    pub(in crate::link) fn become_one_of(&mut self, socket: BorrowedFd<'_>, wanted: &[MacAddress]) {
        let interface = self.interface;
        self.heard.retain(|known| {
            let stays = wanted.contains(known);
            if !stays {
                let _ = ask(socket, libc::PACKET_DROP_MEMBERSHIP, interface, *known);
            }
            stays
        });
        for address in wanted {
            let is_new = *address != self.own && !self.heard.contains(address);
            if is_new && ask(socket, libc::PACKET_ADD_MEMBERSHIP, interface, *address).is_ok() {
                self.heard.push(*address);
            }
        }
    }
}

fn ask(socket: BorrowedFd<'_>, change: c_int, interface: u32, address: MacAddress) -> io::Result<()> {
    let kind = if address.is_station() {
        libc::PACKET_MR_UNICAST
    } else {
        libc::PACKET_MR_MULTICAST
    };
    let mut octets = [0; 8];
    octets[..6].copy_from_slice(&address.0);
    let request = packet_mreq {
        mr_ifindex: interface.cast_signed(),
        mr_type: kind as u16,
        mr_alen: 6,
        mr_address: octets,
    };
    // SAFETY: address and length are those of a live request, which the call only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            change,
            (&raw const request).cast(),
            mem::size_of::<packet_mreq>() as libc::socklen_t,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
