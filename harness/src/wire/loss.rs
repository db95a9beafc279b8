//! Which packets a link loses.

use super::settings::Loss;

/// Where the chain of Gilbert and Elliott stands. It starts good.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Chain {
    bad: bool,
}

impl Chain {
    /// Whether the next packet is lost. `step` and `draw` are from 0 to 1: one moves the chain, the other decides in the state it then has.
    pub(super) fn loses(&mut self, loss: Loss, step: f64, draw: f64) -> bool {
        match loss {
            Loss::Bernoulli(probability) => draw < probability,
            Loss::GilbertElliott {
                worsens,
                recovers,
                lost_in_bad,
                lost_in_good,
            } => {
                self.bad = if self.bad {
                    step >= recovers
                } else {
                    step < worsens
                };
                draw < if self.bad { lost_in_bad } else { lost_in_good }
            }
        }
    }
}
