//! From the script's numbers to those on the wire and back, for one connection.

use std::collections::HashMap;

use super::packet::{SYN, Tcp, TcpOption};

/// The two ends of a connection, as they are on the wire, and what its numbers in the script correspond to.
///
/// The peer's sequence numbers are the script's. Ours begin where the engine likes, and so do our timestamps: the first SYN that the
/// script expects says which number of the script its sequence number is, the first timestamp does the same.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    /// What is added to the script's numbers of ours.
    seq_offset: Option<u32>,
    /// The peer has begun another incarnation, so the next SYN of ours has a new initial number.
    reborn: bool,
    peer_isn: Option<u32>,
    /// What is added to the script's timestamps of ours, and those that were seen.
    timestamp_offset: Option<u32>,
    timestamps: HashMap<u32, u32>,
    /// The shift that our SYN announced, in the script and by the engine.
    shifts: Option<(u8, u8)>,
}

impl Flow {
    pub(super) fn new(local_port: u16, remote_port: u16) -> Self {
        Self {
            local_port,
            remote_port,
            seq_offset: None,
            reborn: true,
            peer_isn: None,
            timestamp_offset: None,
            timestamps: HashMap::new(),
            shifts: None,
        }
    }

    /// A segment that is about to arrive, in the engine's numbers.
    pub(super) fn arriving(&mut self, script: &Tcp) -> Tcp {
        let mut tcp = script.clone();
        if tcp.flags & SYN != 0 && tcp.ack.is_none() && self.peer_isn != Some(tcp.seq) {
            self.reborn = self.peer_isn.replace(tcp.seq).is_some() || self.seq_offset.is_none();
        }
        let offset = self.seq_offset.unwrap_or(0);
        tcp.ack = tcp.ack.map(|ack| ack.wrapping_add(offset));
        for option in tcp.options.iter_mut().flatten() {
            match option {
                TcpOption::Sack(blocks) => shift_blocks(blocks, offset),
                TcpOption::Timestamps { ecr, .. } => *ecr = self.timestamp_to_wire(*ecr),
                _ => {}
            }
        }
        tcp
    }

    fn timestamp_to_wire(&self, ecr: u32) -> u32 {
        match (self.timestamps.get(&ecr), self.timestamp_offset) {
            (Some(seen), _) => *seen,
            (None, Some(offset)) if ecr != 0 => ecr.wrapping_add(offset),
            _ => ecr,
        }
    }

    /// A sequence number of ours in the script, as the engine has it.
    pub(super) fn seq_to_wire(&self, seq: u32) -> u32 {
        seq.wrapping_add(self.seq_offset.unwrap_or(0))
    }

    /// Learns from the packet that the script expects what its numbers mean, if it is the first that can tell.
    pub(super) fn learn(&mut self, expected: &Tcp, live: &Tcp) {
        if expected.flags & live.flags & SYN != 0 {
            if self.reborn || self.seq_offset.is_none() {
                self.seq_offset = Some(live.seq.wrapping_sub(expected.seq));
                self.reborn = false;
            }
            if let (Some(ours), Some(theirs)) = (shift_of(expected), shift_of(live)) {
                self.shifts = Some((ours, theirs));
            }
        }
        if let (Some(ours), Some(theirs)) = (timestamp_of(expected), timestamp_of(live)) {
            self.timestamp_offset.get_or_insert(theirs.wrapping_sub(ours));
            self.timestamps.insert(ours, theirs);
        }
    }

    /// A segment that the engine sent, in the script's numbers.
    pub(super) fn to_script(&self, live: &Tcp) -> Tcp {
        let mut tcp = live.clone();
        tcp.seq = tcp.seq.wrapping_sub(self.seq_offset.unwrap_or(0));
        for option in tcp.options.iter_mut().flatten() {
            if let TcpOption::Timestamps { val, .. } = option {
                *val = val.wrapping_sub(self.timestamp_offset.unwrap_or(0));
            }
        }
        tcp
    }

    /// How far windows are shifted, in the script and by the engine.
    pub(super) fn shifts(&self) -> (u8, u8) {
        self.shifts.unwrap_or_default()
    }
}

fn shift_blocks(blocks: &mut [(u32, u32)], offset: u32) {
    for (left, right) in blocks {
        *left = left.wrapping_add(offset);
        *right = right.wrapping_add(offset);
    }
}

fn shift_of(tcp: &Tcp) -> Option<u8> {
    tcp.options.iter().flatten().find_map(|option| match option {
        TcpOption::WindowScale(shift) => Some(*shift),
        _ => None,
    })
}

fn timestamp_of(tcp: &Tcp) -> Option<u32> {
    tcp.options.iter().flatten().find_map(|option| match option {
        TcpOption::Timestamps { val, .. } => Some(*val),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::Flow;
    use crate::script::packet::{ACK, SYN, Tcp, TcpOption};

    fn segment(flags: u16, seq: u32, ack: Option<u32>) -> Tcp {
        Tcp {
            flags,
            seq,
            len: 0,
            ack,
            window: Some(1000),
            urgent: None,
            options: Some(Vec::new()),
        }
    }

    #[test]
    fn our_numbers_begin_where_the_engine_likes() {
        let mut flow = Flow::new(80, 4000);
        flow.arriving(&segment(SYN, 0, None));
        flow.learn(
            &segment(SYN | ACK, 0, Some(1)),
            &segment(SYN | ACK, 7_000, Some(1)),
        );
        assert_eq!(flow.arriving(&segment(ACK, 1, Some(1))).ack, Some(7_001));
        assert_eq!(flow.to_script(&segment(ACK, 7_005, Some(1))).seq, 5);
    }

    #[test]
    fn a_second_incarnation_begins_anew_but_a_repeated_syn_does_not() {
        let mut flow = Flow::new(80, 4000);
        let answer = segment(SYN | ACK, 0, Some(1));
        flow.arriving(&segment(SYN, 0, None));
        flow.learn(&answer, &segment(SYN | ACK, 7_000, Some(1)));
        flow.arriving(&segment(SYN, 0, None));
        flow.learn(&answer, &segment(SYN | ACK, 9_000, Some(1)));
        assert_eq!(flow.seq_to_wire(1), 7_001);
        flow.arriving(&segment(SYN, 50, None));
        flow.learn(&answer, &segment(SYN | ACK, 9_000, Some(51)));
        assert_eq!(flow.seq_to_wire(1), 9_001);
    }

    #[test]
    fn an_echo_is_of_a_timestamp_that_was_seen() {
        let mut flow = Flow::new(80, 4000);
        let stamped = |val, ecr| {
            let mut tcp = segment(ACK, 1, Some(1));
            tcp.options = Some(vec![TcpOption::Timestamps { val, ecr }]);
            tcp
        };
        flow.learn(&stamped(100, 0), &stamped(5_100, 0));
        flow.learn(&stamped(200, 0), &stamped(5_207, 0));
        assert_eq!(flow.arriving(&stamped(1, 200)).options, stamped(1, 5_207).options);
        assert_eq!(
            flow.to_script(&stamped(5_300, 1)).options,
            stamped(300, 1).options
        );
    }
}
