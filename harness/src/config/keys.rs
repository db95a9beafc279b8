//! The options of a run as keys: what a scenario file may set, each by the name of its flag.

use std::ffi::OsString;
use std::ops::Range;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::Options;

/// All options by their long names.
#[derive(Debug)]
pub(crate) struct Keys(Command);

/// A key and what it is set to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    pub(super) key: String,
    /// The bytes of the file that hold the key; empty when the command line set it.
    pub(super) at: Range<usize>,
    /// One for each value.
    pub(super) words: Vec<Word>,
}

/// A value as it would stand on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    pub(super) text: OsString,
    pub(super) at: Range<usize>,
}

impl Keys {
    /// The options of the verb `run`.
    pub(crate) fn of_run() -> Self {
        let command = Command::new("run").no_binary_name(true).disable_help_flag(true);
        let mut command = Options::augment_args(command);
        // Flags show their values' names only afterwards.
        command.build();
        Self(command)
    }

    /// The flags, in the order of the help.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &Arg> {
        self.0.get_arguments().filter(|flag| flag.get_long().is_some())
    }

    /// The flag of that name, without its dashes.
    pub(crate) fn flag(&self, key: &str) -> Option<&Arg> {
        self.flags().find(|flag| flag.get_long() == Some(key))
    }

    /// The names of all flags, without their dashes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.flags().filter_map(Arg::get_long)
    }

    /// What the command line has set.
    pub(crate) fn given(&self, matches: &ArgMatches) -> Vec<Setting> {
        let set =
            |flag: &&Arg| matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
        let setting = |flag: &Arg| Setting {
            key: flag.get_long().unwrap_or_default().to_owned(),
            at: 0..0,
            words: words_of(matches, flag),
        };
        self.flags().filter(set).map(setting).collect()
    }

    /// `upper`, and of `lower` what it leaves alone: neither set by it nor in contradiction to it.
    pub(super) fn overlay(&self, lower: &[Setting], upper: &[Setting]) -> Vec<Setting> {
        let kept = |one: &&Setting| !upper.iter().any(|other| self.replaces(&other.key, &one.key));
        lower.iter().filter(kept).chain(upper).cloned().collect()
    }

    fn replaces(&self, key: &str, other: &str) -> bool {
        let conflicts = |one: &str, other: &str| {
            self.flag(one).is_some_and(|flag| {
                let excluded = self.0.get_arg_conflicts_with(flag);
                excluded.iter().any(|flag| flag.get_long() == Some(other))
            })
        };
        key == other || conflicts(key, other) || conflicts(other, key)
    }

    /// What the settings come to.
    ///
    /// # Errors
    /// What the command line would answer to the same flags.
    pub(super) fn options(&self, settings: &[Setting]) -> Result<Options, clap::Error> {
        let words = settings.iter().flat_map(|setting| {
            setting.words.iter().map(|word| {
                let mut flag = OsString::from(format!("--{}=", setting.key));
                flag.push(&word.text);
                flag
            })
        });
        let matches = self.0.clone().try_get_matches_from(words)?;
        Options::from_arg_matches(&matches)
    }
}

fn words_of(matches: &ArgMatches, flag: &Arg) -> Vec<Word> {
    let raw = matches.get_raw(flag.get_id().as_str()).into_iter().flatten();
    raw.map(|text| Word {
        text: text.to_owned(),
        at: 0..0,
    })
    .collect()
}

/// Whether a flag takes more than one value.
pub(super) fn is_list(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Append)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str, words: &[&str]) -> Setting {
        let word = |text: &&str| Word {
            text: (*text).into(),
            at: 0..0,
        };
        Setting {
            key: key.to_owned(),
            at: 0..0,
            words: words.iter().map(word).collect(),
        }
    }

    fn left(upper: &[Setting], lower: &[Setting]) -> Vec<String> {
        let merged = Keys::of_run().overlay(lower, upper);
        merged.into_iter().map(|setting| setting.key).collect()
    }

    #[test]
    fn the_upper_layer_replaces_what_it_sets_and_what_contradicts_it() {
        let pair = [
            setting("client", &["kernel"]),
            setting("server", &["engine"]),
            setting("mtu", &["9000"]),
        ];
        assert_eq!(
            left(&[setting("stack", &["engine"]), setting("mtu", &["1500"])], &pair),
            ["stack", "mtu"]
        );
        assert_eq!(
            left(&pair[..2], &[setting("stack", &["null"]), pair[2].clone()]),
            ["mtu", "client", "server"]
        );
        assert_eq!(left(&[setting("seed", &["3"])], &pair).len(), 4);
    }

    #[test]
    fn what_the_command_line_gave_is_what_it_comes_to() {
        let keys = Keys::of_run();
        let words = ["--stack=engine,null", "--sysctl", "tcp_tw_reuse=1", "--mtu=9kB"];
        let matches = keys.0.clone().try_get_matches_from(words).expect("good flags");
        let given = keys.given(&matches);
        let options = keys.options(&given).expect("the same flags");
        assert_eq!((options.stacks.len(), options.mtu), (2, Some(9000)));
        assert_eq!(options.pressure.sysctls.len(), 1);
        assert_eq!(given.len(), 3, "what is not given is not set");
    }
}
