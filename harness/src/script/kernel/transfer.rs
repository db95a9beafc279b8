//! Calls that move bytes.

use std::io;
use std::os::fd::AsFd;
use std::time;

use handfast::time::{Duration, Instant};
use rustix::net::{RecvFlags, SendFlags};
use socket2::Socket;

use super::{Kernel, calls, descriptor};
use crate::script::sockets::{Attempt, Progress, Result, arguments, failed, returned};
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;

pub(super) fn receive(
    call: &Call,
    socket: &Socket,
    progress: &mut Progress,
    now: Instant,
) -> Result<Attempt> {
    refuse_control_messages(call)?;
    let (length, words) = arguments::length(call)?;
    let mut flags = RecvFlags::DONTWAIT;
    for word in &words {
        flags |= match *word {
            "MSG_PEEK" => RecvFlags::PEEK,
            "MSG_TRUNC" => RecvFlags::TRUNC,
            "MSG_OOB" => RecvFlags::OOB,
            "MSG_DONTWAIT" | "MSG_WAITALL" | "MSG_NOSIGNAL" => RecvFlags::empty(),
            _ => return Err(Stop::unsupported(format!("flag {word}"))),
        };
    }
    // What is out of band is never waited for.
    let waits = !descriptor::is_nonblocking(socket)
        && !words
            .iter()
            .any(|word| matches!(*word, "MSG_DONTWAIT" | "MSG_OOB"));
    let timeout = socket.read_timeout().ok().flatten();
    // A read that blocks waits for as much as SO_RCVLOWAT says, one that does not takes what there is.
    if waits && length > 0 && descriptor::readiness(socket.as_fd(), libc::POLLIN) == 0 {
        return Ok(wait_or_return(waits, timeout, progress, now));
    }
    let takes_all = words.contains(&"MSG_WAITALL") && !words.contains(&"MSG_PEEK");
    let mut buffer = vec![0; length - progress.moved];
    let found = match rustix::net::recv(socket.as_fd(), &mut buffer, flags) {
        Ok((count, _)) if flags.contains(RecvFlags::TRUNC) => return Ok(returned(count as i64)),
        Ok((count, _)) => count,
        Err(rustix::io::Errno::AGAIN) => return Ok(wait_or_return(waits, timeout, progress, now)),
        Err(error) => return calls::told(&io::Error::from(error)),
    };
    if buffer[..found].iter().any(|byte| *byte != 0) {
        return Err(Stop::failed("what was read is not what arrived"));
    }
    progress.moved += found;
    if takes_all && found > 0 && progress.moved < length {
        return receive(call, socket, progress, now);
    }
    Ok(returned(progress.moved as i64))
}

pub(super) fn send(
    kernel: &mut Kernel,
    call: &Call,
    socket: &Socket,
    progress: &mut Progress,
    now: Instant,
) -> Result<Attempt> {
    refuse_control_messages(call)?;
    let (length, words) = arguments::length(call)?;
    let mut flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    for word in &words {
        flags |= match *word {
            "MSG_OOB" => SendFlags::OOB,
            "MSG_MORE" => SendFlags::MORE,
            "MSG_EOR" => SendFlags::EOR,
            "MSG_DONTWAIT" | "MSG_NOSIGNAL" => SendFlags::empty(),
            _ => return Err(Stop::unsupported(format!("flag {word}"))),
        };
    }
    let bytes = vec![0; length - progress.moved];
    let sent = if call.name == "sendto" && descriptor::ports(socket).is_none() {
        let settings = &kernel.network.settings;
        let port = arguments::port(call, 4).unwrap_or(settings.connect_port);
        let to = calls::address(kernel, settings.remote, port);
        let sent = rustix::net::sendto(socket.as_fd(), &bytes, flags, &to);
        if let Some(local) = socket.local_addr().ok().and_then(|at| at.as_socket()) {
            let flow = kernel.network.flow(local.port(), port);
            kernel.network.select(Some(flow));
        }
        sent
    } else {
        rustix::net::send(socket.as_fd(), &bytes, flags)
    };
    match sent {
        Ok(count) => progress.moved += count,
        Err(rustix::io::Errno::AGAIN) => {}
        Err(_) if progress.moved > 0 => return Ok(returned(progress.moved as i64)),
        Err(error) => return calls::told(&io::Error::from(error)),
    }
    if progress.moved == length {
        return Ok(returned(length as i64));
    }
    let waits = !descriptor::is_nonblocking(socket) && !words.contains(&"MSG_DONTWAIT");
    let timeout = socket.write_timeout().ok().flatten();
    Ok(wait_or_return(waits, timeout, progress, now))
}

fn refuse_control_messages(call: &Call) -> Result<()> {
    let header = call.arguments.get(1);
    match header.and_then(|header| header.field("msg_control")) {
        Some(Expression::List(messages)) if !messages.is_empty() => {
            Err(Stop::unsupported("control messages against the kernel"))
        }
        _ => Ok(()),
    }
}

/// What becomes of a call that could move no more.
fn wait_or_return(
    waits: bool,
    timeout: Option<time::Duration>,
    progress: &mut Progress,
    now: Instant,
) -> Attempt {
    let has_waited = timeout.is_some_and(|timeout| {
        let timeout = Duration::from_nanos(timeout.as_nanos() as u64);
        progress.has_waited(now, timeout)
    });
    match progress.moved {
        _ if waits && !has_waited => Attempt::Blocks,
        0 => failed("EAGAIN"),
        moved => returned(moved as i64),
    }
}
