//! What an impaired wire does, and how often.

use thiserror::Error;

use crate::time::Duration;

/// Places that a packet can be held back by at most.
pub const MAX_PLACES: u32 = 64;

/// How a wire impairs the packets that come out of it. Probabilities are from 0 to 1 and independent of each other; each impairment
/// draws from a sequence of its own, so that changing one leaves the decisions of the others as they were.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ImpairConfig {
    /// Seed of all decisions.
    pub seed: u64,
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Probability that a packet arrives twice.
    pub duplication: f64,
    /// Probability that one bit of a packet arrives flipped.
    pub corruption: f64,
    /// Probability that a packet is held back while 1 to [`ImpairConfig::places`] later ones pass it.
    pub reordering: f64,
    /// The largest number of places that a packet is held back by (1 to [`MAX_PLACES`]), uniformly chosen.
    pub places: u32,
    /// How long a packet is held back at most, when too few others pass it.
    pub hold_limit: Duration,
    /// What every packet takes longer.
    pub delay: Duration,
    /// The most that a packet takes longer still, uniformly chosen. Jitter changes no order: who would overtake waits.
    pub jitter: Duration,
    /// Bits of IP packets that pass in a second; `None` for no limit.
    pub bits_per_second: Option<u64>,
    /// Packets that may wait in the wire (rounded up to a power of two); what comes on top is lost and counted.
    pub capacity: usize,
}

impl Default for ImpairConfig {
    /// No impairment; up to 8 places and 10 ms if packets are held back; room for 4,096 packets.
    fn default() -> Self {
        Self {
            seed: 0,
            loss: 0.0,
            duplication: 0.0,
            corruption: 0.0,
            reordering: 0.0,
            places: 8,
            hold_limit: Duration::from_millis(10),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            bits_per_second: None,
            capacity: 4096,
        }
    }
}

/// Why an [`ImpairConfig`] is refused.
#[derive(Clone, Copy, PartialEq, Debug, Error)]
pub enum ImpairError {
    /// Not a probability.
    #[error("{name} is {value}, not a probability from 0 to 1")]
    Probability {
        /// The field of the configuration.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A number of places that cannot be had.
    #[error("places is {0}, not a number from 1 to {MAX_PLACES}")]
    Places(u32),
    /// A wire that nothing passes.
    #[error("bits_per_second is 0: nothing would ever arrive")]
    Rate,
    /// A wire without room.
    #[error("capacity is 0: every packet would be lost")]
    Capacity,
}

impl ImpairConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// The first value that is out of range, with its name.
    pub fn validate(&self) -> Result<(), ImpairError> {
        let probabilities = [
            ("loss", self.loss),
            ("duplication", self.duplication),
            ("corruption", self.corruption),
            ("reordering", self.reordering),
        ];
        if let Some(&(name, value)) = probabilities
            .iter()
            .find(|(_, value)| !(0.0..=1.0).contains(value))
        {
            return Err(ImpairError::Probability { name, value });
        }
        if !(1..=MAX_PLACES).contains(&self.places) {
            return Err(ImpairError::Places(self.places));
        }
        if self.bits_per_second == Some(0) {
            return Err(ImpairError::Rate);
        }
        if self.capacity == 0 {
            return Err(ImpairError::Capacity);
        }
        Ok(())
    }

    /// Whether packets pass as if there were no impairment.
    pub fn is_transparent(&self) -> bool {
        let never = |probability: f64| probability == 0.0;
        never(self.loss)
            && never(self.duplication)
            && never(self.corruption)
            && never(self.reordering)
            && self.delay == Duration::ZERO
            && self.jitter == Duration::ZERO
            && self.bits_per_second.is_none()
    }
}
