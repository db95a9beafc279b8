//! Messages of netlink, written by hand.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};

/// The part of a netlink message behind its header.
#[derive(Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    /// `struct ifinfomsg`, of which `IFF_UP` is to be as in `flags`.
    pub(crate) fn interface(index: u32, flags: u32) -> Self {
        let words = [0, index, flags, libc::IFF_UP as u32];
        Self(words.into_iter().flat_map(u32::to_ne_bytes).collect())
    }

    /// `struct nfgenmsg` for IPv4.
    pub(crate) fn netfilter() -> Self {
        Self(vec![libc::AF_INET as u8, 0, 0, 0])
    }

    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, format!("{value}\0").as_bytes())
    }

    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// As nftables has its numbers.
    pub(crate) fn network_number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    pub(crate) fn nested(self, kind: u16, value: &Self) -> Self {
        self.attribute(kind, &value.0)
    }

    /// Sends the message and expects that the kernel agrees.
    pub(crate) fn send(&self, kind: u16, flags: i32) {
        let code = code_of(&self.exchange(kind, flags | libc::NLM_F_ACK));
        assert_eq!(code, 0, "{}", io::Error::from_raw_os_error(-code));
    }

    /// Sends the message and gives what stands behind the header of the answer.
    pub(crate) fn exchange(&self, kind: u16, flags: i32) -> Vec<u8> {
        let protocol = Protocol::from(libc::NETLINK_ROUTE);
        let socket =
            Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol)).expect("a socket");
        let message = self.with_header(kind, flags);
        socket.send(&message).expect("the kernel listens");
        read_answer(&socket)
    }

    pub(crate) fn with_header(&self, kind: u16, flags: i32) -> Vec<u8> {
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        let mut bytes = ((HEADER + self.0.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&self.0);
        bytes
    }
}

/// Bytes of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;

/// What stands behind the header of the kernel's answer.
pub(crate) fn read_answer(socket: &Socket) -> Vec<u8> {
    let mut answer = vec![0; 16 << 10];
    let len = io::Read::read(&mut &*socket, &mut answer).expect("the kernel answers");
    answer[HEADER..len].to_vec()
}

/// What an acknowledgment says: 0, or an error as a negative number.
pub(crate) fn code_of(answer: &[u8]) -> i32 {
    i32::from_ne_bytes(*answer.first_chunk().expect("an answer has a code"))
}
