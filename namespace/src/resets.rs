//! A rule of nftables, without its program.

use std::net::Ipv4Addr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::message::{Message, code_of, read_answer};

/// Keeps the kernel from resetting connections of `address` that it knows nothing of: drops its resets, which have no mark, on their way out.
/// `false` when the kernel has no nftables.
pub fn drop_resets_of(address: Ipv4Addr) -> bool {
    const IS: u32 = 0;
    const IS_NOT: u32 = 1;
    const META_MARK: u32 = 3;
    const META_PROTOCOL: u32 = 16;
    const NETWORK_HEADER: u32 = 1;
    const TRANSPORT_HEADER: u32 = 2;
    const RESET: u8 = 4;
    const TCP: u8 = 6;
    let hook = Message::default().network_number(1, 3).network_number(2, 0);
    let rule = [
        expression(
            "meta",
            Message::default()
                .network_number(1, 1)
                .network_number(2, META_PROTOCOL),
        ),
        compare(IS, &[TCP]),
        expression("payload", load(NETWORK_HEADER, 12, 4)),
        compare(IS, &address.octets()),
        expression("payload", load(TRANSPORT_HEADER, 13, 1)),
        expression(
            "bitwise",
            Message::default()
                .network_number(1, 1)
                .network_number(2, 1)
                .network_number(3, 1)
                .nested(4, &Message::default().attribute(1, &[RESET]))
                .nested(5, &Message::default().attribute(1, &[0])),
        ),
        compare(IS_NOT, &[0]),
        expression(
            "meta",
            Message::default()
                .network_number(1, 1)
                .network_number(2, META_MARK),
        ),
        compare(IS, &[0; 4]),
        expression(
            "immediate",
            Message::default().network_number(1, 0).nested(
                2,
                &Message::default().nested(2, &Message::default().network_number(1, 0)),
            ),
        ),
    ];
    let rule = rule
        .iter()
        .fold(Message::default(), |list, one| list.nested(1, one));
    let messages = [
        (0, Message::netfilter().text(1, "engine")),
        (
            3,
            Message::netfilter()
                .text(1, "engine")
                .text(3, "out")
                .nested(4, &hook)
                .text(7, "filter"),
        ),
        (
            6,
            Message::netfilter()
                .text(1, "engine")
                .text(2, "out")
                .nested(4, &rule),
        ),
    ];
    send_to_netfilter(&messages)
}

fn expression(name: &str, data: Message) -> Message {
    Message::default().text(1, name).nested(2, &data)
}

fn load(base: u32, offset: u32, len: u32) -> Message {
    Message::default()
        .network_number(1, 1)
        .network_number(2, base)
        .network_number(3, offset)
        .network_number(4, len)
}

fn compare(operation: u32, value: &[u8]) -> Message {
    let data = Message::default()
        .network_number(1, 1)
        .network_number(2, operation)
        .nested(3, &Message::default().attribute(1, value));
    expression("cmp", data)
}

/// Sends nftables messages as one transaction and says whether all of it was accepted.
fn send_to_netfilter(messages: &[(u16, Message)]) -> bool {
    const NFTABLES: u16 = 10;
    const BEGIN: u16 = 0x10;
    const END: u16 = 0x11;
    let bracket = || Message(vec![0, 0, 0, NFTABLES as u8]);
    let create = libc::NLM_F_CREATE;
    let mut bytes = bracket().with_header(BEGIN, 0);
    for (index, (kind, message)) in messages.iter().enumerate() {
        let is_last = index + 1 == messages.len();
        let acknowledged = if is_last { libc::NLM_F_ACK } else { 0 };
        bytes.extend(message.with_header(NFTABLES << 8 | kind, create | acknowledged));
    }
    bytes.extend(bracket().with_header(END, 0));
    let protocol = Protocol::from(libc::NETLINK_NETFILTER);
    let Ok(socket) = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol)) else {
        return false;
    };
    socket.send(&bytes).is_ok() && code_of(&read_answer(&socket)) == 0
}
