//! Scenario files: what `run` is to do, in TOML, by the names of its flags.
//!
//! What stands at the top holds for the whole file, and what stands in a table `[[run]]` for that run. A flag on the command line
//! beats both.

mod place;
#[cfg(test)]
mod tests;
mod value;

use std::path::Path;

use clap::ValueEnum;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use self::place::Wrong;
use self::place::{Source, Span};
use super::keys::{Keys, Setting};
use super::{Misfit, Options, ScenarioKind};
use crate::input;
use crate::nearest::nearest;

/// What is measured: a scenario, or a list of them.
const SCENARIO: &str = "scenario";
/// What a run is called.
const NAME: &str = "name";
/// Bytes of the longest name: directories have 255 at most, of which the time takes some.
const LONGEST_NAME: usize = 200;
/// The tables of runs.
const RUN: &str = "run";

/// One run of a file, with everything that flags on the command line have changed.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What the file calls it.
    pub(crate) name: Option<String>,
    pub(crate) scenario: ScenarioKind,
    pub(crate) options: Options,
}

/// Reads the runs of a scenario file; `given` is what the command line has set.
///
/// # Errors
/// [`Wrong`] tells line, column and the way out.
pub(crate) fn read(path: &Path, given: &[Setting]) -> Result<Vec<Entry>, Wrong> {
    let name = path.display().to_string();
    match input::read_text(path) {
        Ok(text) => parse(&Source::new(&name, &text), given),
        Err(error) => Err(Wrong::unreadable(&name, &error)),
    }
}

fn parse(source: &Source<'_>, given: &[Setting]) -> Result<Vec<Entry>, Wrong> {
    let document = DeTable::parse(source.text)
        .map_err(|error| source.wrong(error.span().unwrap_or(0..0), error.message()))?;
    let keys = Keys::of_run();
    let reader = Reader {
        source,
        keys: &keys,
        given,
    };
    let top = reader.section(document.span(), document.get_ref(), true)?;
    let mut entries = Vec::new();
    if top.runs.is_empty() {
        reader.add(&mut entries, &top)?;
    } else {
        for (at, table) in &top.runs {
            let own = reader.section(at.clone(), table, false)?;
            reader.add(&mut entries, &reader.below(&top, own)?)?;
        }
    }
    Ok(entries)
}

/// A table of the file: the whole of it, or one of its runs.
struct Section<'a> {
    at: Span,
    name: Option<(Span, String)>,
    scenarios: Vec<ScenarioKind>,
    settings: Vec<Setting>,
    runs: Vec<(Span, &'a DeTable<'a>)>,
}

struct Reader<'a> {
    source: &'a Source<'a>,
    keys: &'a Keys,
    given: &'a [Setting],
}

impl Reader<'_> {
    fn section<'t>(&self, at: Span, table: &'t DeTable<'t>, is_top: bool) -> Result<Section<'t>, Wrong> {
        let mut section = Section {
            at,
            name: None,
            scenarios: Vec::new(),
            settings: Vec::new(),
            runs: Vec::new(),
        };
        let mut pairs: Vec<_> = table.iter().collect();
        pairs.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in pairs {
            match key.get_ref().as_ref() {
                SCENARIO => section.scenarios = self.scenarios(value)?,
                NAME => section.name = Some((key.span(), self.name(value)?)),
                RUN if is_top => section.runs = self.runs(value)?,
                _ => section
                    .settings
                    .push(self.setting(key.span(), key.get_ref(), value)?),
            }
        }
        Ok(section)
    }

    fn scenarios(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<ScenarioKind>, Wrong> {
        let one = |value: &Spanned<DeValue<'_>>| {
            let Some(name) = value.get_ref().as_str() else {
                let kind = value.get_ref().type_str();
                let text = format!("{kind} is not a scenario: write a string, as in scenario = \"crr\"");
                return Err(self.source.wrong(value.span(), &text));
            };
            ScenarioKind::from_str(name, false)
                .map_err(|_| self.source.wrong(value.span(), &no_scenario(name)))
        };
        match value.get_ref() {
            DeValue::Array(list) => list.iter().map(one).collect(),
            _ => Ok(vec![one(value)?]),
        }
    }

    /// A name becomes that of a directory.
    fn name(&self, value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
        let name = value.get_ref().as_str().unwrap_or_default();
        let harmless = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(harmless) {
            let text = format!(
                "a name becomes a directory's: write a string of letters, digits, `-` and `_`, of at most {LONGEST_NAME} bytes"
            );
            return Err(self.source.wrong(value.span(), &text));
        }
        Ok(name.to_owned())
    }

    fn runs<'t>(&self, value: &'t Spanned<DeValue<'t>>) -> Result<Vec<(Span, &'t DeTable<'t>)>, Wrong> {
        let refused = |at| {
            self.source
                .wrong(at, "runs are tables: write [[run]], once for each")
        };
        let Some(tables) = value.get_ref().as_array() else {
            return Err(refused(value.span()));
        };
        let table = |value: &'t Spanned<DeValue<'t>>| match value.get_ref().as_table() {
            Some(table) => Ok((value.span(), table)),
            None => Err(refused(value.span())),
        };
        tables.iter().map(table).collect()
    }

    fn setting(&self, at: Span, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Setting, Wrong> {
        let Some(flag) = self.keys.flag(key) else {
            return Err(self.source.wrong(at, &self.unknown(key)));
        };
        let words = value::words(self.source, flag, value)?;
        let key = key.to_owned();
        Ok(Setting { key, at, words })
    }

    fn unknown(&self, key: &str) -> String {
        let names = self.keys.names().chain([SCENARIO, NAME, RUN]).map(str::to_owned);
        match nearest(key, names) {
            Some(near) => format!("there is no key `{key}`; did you mean `{near}`?"),
            None => format!(
                "there is no key `{key}`; there are {SCENARIO}, {NAME}, [[{RUN}]] and {}",
                self.keys.names().collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// A run's section with what it leaves to the file's.
    fn below<'t>(&self, top: &Section<'t>, own: Section<'t>) -> Result<Section<'t>, Wrong> {
        if let Some((at, _)) = &top.name {
            let text = "each run has a name of its own: move it into a table [[run]]";
            return Err(self.source.wrong(at.clone(), text));
        }
        let scenarios = if own.scenarios.is_empty() {
            top.scenarios.clone()
        } else {
            own.scenarios
        };
        let settings = self.keys.overlay(&top.settings, &own.settings);
        Ok(Section {
            scenarios,
            settings,
            ..own
        })
    }

    /// One entry for each scenario of a section.
    fn add(&self, entries: &mut Vec<Entry>, section: &Section<'_>) -> Result<(), Wrong> {
        if section.scenarios.is_empty() {
            let text = "no scenario is named: write scenario = \"crr\", here or at the top (`handfast list` shows all)";
            return Err(self.source.wrong(section.at.clone(), text));
        }
        match (&section.name, section.scenarios.len()) {
            (Some((at, name)), 2..) => {
                let text = format!("`{name}` would name several runs: give each scenario a table [[run]]");
                return Err(self.source.wrong(at.clone(), &text));
            }
            (Some((at, name)), _) if entries.iter().any(|entry| entry.name.as_ref() == Some(name)) => {
                let text = format!("another run is called `{name}` too: give this one another name");
                return Err(self.source.wrong(at.clone(), &text));
            }
            _ => {}
        }
        let options = self.options(section)?;
        for &scenario in &section.scenarios {
            options
                .check(scenario)
                .map_err(|misfit| self.misfit(section, &misfit))?;
            entries.push(Entry {
                name: section.name.as_ref().map(|(_, name)| name.clone()),
                scenario,
                options: options.clone(),
            });
        }
        Ok(())
    }

    fn options(&self, section: &Section<'_>) -> Result<Options, Wrong> {
        let refused = |error: clap::Error| self.refused(section, &error);
        match self.keys.options(&section.settings) {
            // What the file lacks may be on the command line.
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => return Err(refused(error)),
            _ => {}
        }
        let merged = self.keys.overlay(&section.settings, self.given);
        self.keys.options(&merged).map_err(refused)
    }

    /// Where what the command line would say stands in the file.
    fn refused(&self, section: &Section<'_>, error: &clap::Error) -> Wrong {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let shown = context(ContextKind::InvalidArg);
        let is_meant =
            |setting: &&Setting| self.keys.flag(&setting.key).map(ToString::to_string).as_deref() == shown;
        let at = section.settings.iter().find(is_meant).map(|setting| {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            let word = setting.words.iter().find(|word| {
                let text = word.text.to_string_lossy();
                text.split(',').any(|part| part == value)
            });
            word.map_or(setting.at.clone(), |word| word.at.clone())
        });
        self.source
            .wrong(at.unwrap_or(section.at.clone()), &flag_s_text(error))
    }

    /// Options that do not fit together: the place is that of the first option that the text names.
    fn misfit(&self, section: &Section<'_>, misfit: &Misfit) -> Wrong {
        let text = misfit.to_string();
        let named = text.split_whitespace().filter_map(|word| word.strip_prefix("--"));
        let at = named
            .filter_map(|key| section.settings.iter().find(|setting| setting.key == key))
            .map(|setting| setting.at.clone())
            .next();
        self.source.wrong(at.unwrap_or(section.at.clone()), &text)
    }
}

fn no_scenario(name: &str) -> String {
    let names = || ScenarioKind::value_variants().iter().map(ToString::to_string);
    let all = names().collect::<Vec<_>>().join(", ");
    match nearest(name, names()) {
        Some(near) => format!("`{name}` is not a scenario; did you mean `{near}`? All are {all}"),
        None => format!("`{name}` is not a scenario; all are {all}"),
    }
}

/// What clap says of a flag, without the title before it and the usage after it.
fn flag_s_text(error: &clap::Error) -> String {
    let whole = error.render().to_string();
    let text = whole.strip_prefix("error: ").unwrap_or(&whole);
    let end = ["\n\nUsage:", "\n\nFor more information"]
        .iter()
        .filter_map(|tail| text.find(tail))
        .min();
    text[..end.unwrap_or(text.len())].trim_end().to_owned()
}
