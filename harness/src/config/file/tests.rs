use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};

use super::*;
use crate::config::StackKind;

fn entries(text: &str, flags: &[&str]) -> Result<Vec<Entry>, String> {
    let command = Options::augment_args(Command::new("run").no_binary_name(true));
    let matches = command.try_get_matches_from(flags).expect("good flags");
    Options::from_arg_matches(&matches).expect("good flags");
    let given = Keys::of_run().given(&matches);
    parse(&Source::new("some.toml", text), &given).map_err(|wrong| wrong.to_string())
}

/// Asserts an error at `place` (line and column) that has all of `words`.
fn assert_wrong(text: &str, place: &str, words: &[&str]) {
    let error = entries(text, &[]).expect_err(text);
    assert!(
        error.starts_with(&format!("some.toml:{place}: ")),
        "{place}: {error}"
    );
    for word in words {
        assert!(error.contains(word), "`{word}` is missing in\n{error}");
    }
}

/// What the command line answers to a flag, without what surrounds it.
fn flag_s_answer(flag: &str) -> String {
    let command = Options::augment_args(Command::new("run").no_binary_name(true));
    let error = command.try_get_matches_from([flag]).expect_err(flag);
    flag_s_text(&error)
}

#[test]
fn what_stands_at_the_top_holds_for_all_runs_and_each_run_may_differ() {
    let text = "stack = \"engine,null\"\nduration = \"2s\"\nscenario = \"crr\"\n\
                [[run]]\nconnections = 1\n\
                [[run]]\nname = \"many\"\nscenario = [\"rr\", \"connect\"]\nduration = \"10ms\"\nstack = [\"smoltcp\"]\n";
    // A name cannot be given to two runs.
    let error = entries(text, &[]).expect_err("two scenarios, one name");
    assert!(
        error.starts_with("some.toml:7:1: `many` would name several runs"),
        "{error}"
    );
    let found = entries(&text.replace("name = \"many\"\n", ""), &[]).expect("a good file");
    let seen: Vec<_> = found
        .iter()
        .map(|entry| {
            let options = &entry.options;
            let milliseconds = options.duration.map(|span| span.as_millis());
            (
                entry.scenario,
                options.stacks.len(),
                milliseconds,
                options.connections,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (ScenarioKind::Crr, 2, Some(2000), Some(1)),
            (ScenarioKind::Rr, 1, Some(10), None),
            (ScenarioKind::Connect, 1, Some(10), None),
        ]
    );
}

#[test]
fn flags_beat_the_file_and_what_contradicts_them_in_it() {
    let text =
        "scenario = \"rr\"\nclient = \"kernel\"\nserver = \"engine\"\npath = \"tun\"\nmtu = 9000\nseed = 7\n";
    let found = entries(text, &["--mtu", "1400", "--stack", "null", "--path", "memory"]).expect("fits");
    let options = &found[0].options;
    assert_eq!((options.mtu, options.seed), (Some(1400), Some(7)));
    assert_eq!(options.stacks, [StackKind::Null]);
    assert!(options.clients.is_empty() && options.servers.is_empty());
    let plain = &entries(text, &[]).expect("fits")[0].options;
    assert_eq!((plain.mtu, plain.clients.len()), (Some(9000), 1));
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest_name() {
    assert_wrong(
        "scenario = \"rr\"\n  conections = 3\n",
        "2:3",
        &["`conections`", "`connections`"],
    );
    assert_wrong(
        "[[run]]\nscenarios = \"rr\"\n",
        "2:1",
        &["`scenarios`", "`scenario`"],
    );
    assert_wrong(
        "scenario = \"rr\"\nzebra = 3\n",
        "2:1",
        &["`zebra`", "time-wait", "[[run]]"],
    );
    assert_wrong("[[run]]\nscenario = \"rr\"\nrun = []\n", "3:1", &["`run`"]);
    assert_wrong("scenario = \"crrr\"\n", "1:12", &["`crrr`", "`crr`"]);
    assert_wrong(
        "scenario = [\"rr\", 3]\n",
        "1:19",
        &["integer is not a scenario", "\"crr\""],
    );
    assert_wrong("scenario.x = \"rr\"\n", "1:1", &["table is not a scenario"]);
}

#[test]
fn a_wrong_value_gets_the_answer_of_its_flag() {
    for (key, value, column) in [
        ("mtu", "575", 7),
        ("connections", "\"many\"", 15),
        ("connections", "0", 15),
        ("connections", "1.5", 15),
        ("duration", "\"10\"", 12),
        ("path", "\"carrier-pigeon\"", 8),
        ("port-range", "\"9-5\"", 14),
        ("sysctl", "\"ip_forward=1\"", 10),
        ("seed", "\"x\"", 8),
        ("close", "true", 9),
    ] {
        let answer = flag_s_answer(&format!("--{key}={}", value.trim_matches('"')));
        let text = format!("scenario = \"crr\"\n{key} = {value}\n");
        assert_wrong(&text, &format!("2:{column}"), &[&answer]);
    }
    let list = "scenario = \"crr\"\nstack = [\"engine\", \"lwip\"]\n";
    assert_wrong(list, "2:20", &[&flag_s_answer("--stack=lwip"), "^^^^^^"]);
}

#[test]
fn a_wrong_kind_of_value_is_told() {
    assert_wrong(
        "scenario = \"rr\"\nmtu = [1500]\n",
        "2:7",
        &["array", "--mtu <N>"],
    );
    assert_wrong(
        "scenario = \"rr\"\nmtu = { size = 3 }\n",
        "2:7",
        &["table", "--mtu"],
    );
    assert_wrong("run = 3\n", "1:7", &["[[run]]"]);
    assert_wrong("run = [3]\n", "1:8", &["[[run]]"]);
    assert_wrong("scenario = \"rr\"\nname = \"../../etc\"\n", "2:8", &["directory"]);
    let long = format!("scenario = \"rr\"\nname = \"{}\"\n", "a".repeat(201));
    assert_wrong(&long, "2:8", &["at most 200 bytes"]);
    assert_wrong("scenario = \"rr\"\nmtu 3\n", "2:5", &["="]);
    assert_wrong(
        "scenario = \"rr\"\nmtu = 1500\nmtu = 9000\n",
        "3:1",
        &["duplicate"],
    );
}

#[test]
fn what_does_not_fit_together_is_told_at_the_key_that_is_meant() {
    assert_wrong(
        "scenario = \"udp\"\nmessage = 65_536\n",
        "2:1",
        &["--message 65536", "65507"],
    );
    assert_wrong(
        "mtu = 9000\n[[run]]\nscenario = \"rr\"\nip = 6\n",
        "4:1",
        &["--ip 6", "veth"],
    );
    assert_wrong("scenario = \"rr\"\nclient = \"kernel\"\n", "1:1", &["--server"]);
    assert_wrong("stack = \"engine\"\n", "1:1", &["scenario = \"crr\""]);
    assert_wrong("[[run]]\nmtu = 1500\n", "1:1", &["scenario = \"crr\""]);
    assert_wrong(
        "name = \"all\"\n[[run]]\nscenario = \"rr\"\n",
        "1:1",
        &["[[run]]"],
    );
    let twins = "[[run]]\nscenario = \"rr\"\nname = \"a\"\n[[run]]\nscenario = \"crr\"\nname = \"a\"\n";
    assert_wrong(twins, "6:1", &["`a`", "another name"]);
}

#[test]
fn what_a_file_lacks_may_be_on_the_command_line() {
    let found = entries(
        "scenario = \"rr\"\nclient = \"kernel\"\npath = \"veth\"\n",
        &["--client=engine", "--server=engine"],
    );
    assert_eq!(found.expect("complete")[0].options.clients, [StackKind::Engine]);
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let error = read(Path::new("/nowhere/none.toml"), &[]).expect_err("no such file");
    assert!(
        error
            .to_string()
            .starts_with("/nowhere/none.toml: cannot be read"),
        "{error}"
    );
}

fn examples() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = fs::read_dir(folder).expect("the examples are there").flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_example_says_what_it_is_for_and_would_run() {
    let paths = examples();
    assert!(paths.len() >= 5, "{paths:?}");
    for path in paths {
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.starts_with("# "), "{}", path.display());
        let entries = read(&path, &[]).unwrap_or_else(|wrong| panic!("{wrong}"));
        for entry in entries {
            let plan = crate::run::Plan::new(entry.scenario, &entry.options);
            assert!(
                plan.subjects.iter().all(|subject| subject.unsupported.is_none()),
                "{}: {:?}",
                path.display(),
                plan.subjects
            );
        }
    }
}
