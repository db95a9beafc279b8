//! `close`, and how long it takes.

use handfast::application::TcpHandle;
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

use super::{Attempt, Descriptor, Kind, Progress, Result, arguments, failed, returned};
use crate::script::subject::Subject;
use crate::script::tree::Call;
use crate::script::world::World;

pub(super) fn close(world: &mut World, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    if let Some((handle, patience)) = lingering(descriptor)
        && delivers(world, handle, progress)
    {
        if !progress.has_waited(world.now(), patience) {
            return Ok(Attempt::Blocks);
        }
        world.engine().tcp_abort(handle);
    }
    if let Some(descriptor) = world.sockets.table.remove(&fd) {
        give_up(world, descriptor);
    }
    Ok(returned(0))
}

/// The connection that `close` waits for (`SO_LINGER`), and how long at most. Whether the descriptor blocks does not matter, as in Linux.
fn lingering(descriptor: &Descriptor) -> Option<(TcpHandle, Duration)> {
    let Kind::Stream(handle) = descriptor.kind else {
        return None;
    };
    if descriptor.resets || descriptor.peeked.len() > 0 {
        return None;
    }
    let millis = u64::try_from(*descriptor.options.get("linger")?).ok()?;
    Some((handle, Duration::from_millis(millis)))
}

/// Whether text or the FIN is still on its way to the peer. What nobody will read ends the waiting, for `close` resets then.
fn delivers(world: &mut World, handle: TcpHandle, progress: &mut Progress) -> bool {
    if !progress.started {
        progress.started = true;
        // A connection that is over has nothing to deliver.
        let _ = world.engine().tcp_shutdown(handle);
    }
    let Some(snapshot) = world.engine().tcp_info(handle) else {
        return false;
    };
    let arrived = matches!(
        snapshot.state,
        State::SynSent | State::FinWait2 | State::TimeWait | State::Closed
    );
    !arrived && snapshot.rcv_buffered == 0
}

/// Hands back what a descriptor stands for.
fn give_up(world: &mut World, descriptor: Descriptor) {
    match descriptor.kind {
        Kind::Fresh | Kind::Epoll(_) => {}
        Kind::Listener { handle, waiting } => {
            for connection in waiting {
                world.engine().tcp_abort(connection);
            }
            world.engine().tcp_close_listener(handle);
        }
        Kind::Stream(handle) if descriptor.resets || descriptor.peeked.len() > 0 => {
            world.engine().tcp_abort(handle);
        }
        Kind::Stream(handle) => world.engine().tcp_close(handle),
        Kind::Datagram { handle, .. } => {
            if let Some(handle) = handle {
                world.engine().udp_close(handle);
            }
        }
    }
}
