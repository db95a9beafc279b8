//! Looking on while runs go: lines of JSON, and the endpoint for Prometheus.

#[path = "support/scratch.rs"]
mod scratch;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use scratch::Scratch;

fn handfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
    command.args(arguments).env("NO_COLOR", "1").stdout(Stdio::null());
    command
}

/// A directory that is gone with the test.
fn directory(name: &str) -> Scratch {
    let place = Scratch::new(name);
    std::fs::create_dir_all(&place.0).expect("a scratch directory");
    place
}

/// A file in such a directory, as an argument.
fn file(scratch: &Scratch, name: &str) -> String {
    format!("{}/{name}", scratch.path())
}

#[test]
fn every_interval_of_every_run_is_a_line() {
    let scratch = directory("lines");
    let (lines, out) = (file(&scratch, "lines.jsonl"), file(&scratch, "out"));
    let arguments = [
        "run",
        "crr",
        "rr",
        "udp",
        "stream",
        "--stack",
        "engine",
        "--runs",
        "1",
        "--duration",
        "1s",
        "--interval",
        "250ms",
        "--out",
        &out,
    ];
    let told_in = format!("--json-lines={lines}");
    let ended = handfast(&arguments)
        .arg(&told_in)
        .stderr(Stdio::null())
        .status()
        .expect("it starts");
    assert!(
        matches!(ended.code(), Some(0 | 4)),
        "a busy machine makes runs invalid: {ended}"
    );
    let text = std::fs::read_to_string(&lines).expect("the file is there");
    let all: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for (scenario, operation) in [
        ("crr", "connections"),
        ("rr", "transactions"),
        ("udp", "datagrams"),
        ("stream", "bytes"),
    ] {
        let of_scenario: Vec<&Value> = all.iter().filter(|line| line["scenario"] == scenario).collect();
        assert!((1..=4).contains(&of_scenario.len()), "{scenario}: {text}");
        assert!(of_scenario.iter().all(|line| line["operation"] == operation));
        assert!(
            of_scenario
                .iter()
                .any(|line| line["operations"].as_u64() > Some(0)),
            "{scenario}: {text}"
        );
        let ends: Vec<f64> = of_scenario
            .iter()
            .filter_map(|line| line["to"].as_f64())
            .collect();
        assert!(ends.windows(2).all(|two| two[0] < two[1]), "{ends:?}");
    }
    assert!(
        all.iter()
            .any(|line| line["latency_ns"]["count"].as_u64() > Some(0)),
        "{text}"
    );
    assert!(
        all.iter().any(|line| line["time_wait"].as_u64() > Some(0)),
        "{text}"
    );
}

/// What has to be in an answer. An end that had no turn within an interval has no latencies to tell of it.
const SERIES: [&str; 4] = [
    "handfast_operations_total{scenario=\"rr\"",
    "handfast_operations_per_second{",
    "handfast_failures_total{",
    "le=\"+Inf\"",
];

#[test]
fn prometheus_may_scrape_while_runs_go() {
    let scratch = directory("scrape");
    let out = file(&scratch, "out");
    let mut running = handfast(&[
        "run",
        "rr",
        "--stack",
        "null",
        "--runs",
        "100",
        "--duration",
        "1s",
        "--interval",
        "100ms",
        "--metrics",
        "127.0.0.1:0",
        "--out",
        &out,
    ])
    .stderr(Stdio::piped())
    .spawn()
    .expect("it starts");
    let address = address_told(&mut running);
    let mut text = String::new();
    while SERIES.iter().any(|series| !text.contains(series)) {
        let ended = running.try_wait().expect("it is ours");
        assert!(ended.is_none(), "{ended:?}: not seen in a hundred runs:\n{text}");
        text = scrape(&address).unwrap_or(text);
    }
    let process = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it is ours");
    assert_eq!(running.wait().expect("it is ours").code(), Some(130));
}

/// Standard error says where the endpoint is; what follows is read away, so that nobody has to wait for room.
fn address_told(running: &mut Child) -> String {
    let errors = BufReader::new(running.stderr.take().expect("it is piped"));
    let mut lines = errors.lines().map_while(Result::ok);
    let told = lines.find_map(|line| {
        let address = line
            .strip_prefix("metrics at http://")?
            .strip_suffix("/metrics")?;
        Some(address.to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    told.expect("the address is told")
}

/// `None` when the program has ended meanwhile.
fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn what_nobody_would_hear_of_is_refused() {
    for (arguments, words) in [
        (
            &["--json-lines", "--interval", "4s"][..],
            &["3s", "--duration"][..],
        ),
        (&["--json-lines", "--interval", "1ms"], &["`1ms`", "100ms"]),
        (&["--metrics", "9464"], &["9464", "--metrics"]),
    ] {
        let output = handfast(&["run", "rr", "--stack", "null"])
            .args(arguments)
            .output()
            .expect("it starts");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(
            words.iter().all(|word| errors.contains(word)),
            "{words:?} in\n{errors}"
        );
    }
}

#[test]
fn an_endpoint_that_cannot_be_had_ends_the_program_before_anything_runs() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let scratch = directory("taken");
    let output = handfast(&[
        "run",
        "rr",
        "--metrics",
        &address,
        "--out",
        &file(&scratch, "out"),
    ])
    .output()
    .expect("it starts");
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("--metrics {address}")));
}

/// The IP packets of a pcapng file.
fn packets(file: &std::path::Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(file).expect("written");
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        if word(at) == 6 {
            found.push(bytes[at + 28..at + 28 + word(at + 20)].to_vec());
        }
        at += word(at + 4);
    }
    found
}

#[test]
fn packets_of_every_stack_are_kept_in_the_order_in_which_they_passed_the_cable() {
    const KEPT: usize = 400;
    let scratch = directory("capture");
    let ended = handfast(&[
        "run",
        "crr",
        "--stack",
        "kernel,engine",
        "--path",
        "veth",
        "--runs",
        "1",
    ])
    .args([
        "--duration",
        "200ms",
        "--capture",
        &KEPT.to_string(),
        "--out",
        scratch.path(),
    ])
    .stderr(Stdio::piped())
    .output()
    .expect("it starts");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{errors}");
    let captures: Vec<_> = std::fs::read_dir(&scratch.0)
        .expect("listable")
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "pcapng"))
        .collect();
    if captures.is_empty() {
        return handfast_namespace::skip(format!(
            "there is no path veth, or nobody may listen to it: {errors}"
        ));
    }
    assert_eq!(captures.len(), 2, "{captures:?}");
    for file in captures {
        let packets = packets(&file);
        assert_eq!(packets.len(), KEPT, "{}", file.display());
        let segments = packets
            .iter()
            .filter(|packet| packet[0] == 0x45 && packet[9] == 6);
        let flags: Vec<u8> = segments.map(|packet| packet[20 + 13] & 0x17).collect();
        let syn = flags.iter().position(|flags| *flags == 0x02);
        let syn_ack = flags.iter().position(|flags| *flags == 0x12);
        assert!(syn.is_some() && syn < syn_ack, "{}: {flags:x?}", file.display());
    }
}

#[test]
fn packets_of_memory_alone_are_refused_with_the_way_out() {
    let output = handfast(&["run", "rr", "--stack", "engine", "--capture", "9"])
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("--path"), "{errors}");
}
