//! `epoll` of the kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use handfast::time::Duration;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use super::Kernel;
use super::calls;
use super::descriptor::Descriptor;
use crate::script::sockets::interest::interest_in;
use crate::script::sockets::{self, Attempt, Progress, Result, arguments, failed};
use crate::script::subject::Subject;
use crate::script::tree::Call;
use crate::script::verdict::Stop;

/// Events that are looked at in one call.
const MOST: usize = 64;

pub(super) fn create(kernel: &mut Kernel, call: &Call) -> Result<Attempt> {
    match epoll::create(CreateFlags::CLOEXEC) {
        Ok(made) => {
            let number = sockets::new_number(call)?;
            kernel
                .descriptors
                .insert(number, Descriptor::Epoll(Arc::new(made)));
            Ok(sockets::returned(number))
        }
        Err(error) => calls::told(&io::Error::from(error)),
    }
}

/// The epoll descriptor that a call names first.
fn epoll_of(kernel: &Kernel, call: &Call) -> Result<std::result::Result<Arc<OwnedFd>, &'static str>> {
    Ok(match kernel.descriptors.get(&arguments::fd(call)?) {
        Some(Descriptor::Epoll(of)) => Ok(of.clone()),
        Some(_) => Err("EINVAL"),
        None => Err("EBADF"),
    })
}

pub(super) fn control(kernel: &mut Kernel, call: &Call) -> Result<Attempt> {
    let of = match epoll_of(kernel, call)? {
        Ok(of) => of,
        Err(error) => return Ok(failed(error)),
    };
    let fd = arguments::integer(call, 2, "a descriptor")?;
    let Some(socket) = kernel.descriptors.get(&fd).and_then(Descriptor::socket) else {
        return Ok(failed("EBADF"));
    };
    let operation = arguments::words(call, 1).first().copied().unwrap_or_default();
    let interest = call.arguments.get(3).and_then(interest_in);
    let (events, data) = interest.unwrap_or_default();
    let (flags, data) = (
        EventFlags::from_bits_retain(events as u32),
        EventData::new_u64(data as u64),
    );
    let done = match (operation, interest) {
        ("EPOLL_CTL_DEL", _) => epoll::delete(&*of, socket.as_fd()),
        ("EPOLL_CTL_ADD", Some(_)) => epoll::add(&*of, socket.as_fd(), data, flags),
        ("EPOLL_CTL_MOD", Some(_)) => epoll::modify(&*of, socket.as_fd(), data, flags),
        _ => return Err(Stop::unsupported(format!("{operation} with such events"))),
    };
    calls::outcome(done.map(|()| 0).map_err(io::Error::from))
}

pub(super) fn wait(kernel: &mut Kernel, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let of = match epoll_of(kernel, call)? {
        Ok(of) => of,
        Err(error) => return Ok(failed(error)),
    };
    let timeout = arguments::integer(call, 3, "a timeout")?;
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut found: Vec<Event> = Vec::with_capacity(MOST);
    if let Err(error) = epoll::wait(&*of, spare_capacity(&mut found), Some(&now)) {
        return calls::told(&io::Error::from(error));
    }
    let found: Vec<(i64, i64)> = found
        .iter()
        .map(|event| {
            let (flags, data) = (event.flags, event.data);
            (i64::from(flags.bits()), data.u64() as i64)
        })
        .collect();
    let waits = match u64::try_from(timeout) {
        Ok(millis) => !progress.has_waited(kernel.now(), Duration::from_millis(millis)),
        Err(_) => true,
    };
    if found.is_empty() && waits {
        return Ok(Attempt::Blocks);
    }
    sockets::interest::answer(call, &found)
}
