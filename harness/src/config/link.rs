//! What the path `wire` does to packets.

use std::path::PathBuf;

use super::{Misfit, PathKind};
use crate::wire::{Link, Links};

/// What was asked for of the wire.
#[derive(Clone, Default, Debug, clap::Args)]
pub(crate) struct LinkOptions {
    /// What the path wire does to packets from client to server, as in rate=100mbit,delay=20ms,loss=1%; docs/methodology.md has the options [default: nothing]
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) link: Option<Link>,
    /// The same from server to client [default: as --link]
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) link_back: Option<Link>,
    /// Writes what the path wire did to each packet of each run into files of this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) link_log: Option<PathBuf>,
}

impl LinkOptions {
    /// Refuses them where there is no wire.
    ///
    /// # Errors
    /// [`Misfit`] names the option and the way out.
    pub(super) fn check(&self, path: Option<PathKind>) -> Result<(), Misfit> {
        let given = [
            ("--link", self.link.is_some()),
            ("--link-back", self.link_back.is_some()),
            ("--link-log", self.link_log.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) if path != Some(PathKind::Wire) => Err(Misfit(format!(
                "{option} is for --path wire, on which packets are impaired: ask for both"
            ))),
            _ => Ok(()),
        }
    }

    /// What either direction does.
    pub(super) fn links(&self) -> Links {
        let forward = self.link.clone().unwrap_or_default();
        Links {
            back: self.link_back.clone().unwrap_or_else(|| forward.clone()),
            forward,
            log: self.link_log.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_same_both_ways_unless_told_and_for_the_wire_alone() {
        let link = |text: &str| Some(text.parse().expect("a link"));
        let mut asked = LinkOptions {
            link: link("delay=5ms"),
            ..LinkOptions::default()
        };
        assert_eq!(asked.links().back, asked.links().forward);
        asked.link_back = link("loss=1%");
        assert_eq!(asked.links().back.to_string(), "loss=1%");
        assert!(asked.check(Some(PathKind::Wire)).is_ok());
        for path in [None, Some(PathKind::Veth), Some(PathKind::Memory)] {
            let Misfit(reason) = asked.check(path).expect_err("no wire");
            assert!(reason.starts_with("--link is for --path wire"), "{reason}");
        }
        assert!(LinkOptions::default().check(None).is_ok());
    }
}
