//! A ring of submissions and completions (`io_uring(7)`) that owns every byte the kernel reads and writes for it, so that its
//! users need no `unsafe`.
//!
//! The kernel runs what is deferred only when the ring is entered (`DEFER_TASKRUN`), and only one thread may enter it
//! (`SINGLE_ISSUER`): a ring is made in the thread that uses it.

mod buffers;
mod datagrams;
mod entries;
mod request;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, squeue};
use socket2::SockAddr;

pub(crate) use self::buffers::{Arrived, Draft};
use self::buffers::{Incoming, Outgoing};
pub(crate) use self::datagrams::Run;
pub(crate) use self::request::{Completion, Operation, Shape, SocketOptions};

/// Submissions that one entry takes to the kernel at most.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit; the kernel keeps what comes beyond (`FEAT_NODROP`).
const COMPLETIONS: u32 = 8192;
/// Connects of one entry: each takes three submissions at least.
const ADDRESSES: usize = SUBMISSIONS as usize / 3 * 2;
/// Entries without progress after which the kernel is taken to refuse submissions for good.
const PATIENCE: usize = 1 << 16;

/// One ring, its direct descriptors and its buffers.
pub(crate) struct Ring {
    /// Dropped before the memory that its requests point to.
    ring: IoUring,
    incoming: Incoming,
    outgoing: Outgoing,
    constants: Box<entries::Constants>,
    /// Of connects that the kernel has not copied yet. Never grows, so that none moves.
    addresses: Vec<SockAddr>,
    /// Where datagrams were sent to.
    destinations: HashMap<SocketAddr, Box<SockAddr>>,
    enters: u64,
}

impl fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ring")
            .field("enters", &self.enters)
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// # Errors
    /// `EPERM` and `ENOSYS` where the system refuses rings, `EINVAL` before Linux 6.1, `EMFILE` for more files than `RLIMIT_NOFILE`.
    pub(crate) fn new(shape: Shape, options: SocketOptions) -> io::Result<Self> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        ring.submitter().register_files_sparse(shape.files)?;
        let incoming = Incoming::register(&ring, shape.receive_buffers, shape.receive_buffer)?;
        Ok(Self {
            ring,
            incoming,
            outgoing: Outgoing::new(shape.send_buffer as usize),
            constants: Box::new(entries::Constants::new(options)),
            addresses: Vec::with_capacity(ADDRESSES),
            destinations: HashMap::new(),
            enters: 0,
        })
    }

    /// Whether the system gives such rings.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub(crate) fn probe() -> io::Result<()> {
        let least = Shape {
            files: 1,
            receive_buffers: 1,
            receive_buffer: 1,
            send_buffer: 1,
        };
        let plain = SocketOptions {
            nodelay: false,
            congestion_control: None,
            local_ports: None,
        };
        Self::new(least, plain).map(drop)
    }

    /// Calls of `io_uring_enter` so far.
    pub(crate) fn enters(&self) -> u64 {
        self.enters
    }

    /// Makes a socket at `file`, connects it, and receives from it once it is. `from` without an address leaves that to the kernel.
    pub(crate) fn connect(&mut self, file: u32, token: u32, from: SocketAddr, to: SocketAddr) {
        if self.addresses.len() + 2 > ADDRESSES {
            self.make_room();
        }
        // The new addresses follow those of submissions still in the queue, and the chain is pushed behind them.
        self.reserve(entries::LONGEST_CHAIN);
        let first = self.addresses.len();
        self.addresses.extend([SockAddr::from(from), SockAddr::from(to)]);
        let [from_stored, to_stored] = &self.addresses[first..] else {
            unreachable!("two were added");
        };
        let bound = (!from.ip().is_unspecified()).then_some(from_stored);
        let chain = entries::connecting(&self.constants, file, token, bound, to_stored);
        self.push(&chain);
    }

    /// Accepts every connection of `listener` into a direct descriptor that the kernel chooses.
    pub(crate) fn accept(&mut self, listener: BorrowedFd<'_>, token: u32) {
        self.push(&[entries::accept(listener, token)]);
    }

    /// Receives all that comes, until an end or an error.
    pub(crate) fn receive(&mut self, file: u32, token: u32) {
        self.push(&[entries::receive(file, token)]);
    }

    /// A draft without a byte.
    pub(crate) fn draft(&mut self) -> Draft {
        Draft {
            buffer: self.outgoing.take(),
            length: 0,
        }
    }

    /// Adds up to `length` bytes, which `fill` produces, to `draft`, and returns how many: fewer where it is full.
    pub(crate) fn write(
        &mut self,
        draft: &mut Draft,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> usize {
        let room = &mut self.outgoing.bytes(draft.buffer)[draft.length..];
        let length = length.min(room.len());
        fill(&mut room[..length]);
        draft.length += length;
        length
    }

    /// Sends `draft`. The kernel completes it when all has gone; until then nothing else is to be sent on `file`.
    pub(crate) fn send(&mut self, file: u32, token: u32, draft: Draft) {
        let Draft { buffer, length } = draft;
        let start = self.outgoing.bytes(buffer).as_ptr();
        self.push(&[entries::send(file, token, buffer, start, length)]);
    }

    pub(crate) fn discard(&mut self, draft: Draft) {
        self.outgoing.put_back(draft.buffer);
    }

    /// Ends this direction of the connection with a FIN.
    pub(crate) fn shutdown(&mut self, file: u32, token: u32) {
        self.push(&[entries::shutdown(file, token)]);
    }

    /// Has the close of `file` send a reset.
    pub(crate) fn reset_on_close(&mut self, file: u32, token: u32) {
        let entry = entries::reset_on_close(&self.constants, file, token);
        self.push(&[entry]);
    }

    /// Cancels everything in flight on `file`.
    pub(crate) fn cancel(&mut self, file: u32, token: u32) {
        self.push(&[entries::cancel(file, token)]);
    }

    /// Gives `file` up.
    pub(crate) fn close(&mut self, file: u32, token: u32) {
        self.push(&[entries::close(file, token)]);
    }

    fn reserve(&mut self, count: usize) {
        let queue = self.ring.submission();
        let room = queue.capacity() - queue.len();
        drop(queue);
        if room < count {
            self.make_room();
        }
    }

    /// Empties the submission queue.
    ///
    /// # Panics
    /// When the kernel takes no submission: it is out of memory.
    fn make_room(&mut self) {
        for _ in 0..PATIENCE {
            // What the kernel did not take stays in the queue, and is all that matters here.
            let _ = self.submit();
            if self.ring.submission().is_empty() {
                return;
            }
        }
        panic!("io_uring takes no submission");
    }

    fn push(&mut self, chain: &[squeue::Entry]) {
        self.reserve(chain.len());
        // SAFETY: what the entries point to is in `addresses`, `destinations`, `constants`, `outgoing` or `incoming`. None of it moves, and each
        // is left as it is until the kernel has copied it or has completed the request.
        unsafe { self.ring.submission().push_multiple(chain) }.expect("room was made");
    }

    /// Takes what is queued to the kernel and has it do what it had put off.
    fn submit(&mut self) -> io::Result<usize> {
        let queued = self.ring.submission().len();
        let taken = self.take(queued);
        self.forget_copied_addresses();
        taken
    }

    /// Takes the first `count` of what is queued to the kernel and has it do what it had put off.
    fn take(&mut self, count: usize) -> io::Result<usize> {
        self.enters += 1;
        let flags = EnterFlags::GETEVENTS.bits();
        // SAFETY: no argument goes with the call, and the entries were vouched for when they were pushed.
        unsafe {
            self.ring
                .submitter()
                .enter::<libc::sigset_t>(count as u32, 0, flags, None)
        }
    }

    fn forget_copied_addresses(&mut self) {
        if self.ring.submission().is_empty() {
            self.addresses.clear();
        }
    }

    /// Enters the kernel if there is a reason to, and waits there for up to `wait` until something completes.
    pub(crate) fn enter(&mut self, wait: Duration) {
        // Errors are an interruption, the end of the time, or want of memory: the next call tries again.
        if wait.is_zero() || !self.ring.completion().is_empty() {
            let queue = self.ring.submission();
            if !queue.is_empty() || queue.taskrun() || queue.cq_overflow() {
                drop(queue);
                let _ = self.submit();
            }
            return;
        }
        let time = Timespec::from(wait);
        self.enters += 1;
        let _ = self
            .ring
            .submitter()
            .submit_with_args(1, &SubmitArgs::new().timespec(&time));
        self.forget_copied_addresses();
    }

    /// The next completion that the kernel has put out.
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        let (operation, token, buffer) = entries::decode(entry.user_data());
        let result = u32::try_from(entry.result()).map_err(|_| -entry.result());
        if matches!(operation, Operation::Send | Operation::SendDatagrams) {
            self.outgoing.put_back(buffer);
        }
        let arrived =
            cqueue::buffer_select(entry.flags()).map(|buffer| Arrived::new(buffer, result.unwrap_or(0)));
        Some(Completion {
            operation,
            token,
            result,
            more: cqueue::more(entry.flags()),
            arrived,
        })
    }

    /// What was received and not yet consumed.
    pub(crate) fn bytes<'a>(&'a self, arrived: &'a Arrived) -> &'a [u8] {
        self.incoming.bytes(arrived)
    }

    /// Lets the kernel use the buffer again.
    pub(crate) fn give_back(&mut self, arrived: Arrived) {
        self.incoming.give_back(arrived);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel would go on by itself after the ring is closed, when its buffers are gone.
        let _ = self
            .ring
            .submitter()
            .register_sync_cancel(Some(Timespec::new().sec(1)), CancelBuilder::any());
        // What was cancelled ends when the ring is entered.
        let _ = self.take(0);
    }
}
