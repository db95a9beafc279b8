//! Says what the names mean that results and options are full of: metrics, scenarios, stacks and the options themselves.

mod counters;
mod files;
mod metrics;
mod plans;
mod wire;

use std::fmt::Write as _;

use clap::ValueEnum;

use self::counters::COUNTERS;
use self::files::{FILES, Kept};
use self::metrics::{DEFINITIONS, Definition};
pub(crate) use self::plans::of_plans;
use self::wire::WIRE;
use crate::cli::output_flags;
use crate::config::{Keys, ScenarioKind, StackKind};
use crate::nearest::nearest;
use crate::report::{percentile_of, required};

/// What `name` means, for a reader of the terminal.
///
/// # Errors
/// When nothing has that name; the error says which one is nearest.
pub(crate) fn describe(name: &str) -> Result<String, String> {
    let metric = definition(name).map(|definition| of_metric(name, definition));
    if let Ok(scenario) = ScenarioKind::from_str(name, false) {
        let option = Keys::of_run().flag(name).map(of_option);
        return Ok(of_scenario(scenario) + &metric.or(option).unwrap_or_default());
    }
    // Some names are a metric's and a field's of the wire.
    let found = metric.into_iter().chain(of_wire(name)).collect::<Vec<_>>();
    if !found.is_empty() {
        return Ok(found.join("\n"));
    }
    if let Ok(stack) = StackKind::from_str(name, false) {
        return Ok(of_stack(stack));
    }
    if let Some(flag) = Keys::of_run().flag(name.trim_start_matches('-')) {
        return Ok(of_option(flag));
    }
    if let Some(file) = FILES.iter().find(|file| file.is_named(name)) {
        return Ok(of_file(file));
    }
    let flags = output_flags();
    if let Some(flag) = flags
        .iter()
        .find(|flag| flag.get_long() == Some(name.trim_start_matches('-')))
    {
        return Ok(with_values(flag, "option of run"));
    }
    let meant = meant_by(name);
    if !meant.is_empty() {
        return Ok(meant.join("\n"));
    }
    let hint = nearest(name, names()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Err(format!(
        "no metric, scenario, stack, file or option is called `{name}`{hint} (`handfast list` shows scenarios and stacks, `handfast describe` all metrics)"
    ))
}

/// Metrics that people know by another name, as goodput, CPS or PDV: their meaning begins with it, before a colon.
fn meant_by(name: &str) -> Vec<String> {
    let known_as = |definition: &&Definition| {
        let (terms, _) = definition.meaning.split_once(':').unwrap_or_default();
        terms
            .split(['(', ';', ','])
            .any(|term| term.trim().eq_ignore_ascii_case(name))
    };
    let found = DEFINITIONS.iter().filter(known_as);
    found
        .map(|definition| of_metric(definition.name, definition))
        .collect()
}

/// The names of all metrics, one a line, with their units.
pub(crate) fn index() -> String {
    let section = |title: &str, definitions: &[Definition]| {
        definitions
            .iter()
            .fold(format!("{title}\n"), |mut text, definition| {
                let _ = writeln!(text, "  {:<32}{}", definition.name, definition.unit);
                text
            })
    };
    let files = FILES
        .iter()
        .fold("Files\n".to_owned(), |text, file| text + "  " + file.name + "\n");
    [
        section("Metrics", DEFINITIONS),
        section("Counters of a run", COUNTERS),
        section(
            "What the path wire did to packets, in the block `wire` of a run",
            WIRE,
        ),
        files,
    ]
    .join("\n")
}

/// The definition of a metric, or of the histogram that a percentile comes from.
fn definition(name: &str) -> Option<&'static Definition> {
    let base = percentile_of(name).map_or(name, |(histogram, ..)| histogram);
    let mut all = DEFINITIONS.iter().chain(COUNTERS);
    let found = all.find(|definition| definition.name == base)?;
    (base == name || is_histogram(base)).then_some(found)
}

/// A duration of single operations, of which percentiles are reported.
fn is_histogram(name: &str) -> bool {
    name.ends_with("_ns")
}

fn of_metric(name: &str, definition: &Definition) -> String {
    let Definition {
        unit,
        meaning,
        excludes,
        ..
    } = definition;
    let percentile = percentile_of(name).map_or_else(String::new, |(_, quantile, fewest)| {
        format!(
            "  percentile: p{}, from the merged histogram of all runs; null below {fewest} samples\n",
            quantile * 100.0
        )
    });
    format!("{name}\n  unit:       {unit}\n  meaning:    {meaning}\n{percentile}  without:    {excludes}\n")
}

fn of_wire(name: &str) -> Option<String> {
    if name == "wire" {
        let fields = WIRE
            .iter()
            .map(|field| format!("  {:<32}{}\n", field.name, field.meaning));
        let title = "wire (block of a run in run.json)\n  What the path wire did to packets, from the first of the run to the last; null on every other path\n";
        return Some(title.to_owned() + &fields.collect::<String>());
    }
    let field = WIRE.iter().find(|field| field.name == name)?;
    Some(format!(
        "{name} (of the block `wire` of a run)\n  unit:       {}\n  meaning:    {}\n  without:    {}\n",
        field.unit, field.meaning, field.excludes
    ))
}

fn of_file(file: &Kept) -> String {
    format!("{} (file)\n  {}\n", file.name, file.about)
}

fn of_scenario(scenario: ScenarioKind) -> String {
    let mut text = titled(&scenario, "scenario");
    for name in required(scenario) {
        let meaning = definition(name).map_or("", |definition| definition.meaning);
        let _ = writeln!(text, "  {name:<32}{meaning}");
    }
    text
}

fn of_stack(stack: StackKind) -> String {
    let paths: Vec<_> = stack.paths().iter().map(ToString::to_string).collect();
    format!("{}  paths: {}\n", titled(&stack, "stack"), paths.join(", "))
}

fn of_option(flag: &clap::Arg) -> String {
    let key = flag.get_long().unwrap_or_default();
    with_values(
        flag,
        &format!("option of run; the key `{key}` of a scenario file"),
    )
}

/// A flag with its help and the values that it takes by name.
fn with_values(flag: &clap::Arg, kind: &str) -> String {
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = flag
        .get_possible_values()
        .iter()
        .map(|value| {
            format!(
                "  {:<32}{}\n",
                value.get_name(),
                value.get_help().cloned().unwrap_or_default()
            )
        })
        .collect();
    format!("{flag} ({kind})\n  {help}\n{}", values.concat())
}

fn titled<T: ValueEnum>(kind: &T, what: &str) -> String {
    let value = kind.to_possible_value().unwrap_or_default();
    let help = value.get_help().map(ToString::to_string).unwrap_or_default();
    format!("{} ({what})\n  {help}\n", value.get_name())
}

fn names() -> impl Iterator<Item = String> {
    let metrics = DEFINITIONS
        .iter()
        .chain(COUNTERS)
        .chain(WIRE)
        .map(|definition| definition.name.to_owned());
    let files = FILES.iter().map(|file| file.name.to_owned());
    let scenarios = ScenarioKind::value_variants().iter().map(ToString::to_string);
    let stacks = StackKind::value_variants().iter().map(ToString::to_string);
    let options: Vec<_> = Keys::of_run().names().map(str::to_owned).collect();
    let outputs = output_flags();
    let outputs: Vec<_> = outputs
        .iter()
        .filter_map(clap::Arg::get_long)
        .map(str::to_owned)
        .collect();
    metrics
        .chain(files)
        .chain(scenarios)
        .chain(stacks)
        .chain(options)
        .chain(outputs)
}

/// The names that have a definition.
#[cfg(test)]
pub(crate) fn defined() -> std::collections::BTreeSet<&'static str> {
    DEFINITIONS.iter().map(|definition| definition.name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::measure::counters::{
        Counters, HardwareCounters, HostCounters, MachineCounters, SoftnetCounters,
    };
    use crate::wire::{Report, Spread, Truths};

    #[test]
    fn whatever_a_scenario_has_to_report_is_described() {
        for &scenario in ScenarioKind::value_variants() {
            for name in required(scenario) {
                assert!(definition(name).is_some(), "{scenario}: {name}");
            }
            assert!(describe(&scenario.to_string()).is_ok_and(|text| text.contains(required(scenario)[0])));
        }
    }

    /// The names of all fields, of maps and lists inside too, apart from those whose keys are the kernel's.
    fn fields(value: &serde_json::Value, found: &mut Vec<String>) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            found.push(name.clone());
            fields(inner, found);
            inner
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|item| fields(item, found));
        }
    }

    #[test]
    fn whatever_the_system_counts_is_described() {
        let all = Counters {
            machine: Some(MachineCounters::default()),
            softnet: Some(SoftnetCounters::default()),
            hosts: vec![HostCounters::default()],
            hardware: Some(HardwareCounters::default()),
            ..Counters::default()
        };
        let mut names = Vec::new();
        fields(&serde_json::to_value(all).expect("JSON"), &mut names);
        let groups = ["process", "machine", "softnet", "stack", "hosts", "hardware"];
        let undescribed = |name: &&String| !groups.contains(&name.as_str()) && definition(name).is_none();
        assert_eq!(
            names.iter().filter(undescribed).collect::<Vec<_>>(),
            Vec::<&String>::new()
        );
        let unknown = |counter: &&Definition| !names.iter().any(|name| name == counter.name);
        assert_eq!(
            COUNTERS.iter().filter(unknown).count(),
            0,
            "what is described is counted"
        );
    }

    #[test]
    fn whatever_the_wire_tells_is_described() {
        let spread = Spread {
            min_ns: 1,
            p50_ns: 2,
            p99_ns: 3,
            max_ns: 4,
        };
        let report = Report {
            delay: Some(spread),
            ..Report::default()
        };
        let truths = Truths {
            forward: report.clone(),
            back: report,
        };
        let mut told = Vec::new();
        fields(&serde_json::to_value(truths).expect("JSON"), &mut told);
        let told: BTreeSet<_> = told.iter().map(String::as_str).collect();
        let described: BTreeSet<_> = WIRE.iter().map(|field| field.name).collect();
        assert_eq!(told, described);
        assert!(describe("wire").is_ok_and(|text| text.contains("dropped_by_queue")));
        let both = describe("duplicated").expect("a metric and a field");
        assert!(
            both.contains("block `wire`") && both.starts_with("duplicated\n"),
            "{both}"
        );
    }

    #[test]
    fn files_and_what_has_them_written_are_described() {
        for (name, word) in [
            ("intervals.csv", "p999_ns"),
            ("setup_ns.hlog", "HdrHistogram"),
            ("sequence-engine-memory-same-core-1-run1.csv", "replay-seq"),
            ("--keep-sequence", "sequence-*.csv"),
            ("interval", "at least 100ms"),
            ("metrics", "9464"),
        ] {
            let text = describe(name).expect(name);
            assert!(text.contains(word), "{text}");
        }
        assert!(describe("sequence.json").is_err());
    }

    /// Whoever wants to know what is meant asks by the name that the RFC has, not by that of a field.
    #[test]
    fn what_people_call_a_metric_finds_it_with_its_rfc() {
        for (name, metric, rfc) in [
            ("goodput", "gigabits_per_second", "RFC 2647"),
            ("CPS", "connections_per_second", "RFC 9411"),
            ("pdv", "pdv_ns", "RFC 8219"),
            ("latency", "latency_ns", "RFC 2681"),
            ("set-up time", "setup_ns", "RFC 3511"),
            ("teardown time", "teardown_ns", "RFC 3511"),
            ("TIME_WAIT pressure", "time_wait_pressure", "RFC 9293"),
        ] {
            let text = describe(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(
                text.contains(&format!("{metric}\n")) && text.contains(rfc),
                "{name}: {text}"
            );
        }
        assert!(describe("of").is_err(), "no word of every second meaning");
    }

    #[test]
    fn percentiles_are_of_histograms_alone() {
        assert!(describe("setup_ns_p999").is_ok_and(|text| text.contains("p99.9") && text.contains("10000")));
        assert!(describe("failed_p99").is_err());
    }

    #[test]
    fn a_typing_mistake_gets_the_nearest_name() {
        let error = describe("time_wait_peek").expect_err("no such metric");
        assert!(error.contains("`time_wait_peak`"), "{error}");
        let error = describe("carrier-pigeon").expect_err("no such thing");
        assert!(!error.contains("did you mean"), "{error}");
    }
}
