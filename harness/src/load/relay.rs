//! A relay between two kernel sockets that holds datagrams back: the place in the path where a stack of the kernel cannot be
//! given an impaired device.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::holdback::HoldBack;

/// Longest datagram that is relayed whole.
const LONGEST: usize = 2048;
/// Datagrams whose memory is kept for reuse; only those held back at one time need any.
const SPARE: usize = 32;

/// Receives from the sender and forwards to the receiver, through the seeded [`HoldBack`].
#[derive(Debug)]
pub(crate) struct Relay {
    socket: UdpSocket,
    to: SocketAddr,
    hold_back: HoldBack<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Relay {
    /// A relay beside the receiver at `to`.
    ///
    /// # Errors
    /// When no socket can be bound on the receiver's address.
    pub(crate) fn towards(to: SocketAddr, seed: u64) -> io::Result<Self> {
        let socket = UdpSocket::bind((to.ip(), 0))?;
        socket.set_nonblocking(true)?;
        let spare = (0..SPARE).map(|_| Vec::with_capacity(LONGEST)).collect();
        Ok(Self {
            socket,
            to,
            hold_back: HoldBack::new(seed),
            spare,
        })
    }

    /// Where the sender sends to.
    ///
    /// # Errors
    /// What the kernel answered.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Relays what has arrived. A datagram that the receiver has no room for is lost, as on any path.
    pub(crate) fn pump(&mut self) {
        let Self {
            socket,
            to,
            hold_back,
            spare,
        } = self;
        loop {
            let mut datagram = spare.pop().unwrap_or_default();
            datagram.resize(LONGEST, 0);
            let Ok(length) = socket.recv(&mut datagram) else {
                spare.push(datagram);
                return;
            };
            datagram.truncate(length);
            hold_back.push(datagram, &mut |datagram| {
                let _ = socket.send_to(&datagram, *to);
                spare.push(datagram);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_makes_the_order_that_the_hold_back_makes() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("receiver");
        receiver.set_nonblocking(true).expect("non-blocking");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("sender");
        let mut relay = Relay::towards(receiver.local_addr().expect("address"), 11).expect("relay");
        let entrance = relay.address().expect("address");
        let (mut arrived, mut expected) = (Vec::new(), Vec::new());
        let mut hold_back = HoldBack::new(11);
        for number in 0..200_u8 {
            sender.send_to(&[number], entrance).expect("sent");
            relay.pump();
            hold_back.push(number, &mut |number| expected.push(number));
            let mut datagram = [0; 8];
            while let Ok(length) = receiver.recv(&mut datagram) {
                assert_eq!(length, 1);
                arrived.push(datagram[0]);
            }
        }
        assert_eq!(arrived, expected);
        assert!(!arrived.is_sorted());
    }
}
