//! Control messages of `recvmsg` and `sendmsg`: the one that can be told is how much is left to read (`TCP_INQ`).

use super::{Kind, Result};
use crate::script::sockets::control::value;
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::script::world::World;

/// The control messages that a call names.
fn messages(call: &Call) -> &[Expression] {
    let header = call.arguments.get(1);
    match header.and_then(|header| header.field("msg_control")) {
        Some(Expression::List(messages)) => messages,
        _ => &[],
    }
}

fn kind_of(message: &Expression) -> &str {
    let words = message
        .field("cmsg_type")
        .map(Expression::words)
        .unwrap_or_default();
    words.first().copied().unwrap_or("without a type")
}

/// Refuses messages that cannot be told, before anything is read.
pub(super) fn check_known(call: &Call) -> Result<()> {
    let strange = messages(call)
        .iter()
        .find(|message| kind_of(message) != "TCP_CM_INQ");
    strange.map_or(Ok(()), |message| {
        Err(Stop::unsupported(format!("control message {}", kind_of(message))))
    })
}

/// Refuses messages that would have to be heeded.
pub(super) fn refuse(call: &Call) -> Result<()> {
    let first = messages(call).first();
    first.map_or(Ok(()), |message| {
        Err(Stop::unsupported(format!("control message {}", kind_of(message))))
    })
}

/// Holds what is left against what the script says.
pub(super) fn check(world: &mut World, call: &Call, fd: i64) -> Result<()> {
    let Some(message) = messages(call).first() else {
        return Ok(());
    };
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(());
    };
    if descriptor.options.get("TCP_INQ").copied().unwrap_or(0) == 0 {
        return Err(Stop::failed("no control message comes without TCP_INQ"));
    }
    let (held, read) = (descriptor.peeked.len(), descriptor.peeked.read());
    let Kind::Stream(handle) = descriptor.kind else {
        return Ok(());
    };
    let info = world.engine().tcp_info(handle);
    let left = info.map_or(0, |info| {
        let left = (info.rcv_buffered as usize).saturating_sub(read).max(held);
        // The end of the stream counts as something to read.
        if left == 0 {
            i64::from(info.peer_closed)
        } else {
            left as i64
        }
    });
    match message.field("cmsg_data").and_then(value) {
        Some(expected) if expected != left => {
            Err(Stop::failed(format!("TCP_CM_INQ is {left}, expected {expected}")))
        }
        _ => Ok(()),
    }
}
