//! The checked-in schema is that of the types, and documents follow it.

use schemars::schema_for;
use serde_json::Value;

use super::compare::Comparison;
use super::document::SuiteFormat;
use super::fixtures::{document, document_of, plan, ran};
use super::list::List;
use super::replay::Replay;
use super::{Document, Suite, one_line};
use crate::config::StackKind;
use crate::observe::fixtures as observed;
use crate::observe::json_lines::Line;
use crate::search::Search;

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/handfast.run.1.json");
const COMPARISON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/handfast.compare.1.json");
const INTERVAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/handfast.interval.1.json");
const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/handfast.list.1.json");
const SEARCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/handfast.search.1.json");
const REPLAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/handfast.replay-seq.1.json");

/// Writes the schemas anew when the environment says `HANDFAST_WRITE_SCHEMA=1`; else compares.
#[test]
fn the_checked_in_schemas_are_up_to_date() {
    for (schema, file) in [
        (schema_for!(Document), CHECKED_IN),
        (schema_for!(Comparison), COMPARISON),
        (schema_for!(Line), INTERVAL),
        (schema_for!(List), LIST),
        (schema_for!(Replay), REPLAY),
        (schema_for!(Search), SEARCH),
    ] {
        let generated = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        if std::env::var_os("HANDFAST_WRITE_SCHEMA").is_some() {
            std::fs::write(file, &generated).expect("the schema can be written");
        }
        let checked_in = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            checked_in == generated,
            "the types of the documents have changed: `HANDFAST_WRITE_SCHEMA=1 cargo test schema` writes {file} anew"
        );
    }
}

fn checked_in() -> jsonschema::Validator {
    validator(CHECKED_IN)
}

fn validator(file: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(file).expect("the schema is checked in");
    let schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
}

fn json(document: &Document) -> Value {
    serde_json::from_str(&one_line(document).expect("serialises")).expect("a document is JSON")
}

#[test]
fn documents_follow_the_schema() {
    let mut failed = plan(&[StackKind::Engine, StackKind::Null], 2);
    failed.interrupted = true;
    failed.subjects[0].runs[0] = ran(Err("it crashed".to_owned()));
    let validator = checked_in();
    for document in [document(), document_of(&failed)] {
        let document = json(&document);
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn the_line_of_an_interval_follows_its_schema() {
    let line = Line::of(&observed::standing(), &observed::interval());
    let line = serde_json::to_value(line).expect("a line is JSON");
    assert!(validator(INTERVAL).is_valid(&line), "{line}");
}

#[test]
fn the_list_of_choices_follows_its_schema() {
    let list = serde_json::to_value(List::of_all()).expect("a document is JSON");
    assert!(validator(LIST).is_valid(&list), "{list}");
    let options = list["options"].as_array().expect("options");
    let path = options
        .iter()
        .find(|option| option["name"] == "path")
        .expect("--path");
    assert!(
        path["values"]
            .as_array()
            .is_some_and(|values| values.contains(&"veth".into()))
    );
}

#[test]
fn what_the_contract_names_stands_where_it_says() {
    let document = json(&document());
    assert_eq!(document["schema"], "handfast.run/1");
    assert_eq!(document["scenario"], "crr");
    assert_eq!(document["config"]["closer"], "client");
    assert_eq!(document["environment"]["syscall_ns"], 1352.0);
    assert_eq!(document["valid"], true);
    assert_eq!(document["invalid_reasons"], serde_json::json!([]));
    let result = &document["results"][1];
    assert_eq!(result["stack"], "kernel-tuned");
    assert_eq!(
        (&result["path"], &result["placement"]),
        (&"loopback".into(), &"same-core".into())
    );
    assert_eq!(
        (&result["valid"], &result["unsupported_reason"]),
        (&true.into(), &Value::Null)
    );
    assert!(result["runs"][0]["metrics"]["connections_per_second"].is_number());
    assert!(result["runs"][0]["metrics"]["time_wait_peak"].is_null());
    assert!(result["runs"][0]["distributions"]["setup_ns"]["buckets"].is_array());
    let rate = &result["metrics"]["connections_per_second"];
    assert!(rate["median"].is_number() && rate["min"].is_number() && rate["max"].is_number());
    assert_eq!(
        (&rate["low"], &rate["high"], &rate["n"]),
        (&Value::Null, &Value::Null, &3.into())
    );
    let ratio = &document["ratios"][0];
    assert_eq!(
        (&ratio["of"], &ratio["to"]),
        (&"engine".into(), &"kernel-tuned".into())
    );
    assert!(ratio["metric"].is_string() && ratio["value"].is_number() && ratio["low"].is_null());
}

#[test]
fn a_document_that_breaks_the_contract_is_found_out() {
    let validator = checked_in();
    let mut renamed = json(&document());
    renamed["schema"] = "handfast.run/2".into();
    assert!(!validator.is_valid(&renamed));
    let mut lacking = json(&document());
    lacking.as_object_mut().expect("an object").remove("ratios");
    assert!(!validator.is_valid(&lacking));
}

#[test]
fn a_suite_holds_documents() {
    let suite = Suite {
        schema: SuiteFormat::Suite1,
        documents: vec![document()],
    };
    let suite: Value = serde_json::from_str(&one_line(&suite).expect("serialises")).expect("JSON");
    assert_eq!(suite["schema"], "handfast.suite/1");
    assert!(checked_in().is_valid(&suite["documents"][0]));
}
