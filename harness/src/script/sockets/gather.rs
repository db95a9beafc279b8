//! What is written in pieces and sent together: `TCP_CORK` and `MSG_MORE`.

use super::Kind;
use crate::script::world::World;

/// Corks a connection or uncorks it, as its descriptor says: for as long as `TCP_CORK` is set, or after a write with `MSG_MORE`.
pub(super) fn apply(world: &mut World, fd: i64, more_follows: bool) {
    let Some(descriptor) = world.sockets.get(fd) else {
        return;
    };
    let Kind::Stream(handle) = descriptor.kind else {
        return;
    };
    let is_set = |name| descriptor.options.get(name).is_some_and(|value| *value != 0);
    let corked = more_follows || is_set("TCP_CORK");
    if std::mem::replace(&mut descriptor.corked, corked) != corked {
        // A connection that is over sends nothing any more.
        let _ = world.engine().tcp_set_cork(handle, corked);
    }
}
