//! What pages show, and that nothing in a document can become markup or script.

use serde_json::{Value, json};

use super::*;
use crate::report::fixtures;
use crate::report::metrics::required;
use crate::report::one_line;
use crate::report::units::figure;

fn page_of(document: &Value) -> String {
    let shown = documents(document.to_string().as_bytes()).expect("a document");
    report(&shown).expect("renders")
}

/// The charts that a page carries.
fn charts_of(page: &str) -> Value {
    let (_, rest) = page
        .split_once(r#"<script type="application/json" id="charts">"#)
        .expect("the charts begin");
    let (charts, _) = rest.split_once("</script>").expect("the charts end");
    serde_json::from_str(charts).expect("the charts are JSON")
}

fn escaped(text: &str) -> String {
    text.replace('/', "&#x2f;")
}

#[test]
fn every_figure_of_the_terminal_is_on_the_page() {
    let document = fixtures::document();
    let page = page_of(&serde_json::from_str(&one_line(&document).expect("serialises")).expect("JSON"));
    for result in &document.results {
        for metric in required(document.scenario) {
            if let Some(value) = result.metrics.get(metric).and_then(|summary| summary.median) {
                assert!(
                    page.contains(&figure(metric, value)),
                    "{metric} of {}",
                    result.stack
                );
            }
        }
    }
    for said in [
        "Valid",
        "no ports left",
        "is shown at its best",
        "A bare system call cost 1.35 µs",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn a_page_needs_no_network_and_is_small() {
    let page =
        page_of(&serde_json::from_str(&one_line(&fixtures::document()).expect("serialises")).expect("JSON"));
    for foreign in ["src=", "@import", "url(", "<link"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn names_and_reasons_never_become_markup() {
    const HOSTILE: &str = r#""><img src=x onerror=alert(1)></script><script>alert(2)</script>"#;
    let page = page_of(&json!({
        "schema": "handfast.run/1", "scenario": HOSTILE, "started": HOSTILE, "valid": false, "invalid_reasons": [HOSTILE],
        "config": { HOSTILE: HOSTILE }, "environment": { HOSTILE: [HOSTILE] },
        "results": [{
            "stack": HOSTILE, "path": HOSTILE, "unsupported_reason": HOSTILE,
            "metrics": { "cpu_ns_per_<i>": { "median": 1.0, "min": 1.0, "max": 1.0, "low": null, "high": null, "n": 1 } },
            "runs": [{
                "notes": [HOSTILE], "metrics": { HOSTILE: 1.0 },
                "distributions": { HOSTILE: { "buckets": [[7, 100]] } },
            }],
        }],
        "ratios": [{ "metric": HOSTILE, "of": HOSTILE, "to": HOSTILE, "value": 2.0, "low": null, "high": null, "p_adjusted": null }],
    }));
    assert!(!page.contains("<img"), "an attribute or text was left open");
    assert!(!page.contains("<script>alert"), "a script came through");
    assert!(!page.contains("<i>"), "a metric became markup");
    let charts = charts_of(&page);
    assert_eq!(charts[0]["series"][0]["name"], format!("{HOSTILE} ({HOSTILE})"));
    assert!(page.contains(&escaped("&lt;script&gt;alert(2)&lt;/script&gt;")));
}

#[test]
fn a_document_that_says_almost_nothing_can_be_shown() {
    let page = page_of(&json!({ "schema": "handfast.run/1", "scenario": "carrier-pigeon" }));
    assert!(page.contains("carrier-pigeon"));
    assert!(page.contains("Invalid"));
    assert_eq!(charts_of(&page), json!([]));
}

#[test]
fn why_figures_do_not_count_stands_first() {
    let page = page_of(&json!({
        "schema": "handfast.run/1", "scenario": "crr", "valid": false, "invalid_reasons": ["engine: run 2: disturbed"],
    }));
    let (verdict, figures) = (page.find("engine: run 2: disturbed"), page.find("All figures"));
    assert!(verdict.is_some() && verdict < figures);
}

#[test]
fn other_documents_are_refused_by_what_they_are() {
    let refused = |text: &str| documents(text.as_bytes()).expect_err("no document");
    assert!(refused("{").contains("no JSON"));
    assert!(refused(r#"{"schema":"handfast.compare/1"}"#).contains("handfast.compare/1"));
    assert!(refused("[]").contains("says no schema"));
    assert!(refused(r#"{"schema":"handfast.run/1","scenario":7}"#).contains("no handfast.run/1 document"));
}

/// The chart of a document whose only stack has these distributions, one for each run.
fn chart_of(name: &str, runs: &[Value]) -> Value {
    let runs: Vec<Value> = runs
        .iter()
        .map(|all| json!({ "distributions": { name: all } }))
        .collect();
    let page = page_of(&json!({
        "schema": "handfast.run/1", "scenario": "reorder", "results": [{ "stack": "engine", "path": "memory", "runs": runs }],
    }));
    charts_of(&page)[0].clone()
}

#[test]
fn a_percentile_curve_is_of_all_runs_and_ends_where_samples_do() {
    let chart = chart_of(
        "setup_ns",
        &[
            json!({ "buckets": [[100, 900]] }),
            json!({ "buckets": [[1000, 100]] }),
        ],
    );
    let (at, values) = (
        chart["at"].as_array().expect("xs"),
        chart["series"][0]["values"].as_array().expect("ys"),
    );
    let y = |x: f64| {
        values[at
            .iter()
            .position(|other| other.as_f64() == Some(x))
            .expect("an x")]
        .as_f64()
    };
    assert_eq!(
        (y(1.0), y(10.0), y(100.0)),
        (Some(100.0), Some(100.0), Some(1000.0))
    );
    assert_eq!(
        at.last().and_then(Value::as_f64),
        Some(100.0),
        "ten of 1000 samples are beyond p99"
    );
}

#[test]
fn counts_are_added_and_parts_averaged() {
    let extents = chart_of("extent", &[json!({ "1": 30, "2": 10 }), json!({ "1": 60 })]);
    assert_eq!(
        (&extents["at"], &extents["series"][0]["values"]),
        (&json!([1.0, 2.0]), &json!([0.9, 0.1]))
    );
    let density = chart_of(
        "reorder_density",
        &[json!({ "-1": 0.5, "0": 0.5 }), json!({ "0": 1.0 })],
    );
    assert_eq!(
        (&density["at"], &density["series"][0]["values"]),
        (&json!([-1.0, 0.0]), &json!([0.25, 0.75]))
    );
}

#[test]
fn a_bin_of_occupancy_is_that_of_the_run_which_saw_most_of_it() {
    let run = |n: u64, p99: u64| json!({ "unit": "entries", "bins": [{ "from": 0.0, "n": n, "p50": 5, "p99": p99 }] });
    let chart = chart_of("setup_ns_by_occupancy", &[run(10, 70), run(20, 80), run(5, 90)]);
    assert_eq!(chart["series"][1]["values"], json!([80.0]));
    assert_eq!(
        chart["at"],
        json!([512.0]),
        "no entries have no place on a logarithmic axis"
    );
}

/// A page of `crr` on the engine in two runs with these intervals.
fn page_of_intervals(intervals: &[Vec<Value>]) -> String {
    let run = |(index, intervals): (usize, &Vec<Value>)| json!({ "index": index, "metrics": {}, "intervals": intervals });
    let runs: Vec<Value> = intervals.iter().enumerate().map(run).collect();
    page_of(&json!({
        "schema": "handfast.run/1", "scenario": "crr", "results": [{ "stack": "engine", "path": "memory", "runs": runs }],
    }))
}

fn interval(to: f64, per_second: f64, p99: Option<f64>) -> Value {
    let latency = p99.map(|p99| json!({ "p50": 1.0, "p99": p99 }));
    json!({ "to": to, "per_second": per_second, "time_wait": 0, "latency_ns": latency })
}

#[test]
fn runs_are_drawn_over_the_time_that_they_share() {
    let (first, second) = (
        vec![interval(0.1 + 0.2, 5.0, Some(7000.0)), interval(0.6, 6.0, None)],
        vec![interval(0.3, 8.0, None)],
    );
    let page = page_of_intervals(&[first, second]);
    let charts = charts_of(&page);
    let titles: Vec<&Value> = charts
        .as_array()
        .expect("charts")
        .iter()
        .map(|chart| &chart["title"])
        .collect();
    assert_eq!(
        titles,
        [
            "Rate over time",
            "Median latency over time",
            "99th percentile of latency over time"
        ],
        "no entry was in TIME_WAIT"
    );
    let rate = &charts[0];
    assert_eq!(rate["at"], json!([0.3, 0.6]));
    assert_eq!(rate["series"][0]["values"], json!([5.0, 6.0]));
    assert_eq!(rate["series"][1]["values"], json!([8.0, null]));
    assert_eq!(
        charts[2]["series"].as_array().map(Vec::len),
        Some(1),
        "only one run has latencies"
    );
    assert!(
        page.contains("Rate over time, as figures") && page.contains("7.00 µs"),
        "the table has them too"
    );
}

#[test]
fn an_open_loop_has_its_three_times_on_one_plot_and_what_it_dropped_over_time() {
    let interval =
        |to: f64, dropped: u64| json!({ "to": to, "per_second": 9.0, "dropped_arrivals": dropped });
    let buckets = |nanoseconds: u64| json!({ "buckets": [[nanoseconds, 500]] });
    let result = |stack: &str| {
        json!({ "stack": stack, "path": "memory", "runs": [{ "index": 0, "metrics": {},
            "intervals": [interval(1.0, 0), interval(2.0, 17)],
            "distributions": { "response_ns": buckets(9000), "service_ns": buckets(4000), "lag_ns": buckets(300), "setup_ns": buckets(7) },
        }] })
    };
    let page = page_of(
        &json!({ "schema": "handfast.run/1", "scenario": "rr", "results": [result("engine"), result("null")] }),
    );
    let charts = charts_of(&page);
    let titled = |title: &str| {
        let charts = charts.as_array().expect("charts").iter();
        let found: Vec<&Value> = charts.filter(|chart| chart["title"] == title).collect();
        assert_eq!(found.len(), 1, "{title}");
        found[0].clone()
    };
    let three = titled("Response, service and lag by percentile");
    let told: Vec<_> = three["series"]
        .as_array()
        .expect("series")
        .iter()
        .map(|one| {
            (
                one["name"].as_str().expect("a name"),
                one["color"].clone(),
                one["stroke"].as_str().expect("a stroke"),
            )
        })
        .collect();
    assert_eq!(
        told[..3],
        [
            ("engine (memory): response time", json!(0), "solid"),
            ("engine (memory): service time", json!(0), "dashed"),
            ("engine (memory): lag of the generator", json!(0), "dotted"),
        ]
    );
    assert_eq!((told.len(), told[3].0), (6, "null (memory): response time"));
    titled("Set-up time by percentile");
    assert!(page.contains("Response, service and lag by percentile, as figures"));
    assert_eq!(
        titled("Dropped arrivals over time")["series"][0]["values"],
        json!([0.0, 17.0])
    );
}

#[test]
fn of_many_runs_the_first_of_each_stack_is_drawn() {
    let runs = vec![vec![interval(1.0, 5.0, None)]; 13];
    let charts = charts_of(&page_of_intervals(&runs));
    assert_eq!(charts[0]["series"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_long_table_is_thinned_out_and_says_so() {
    let run: Vec<Value> = (1..=1000)
        .map(|second| interval(f64::from(second), 5.0, None))
        .collect();
    let page = page_of_intervals(&[run]);
    assert!(page.contains("One of 9 points"), "a thousand points in rows");
    assert!(page.matches("<tr><th scope=\"row\">").count() < 200);
}

#[test]
fn every_chart_is_a_table_too() {
    for (name, distribution) in [
        ("extent", json!({ "1": 30, "2": 10 })),
        ("reorder_density", json!({ "-1": 0.5, "0": 0.5 })),
        ("buffer_density", json!({ "0": 0.75, "1": 0.25 })),
        ("setup_ns", json!({ "buckets": [[100, 900]] })),
        (
            "setup_ns_by_occupancy",
            json!({ "unit": "entries", "bins": [{ "from": 1000.0, "n": 9, "p50": 5, "p99": 80 }] }),
        ),
    ] {
        let page = page_of(&json!({
            "schema": "handfast.run/1", "scenario": "reorder",
            "results": [{ "stack": "engine", "path": "memory", "runs": [{ "distributions": { name: distribution } }] }],
        }));
        assert_eq!(page.matches("<figure class=\"chart\"").count(), 1, "{name}");
        assert_eq!(page.matches(", as figures</summary>").count(), 1, "{name}");
    }
}

#[test]
fn an_inventory_says_what_left_too_early_and_what_the_rest_takes() {
    let metric = |value: f64| json!({ "median": value, "min": value, "max": value, "low": null, "high": null, "n": 1 });
    let page = page_of(&json!({
        "schema": "handfast.run/1", "scenario": "time-wait", "results": [{ "stack": "engine", "path": "memory", "metrics": {
            "time_wait_peak": metric(1_000_000.0), "time_wait_bytes_per_entry": metric(39.5), "time_wait_violations": metric(3.0),
        } }],
    }));
    assert!(page.contains("TIME_WAIT, the inventory") && page.contains("39.5 MB"));
    assert!(page.contains("3 entries left TIME_WAIT early"));
    assert!(page.contains("<td class=\"number worse\">3</td>"));
}
