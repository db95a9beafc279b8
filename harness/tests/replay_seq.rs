//! The verb `replay-seq` as scripts meet it: the examples of the RFCs, what is easily taken for something else, and bad input.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// Replays a list that comes by standard input.
fn replay(list: &str, options: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["replay-seq", "-"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    // A program that refuses its options ends without a look at the list.
    if let Err(error) = input.write_all(list.as_bytes()) {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
    drop(input);
    child.wait_with_output().expect("the program ends")
}

fn found(list: &str, options: &[&str]) -> Value {
    let output = replay(list, &[options, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/handfast.replay-seq.1.json");
    let schema = std::fs::read_to_string(file).expect("the schema is checked in");
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    assert!(validator.is_valid(&document), "{document}");
    document
}

fn numbers(arrivals: &str) -> String {
    arrivals.replace(' ', "\n")
}

/// Lost, duplicated and reordered.
fn counts(found: &Value) -> [Option<u64>; 3] {
    ["lost", "duplicated", "reordered"].map(|name| found[name].as_u64())
}

#[test]
fn a_copy_is_never_reordering_and_never_makes_up_for_a_loss() {
    for (arrivals, expected) in [
        ("1 3 3", [1, 1, 0]),
        ("1 3 4 3", [1, 1, 0]),
        ("1 2 3 2 4 5", [0, 1, 0]),
        ("1 2 4 5 3", [0, 0, 1]),
        ("1 2 4 5 6 7", [1, 0, 0]),
    ] {
        let found = found(&numbers(arrivals), &[]);
        assert_eq!(counts(&found), expected.map(Some), "{arrivals}");
    }
}

#[test]
fn rfc4737_table_3_with_times_and_bytes() {
    let (arrivals, at_ms) = (
        [1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11],
        [68, 88, 108, 188, 208, 228, 248, 250, 252, 256, 268],
    );
    let mut list = "# one datagram every 20 ms\n\nbytes,seq,sent_ns,received_ns\r\n".to_owned();
    for (number, ms) in arrivals.iter().zip(at_ms) {
        list += &format!("100, {number}, {}, {ms}000000\r\n", number * 20_000_000);
    }
    let found = found(&list, &[]);
    assert_eq!(counts(&found), [Some(0), Some(0), Some(3)]);
    assert_eq!(found["reordered_ratio"], 3.0 / 11.0);
    let distributions = &found["distributions"];
    assert_eq!(distributions["extent"], json!({ "4": 1, "5": 1, "6": 1 }));
    assert_eq!(distributions["byte_offset"]["median"], 400);
    assert_eq!(distributions["late_ns"]["count"], 3);
    assert_eq!(distributions["delay_ns"]["count"], 11);
}

#[test]
fn rfc4737_table_4_has_runs_a_gap_and_degrees() {
    let found = found(&numbers("1 2 3 6 7 4 5 8 9 10 12 13 11 14 15 16"), &[]);
    let distributions = &found["distributions"];
    assert_eq!(distributions["extent"], json!({ "2": 2, "3": 1 }));
    assert_eq!(distributions["gap"], json!({ "7": 1 }));
    assert_eq!(distributions["n_reordering"], json!({ "1": 0.125, "2": 0.125 }));
    assert_eq!(distributions["reordering_free_runs"]["squares"], 50);
    assert_eq!(
        distributions["byte_offset"],
        json!({ "count": 0 }),
        "no bytes were told"
    );
}

#[test]
fn rfc5236_section_8_densities() {
    let densities = |arrivals: &str, threshold: &str| {
        let found = found(&numbers(arrivals), &["--threshold", threshold]);
        let distributions = &found["distributions"];
        (
            distributions["reorder_density"].clone(),
            distributions["buffer_density"].clone(),
        )
    };
    assert_eq!(
        densities("1 4 2 5 3 6 7 8", "4"),
        (
            json!({ "-2": 0.125, "-1": 0.125, "0": 0.5, "1": 0.125, "2": 0.125 }),
            json!({ "0": 0.625, "1": 0.25, "2": 0.125 })
        )
    );
    assert_eq!(densities("1 2 4 5 6 7", "3").0, json!({ "0": 1.0 }));
    assert_eq!(
        densities("1 3 2 3 4 5", "2"),
        (
            json!({ "-1": 0.2, "0": 0.6, "1": 0.2 }),
            json!({ "0": 0.8, "1": 0.2 })
        )
    );
}

#[test]
fn a_rogue_number_is_not_believed_and_losses_at_the_end_have_to_be_told() {
    let rogue = found(&numbers("1 5430 2 3 4 5"), &[]);
    assert_eq!((&rogue["sent"], &rogue["implausible"]), (&json!(5), &json!(1)));
    assert_eq!(counts(&rogue), [Some(0); 3]);
    assert_eq!(found(&numbers("1 2 3"), &["--sent", "5"])["lost"], 2);
    assert_eq!(found("", &["--sent", "5"])["lost"], 5);
}

#[test]
fn the_table_names_what_was_found() {
    let output = replay("1\n3\n2\n", &[]);
    let table = String::from_utf8_lossy(&output.stdout);
    for word in ["reordered", "33.333 %", "extent", "reorder-buffer density"] {
        assert!(table.contains(word), "`{word}` is missing in\n{table}");
    }
}

#[test]
fn bad_input_is_named_with_its_line() {
    for (list, options, words) in [
        ("1\n\n# two\ntwo\n", &[][..], &["line 4", "`two`"][..]),
        ("0\n", &[], &["line 1", "`0`", "from 1"]),
        ("-1\n", &[], &["line 1", "`-1`"]),
        ("18446744073709551615\n", &[], &["line 1", "18446744073709551615"]),
        ("1,5\n", &[], &["line 1", "`1,5`", "seq,received_ns"]),
        ("seq,color\n", &[], &["line 1", "`color`", "sent_ns"]),
        ("seq,seq\n", &[], &["`seq`", "twice"]),
        ("bytes\n1\n", &[], &["line 1", "no column `seq`"]),
        ("seq,bytes\n1\n", &[], &["line 2", "`1`"]),
        ("seq,bytes\n1,many\n", &[], &["line 2", "`many`", "bytes"]),
        (
            "seq,received_ns\n1,9\n2,8\n",
            &[],
            &["line 3", "8", "order of arrival"],
        ),
        ("# nothing\n", &[], &["--sent"]),
        ("1\n5\n", &["--sent", "4"], &["--sent 4", "5"]),
        ("1\n", &["--threshold", "0"], &["--threshold", "1..=1024"]),
    ] {
        let output = replay(list, options);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{list:?}: {errors}");
        assert!(output.stdout.is_empty(), "errors go to standard error");
        for word in words {
            assert!(errors.contains(word), "{list:?}: `{word}` is missing in {errors}");
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["replay-seq", "/nowhere/list"])
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/list"));
}
