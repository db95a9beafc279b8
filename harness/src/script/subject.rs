//! What a script is played against.

use std::collections::VecDeque;

use handfast::time::Instant;

use super::network::Network;
use super::sockets::{Attempt, Progress};
use super::tree::Call;
use super::verdict::Stop;

/// A packet that was sent, and when.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) bytes: Vec<u8>,
}

/// A stack with its sockets, its clock and the device that packets come and go by.
pub(super) trait Subject {
    fn network(&mut self) -> &mut Network;

    fn now(&self) -> Instant;

    /// Lets time pass until something happens by itself, or until `limit`. A call that `waits` may return any moment.
    fn step(&mut self, limit: Instant, waits: bool) -> Result<(), Stop>;

    /// Does what there is to do now.
    fn settle(&mut self) -> Result<(), Stop>;

    /// Lets a packet arrive now.
    fn inject(&mut self, bytes: Vec<u8>) -> Result<(), Stop>;

    /// The packets that were sent and not looked at yet.
    fn sent(&mut self) -> &mut VecDeque<Sent>;

    /// Makes a call, or another attempt at one that blocks.
    fn attempt(&mut self, call: &Call, progress: &mut Progress) -> Result<Attempt, Stop>;

    /// Carries out commands of a shell.
    fn command(&mut self, commands: &str) -> Result<(), Stop>;

    /// The field of TCP_INFO of that name, of the connection under test.
    fn field(&mut self, name: &str) -> Option<i64>;

    /// Takes note of what the connections are doing now, for a script that asks how long they did what. `waits` says that a call blocks.
    fn observe(&mut self, waits: bool);
}
