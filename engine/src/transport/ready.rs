//! What became true of a socket, for the application.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// A set of readiness flags.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Ready(u8);

impl Ready {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// An outgoing connection is established.
    pub const CONNECTED: Self = Self(1);
    /// Delivery is in trouble, but the connection goes on; the application can ask what is the matter.
    pub const TROUBLE: Self = Self(1 << 1);
    /// Data, or the end of the peer's stream, can be read.
    pub const READABLE: Self = Self(1 << 2);
    /// The send queue has room again after it refused some.
    pub const WRITABLE: Self = Self(1 << 3);
    /// The peer has sent its FIN and everything before it has arrived.
    pub const PEER_CLOSED: Self = Self(1 << 4);
    /// Both directions are closed and our FIN is acknowledged. The connection (but not its TIME_WAIT) is over.
    pub const CLOSED: Self = Self(1 << 5);
    /// The connection failed; the application can ask why, and must close it.
    pub const FAILED: Self = Self(1 << 6);
    /// The peer has announced urgent data, or more of it; the application can ask where it ends.
    pub const URGENT: Self = Self(1 << 7);

    /// Whether all of `flags` are set.
    #[inline]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether nothing is set.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Ready {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Ready {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            "connected",
            "trouble",
            "readable",
            "writable",
            "peer-closed",
            "closed",
            "failed",
            "urgent",
        ];
        let set = names
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name);
        f.debug_set().entries(set).finish()
    }
}
