//! What is on the page of all results, whatever lies in their directory.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

/// A directory of results that is gone with the test.
struct Results(PathBuf);

impl Results {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("handfast-index-{name}-{}", std::process::id()));
        fs::create_dir_all(&place).expect("a scratch directory");
        Self(place)
    }

    fn with(self, file: &str, content: &str) -> Self {
        let file = self.0.join(file);
        fs::create_dir_all(file.parent().expect("a directory")).expect("writable");
        fs::write(file, content).expect("writable");
        self
    }

    fn page(&self) -> String {
        let page = index(&places(&self.0).expect("listable")).expect("renders");
        page.replace("&#x2f;", "/")
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a broken run is marked.
const BROKEN: &str = "<span class=\"verdict broken\">broken</span>";

fn document(started: &str, rate: f64, valid: bool) -> String {
    let metric = json!({ "median": rate, "min": rate, "max": rate, "low": null, "high": null, "n": 1 });
    json!({
        "schema": "handfast.run/1", "scenario": "crr", "started": started, "valid": valid,
        "invalid_reasons": if valid { json!([]) } else { json!(["engine: disturbed"]) },
        "config": { "connections": 64, "duration": rate, "seed": rate }, "environment": { "cpu": "a processor", "optimised": true },
        "results": [{
            "stack": "engine", "path": "memory", "valid": valid, "runs": [{ "metrics": {} }],
            "metrics": { "connections_per_second": metric },
        }],
    })
    .to_string()
}

fn charts_of(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"id="charts">"#).expect("the charts begin");
    let (charts, _) = rest.split_once("</script>").expect("the charts end");
    serde_json::from_str(charts).expect("JSON")
}

#[test]
fn every_run_is_listed_with_its_verdict_and_links_and_the_latest_comes_first() {
    let results = Results::new("listed")
        .with("a/run.json", &document("2026-11-22T19:30:00Z", 500_000.0, true))
        .with("a/report.html", "")
        .with("a/setup_ns.hlog", "")
        .with(
            "several/b/run.json",
            &document("2026-11-23T19:30:00Z", 400_000.0, false),
        );
    let page = results.page();
    for said in [
        "500 k",
        "400 k",
        "engine: disturbed",
        "href=\"./a/report.html\"",
        "href=\"./several/b/run.json\"",
        "setup_ns.hlog",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(page.find("2026-11-23T19:30:00Z") < page.find("2026-11-22T19:30:00Z"));
    assert!(!page.contains(BROKEN), "a directory of directories is no run");
}

#[test]
fn what_a_killed_run_has_left_is_listed_as_broken_and_breaks_nothing() {
    let results = Results::new("killed")
        .with("2026-11-22T19-30-00Z-crr-1a2b/.run.json.partial", "{\"schema\":")
        .with(
            "2026-11-22T19-31-00Z-rr-1a2b/run.json",
            "{\"schema\":\"handfast.run/1\",\"scen",
        )
        .with("2026-11-22T19-32-00Z-udp-1a2b/counters.csv", "")
        .with("whole/run.json", &document("2026-11-22T19:33:00Z", 5.0, true));
    let page = results.page();
    assert_eq!(page.matches(BROKEN).count(), 3, "{page}");
    assert_eq!(page.matches("did not come to its end").count(), 2);
    assert!(page.contains("this is no JSON"));
    assert!(
        page.contains("2026-11-22T19:30:00Z"),
        "its name tells when it began"
    );
    assert!(page.contains("href=\"./whole/run.json\""));
}

#[test]
fn other_json_beside_a_document_is_no_broken_run() {
    let results = Results::new("others")
        .with("a/run.json", &document("2026-11-22T19:30:00Z", 500_000.0, true))
        .with("a/comparison.json", r#"{"schema":"handfast.compare/1"}"#);
    assert!(!results.page().contains(BROKEN));
}

#[test]
fn a_trend_is_of_runs_with_the_same_parameters_and_marks_what_does_not_count() {
    let other_parameters =
        document("2026-11-25T00:00:00Z", 7.0, true).replace("\"connections\":64", "\"connections\":1");
    let results = Results::new("trend")
        .with("c/run.json", &document("2026-11-24T00:00:00Z", 30.0, true))
        .with("b/run.json", &document("2026-11-23T00:00:00Z", 20.0, false))
        .with("a/run.json", &document("2026-11-22T00:00:00Z", 10.0, true))
        .with("d/run.json", &other_parameters);
    let page = results.page();
    let charts = charts_of(&page);
    assert_eq!(
        charts.as_array().map(Vec::len),
        Some(1),
        "one metric, and a single run makes no trend: {charts}"
    );
    assert_eq!(charts[0]["at"].as_array().map(Vec::len), Some(3));
    let series = charts[0]["series"].as_array().expect("series");
    assert_eq!(
        (&series[0]["values"], &series[0]["marks"]),
        (&json!([10.0, null, 30.0]), &json!(false))
    );
    assert_eq!(
        (&series[1]["values"], &series[1]["marks"]),
        (&json!([null, 20.0, null]), &json!(true))
    );
    assert!(
        page.contains("2026-11-23T00:00:00Z</th>"),
        "the table has the dates"
    );
}

#[test]
fn names_never_become_markup_or_addresses_of_other_places() {
    let hostile = "<img src=x onerror=alert(1)>\"'";
    let results = Results::new("hostile")
        .with(
            &format!("{hostile}/run.json"),
            &document("</script><script>alert(2)</script>", 1.0, true),
        )
        .with(
            "javascript:alert(3)/run.json",
            &document("2026-11-22T00:00:00Z", 1.0, true),
        );
    let page = results.page();
    assert!(!page.contains("<img") && !page.contains("<script>alert"));
    assert!(page.contains("href=\"./javascript%3Aalert%283%29/run.json\""));
    assert!(page.contains("href=\"./%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%22%27/run.json\""));
}

#[test]
fn dates_are_those_of_directories_that_runs_make() {
    assert_eq!(
        date_in("2026-11-22T19-30-00Z-time-wait-1a2b").as_deref(),
        Some("2026-11-22T19:30:00Z")
    );
    for other in ["baseline", "2026-11-22T19-30-00", "T", "2026-11-22Täääää-Z-"] {
        assert_eq!(date_in(other), None, "{other}");
    }
}

#[test]
fn a_search_is_listed_with_the_rates_that_it_found() {
    let search = json!({
        "schema": "handfast.search/1", "quantity": "pps", "started": "2026-11-22T19:30:00Z", "slo": "loss<=0",
        "results": [{ "stack": "engine", "path": "memory", "ended": "found", "highest_per_second": 123_456 }],
    });
    let results = Results::new("search")
        .with("a/search.json", &search.to_string())
        .with("a/report.html", "")
        .with("b/search.json", "{\"schema\":\"handfast.search/1\"");
    let page = results.page();
    for said in [
        "search pps",
        "123456",
        "datagrams/s, loss&lt;=0",
        "href=\"./a/report.html\"",
        "href=\"./a/search.json\"",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(page.matches(BROKEN).count(), 1, "the one that was cut off");
}
