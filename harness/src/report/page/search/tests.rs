//! What the page of a search shows.

use serde_json::{Value, json};

use super::super::{documents, report};

fn iteration(rate: u32, verdict: &str, p99: Option<f64>, failed: u32, reason: Option<&str>) -> Value {
    json!({
        "rate": rate, "verdict": verdict, "reasons": reason.into_iter().collect::<Vec<_>>(),
        "metrics": {
            "achieved_per_second": f64::from(rate) - 3.0, "offered_per_second": rate, "window_seconds": 2.0, "failed": failed,
            "response_ns_p50": 1_000.0, "response_ns_p99": p99, "response_ns_p999": null,
        },
    })
}

fn search(stack: &str, ended: &str, iterations: &[Value]) -> Value {
    json!({
        "schema": "handfast.search/1", "quantity": "cps", "started": "2026-11-22T19:30:00Z", "slo": "fail<=4,p99<=5ms",
        "bounds": { "agree": 2 }, "environment": { "cpu": "a processor" },
        "results": [{
            "stack": stack, "path": "memory", "placement": "split", "ended": ended,
            "highest_per_second": 2000, "fails_per_second": 4000, "iterations": iterations,
        }],
    })
}

fn page_of(document: &Value) -> String {
    let shown = documents(document.to_string().as_bytes()).expect("a search");
    report(&shown).expect("renders")
}

fn charts_of(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"id="charts">"#).expect("the charts begin");
    let (charts, _) = rest.split_once("</script>").expect("the charts end");
    serde_json::from_str(charts).expect("JSON")
}

fn doubled() -> Vec<Value> {
    vec![
        iteration(4000, "fails", Some(8e6), 8, Some("p99 is 8 ms")),
        iteration(2000, "holds", Some(1e6), 0, None),
        iteration(2000, "void", None, 0, Some("disturbed: by a program")),
    ]
}

#[test]
fn the_verdict_comes_before_every_run_with_its_reason() {
    let page = page_of(&search("engine", "found", &doubled())).replace("&#x2f;", "/");
    let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}: {page}"));
    let verdict = place("engine (memory, two cores): 2000 connections/s hold, 4000 do not");
    for said in [
        "3997",
        "8 ms",
        "FAILS",
        "holds</td>",
        "void</td>",
        "p99 is 8 ms",
        "disturbed: by a program",
    ] {
        assert!(verdict < page.rfind(said).unwrap_or(0), "{said}");
    }
    assert!(place("Highest connections/s with fail&lt;=4,p99&lt;=5ms") < verdict);
    assert!(page.contains("verdict-box valid"));
}

#[test]
fn plots_have_the_runs_by_rate_and_the_bound() {
    let charts = charts_of(&page_of(&search("engine", "found", &doubled())));
    assert_eq!(charts.as_array().map(Vec::len), Some(2), "{charts}");
    let values = |chart: usize, name: &str| {
        let series = charts[chart]["series"].as_array().expect("series");
        let found = series.iter().find(|one| one["name"] == name);
        found.map_or(Value::Null, |one| one["values"].clone())
    };
    assert_eq!(charts[0]["at"], json!([2000.0, 2000.0, 4000.0]));
    assert_eq!(values(0, "most that was asked for"), json!([5e6, 5e6, 5e6]));
    assert_eq!(values(0, "holds"), json!([1e6, null, null]));
    assert_eq!(values(0, "fails"), json!([null, null, 8e6]));
    assert_eq!(values(0, "does not count"), Value::Null, "it has no percentile");
    assert_eq!(
        values(1, "most that was asked for"),
        json!([0.001, 0.001, 0.0005])
    );
    assert_eq!(values(1, "fails"), json!([null, null, 0.001]));
}

#[test]
fn where_nothing_failed_there_is_no_plot_of_failures() {
    let held = [iteration(2000, "holds", Some(1e6), 0, None)];
    let charts = charts_of(&page_of(&search("engine", "highest_holds", &held)));
    assert_eq!(charts.as_array().map(Vec::len), Some(1), "{charts}");
}

#[test]
fn what_was_not_finished_is_not_called_found() {
    for ended in ["disturbed", "out_of_bounds", "lowest_fails"] {
        let page = page_of(&search("engine", ended, &doubled()));
        assert!(page.contains("verdict-box invalid"), "{ended}");
    }
}

#[test]
fn names_and_reasons_of_a_search_never_become_markup() {
    const HOSTILE: &str = r#""><img src=x onerror=alert(1)></script><script>alert(2)</script>"#;
    let run = iteration(2000, "fails", Some(1e6), 1, Some(HOSTILE));
    let mut document = search(HOSTILE, "found", &[run]);
    document["slo"] = json!(HOSTILE);
    let page = page_of(&document);
    assert!(!page.contains("<img") && !page.contains("<script>alert"));
}
