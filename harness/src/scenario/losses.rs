//! Where datagrams were lost: at the sender, on the path, or in the receiver's buffer.

use super::Measurement;
use crate::load::outcome::Outcome;

/// How many were lost where, as far as anybody can tell.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Losses {
    at_sender: u64,
    on_path: u64,
    at_receiver: u64,
}

impl Losses {
    /// Splits `lost`. What the ends say may be of datagrams that do not count, too, and then is no more than was lost.
    fn of(lost: u64, at_sender: u64, at_receiver: u64) -> Self {
        let at_receiver = at_receiver.min(lost);
        let at_sender = at_sender.min(lost - at_receiver);
        Self {
            at_sender,
            on_path: lost - at_receiver - at_sender,
            at_receiver,
        }
    }
}

impl Measurement {
    /// Tells where the `lost` datagrams were lost; null where a stack does not say what came of them.
    pub(super) fn set_losses<C, S>(&mut self, outcome: &Outcome<C, S>, lost: u64) {
        let losses = split(outcome, lost);
        self.set_count("lost", Some(lost));
        self.set_count("lost_at_sender", losses.map(|losses| losses.at_sender));
        self.set_count("lost_on_path", losses.map(|losses| losses.on_path));
        self.set_count("lost_at_receiver", losses.map(|losses| losses.at_receiver));
    }
}

fn split<C, S>(outcome: &Outcome<C, S>, lost: u64) -> Option<Losses> {
    if lost == 0 {
        return Some(Losses::default());
    }
    // Ends that share a host count for each other: it does not matter which of the two says it.
    let overflowed = outcome.grown_until_drained(|counters| counters.datagrams_overflowed);
    let unsent = outcome.grown_until_drained(|counters| counters.datagrams_unsent);
    let [device_of_sender, device_of_receiver] =
        outcome.grown_until_drained(|counters| counters.device_dropped);
    let sum = |counts: &[Option<u64>]| counts.iter().flatten().sum::<u64>();
    overflowed.iter().any(Option::is_some).then(|| {
        Losses::of(
            lost,
            sum(&unsent) + sum(&[device_of_sender]),
            sum(&overflowed) + sum(&[device_of_receiver]),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_come_to_the_whole_and_none_is_more_than_was_lost() {
        let parts = |losses: Losses| (losses.at_sender, losses.on_path, losses.at_receiver);
        assert_eq!(parts(Losses::of(10, 2, 3)), (2, 5, 3));
        assert_eq!(
            parts(Losses::of(10, 0, 15)),
            (0, 0, 10),
            "others of the warm-up overflowed"
        );
        assert_eq!(
            parts(Losses::of(10, 9, 4)),
            (6, 0, 4),
            "sends that were refused and made again"
        );
        assert_eq!(parts(Losses::of(0, 5, 5)), (0, 0, 0));
    }
}
