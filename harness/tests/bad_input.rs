//! What cannot be read, written or had: every verb says so with the value and the way out, ends with the status that scripts expect,
//! and leaves nothing half done.

#[path = "support/scratch.rs"]
mod scratch;

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use scratch::Scratch;

fn handfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    handfast(arguments).output().expect("the program starts")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory that is gone with the test.
fn directory(name: &str) -> Scratch {
    let place = Scratch::new(&format!("bad-{name}"));
    fs::create_dir_all(&place.0).expect("a scratch directory");
    place
}

/// A file in such a directory, as an argument.
fn file(scratch: &Scratch, name: &str, content: impl AsRef<[u8]>) -> String {
    let file = scratch.0.join(name);
    fs::write(&file, content).expect("writable");
    file.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_value_out_of_bounds_is_refused_before_anything_runs() {
    for (arguments, words) in [
        (
            &["run", "crr", "--runs", "4294967295"][..],
            &["`4294967295`", "at most 10000"][..],
        ),
        (&["run", "crr", "--generators", "4G"], &["`4G`", "at most 1024"]),
        (
            &["run", "crr", "--duration", "584542046091m"],
            &["`584542046091m`", "at most 527040m"],
        ),
        (
            &["run", "crr", "--seed", "-1"],
            &["`-1`", "0 to 18446744073709551615"],
        ),
        (
            &["run", "crr", "--metrics", "127.0.0.1"],
            &["`127.0.0.1`", "127.0.0.1:9464"],
        ),
        (
            &[
                "run",
                "crr",
                "--stack",
                "kernel",
                "--sysctl",
                "tcp_tw_reuse=1",
                "--sysctl",
                "tcp_tw_reuse=0",
            ],
            &["net.ipv4.tcp_tw_reuse twice"],
        ),
        (
            &["serve", "echo", "--stack", "kernel", "--mtu", "1500"],
            &["--mtu 1500 is for the engine"],
        ),
        (
            &["serve", "echo", "--stack", "kernel", "--gateway", "192.0.2.1"],
            &["--gateway 192.0.2.1 is for the engine"],
        ),
        (
            &[
                "serve",
                "echo",
                "--device",
                "tun:t0",
                "--address",
                "10.9.0.2/24",
                "--hardware-address",
                "02:00:00:00:00:07",
            ],
            &["--hardware-address 02:00:00:00:00:07", "tun:t0", "leave it away"],
        ),
        (
            &["serve", "echo", "--stack", "kernel", "--trusted"],
            &["--trusted is for the engine"],
        ),
        (
            &["serve", "echo", "--stack", "kernel", "--port", "0"],
            &["'0'", "1..=65535"],
        ),
        (
            &["serve", "echo", "--device", "tun:t0", "--address", "224.0.0.1/24"],
            &["--address 224.0.0.1", "10.9.0.2/24"],
        ),
        (
            &["serve", "echo", "--device", "tun:t0", "--address", "0.0.0.0/0"],
            &["--address 0.0.0.0", "10.9.0.2/24"],
        ),
        (
            &["serve", "echo", "--device", "tun:t0", "--address", "10.9.0.0/24"],
            &["--address 10.9.0.0/24", "the network itself", "10.9.0.2/24"],
        ),
        (
            &[
                "serve",
                "echo",
                "--device",
                "tun:t0",
                "--address",
                "10.9.0.255/24",
            ],
            &["--address 10.9.0.255/24", "everybody", "10.9.0.2/24"],
        ),
        (
            &[
                "serve",
                "echo",
                "--device",
                "tun:t0",
                "--address",
                "10.9.0.2/24,10.9.0.2/16",
            ],
            &["--address 10.9.0.2", "twice"],
        ),
        (&["script", "-D", "=3", "one.pkt"], &["`=3`", "NAME=VALUE"]),
        (
            &["search", "cps", "--slo", "fail<=0,fail<=1"],
            &["column 9", "`fail<=1`"],
        ),
        (
            &["search", "cps", "--runs", "9", "--most-runs", "3"],
            &["--runs 9", "--most-runs", "3"],
        ),
    ] {
        let output = output(arguments);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        for word in words {
            assert!(
                errors.contains(word),
                "{arguments:?}: `{word}` is missing in\n{errors}"
            );
        }
    }
}

#[test]
fn more_than_the_memory_holds_is_unsupported_and_not_tried() {
    let scratch = directory("memory");
    for many in [
        ["--connections", "4G"],
        ["--idle", "8000G"],
        ["--time-wait", "8000G"],
    ] {
        let arguments = [
            "run",
            "crr",
            "--stack",
            "engine",
            "--runs",
            "1",
            "--json",
            "--out",
            scratch.path(),
        ];
        let output = output(&[&arguments[..], &many].concat());
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
        let reason = document["results"][0]["unsupported_reason"].as_str();
        assert!(
            reason.is_some_and(|reason| reason.contains("GiB are free: ask for fewer")),
            "{many:?}: {document}"
        );
    }
}

#[test]
fn a_rate_that_nobody_can_count_ends_in_time_and_does_not_count() {
    let scratch = directory("rate");
    let arguments = "run rr --stack null --rate 4G --duration 200ms --runs 1 --json --out";
    let mut words: Vec<_> = arguments.split(' ').collect();
    words.push(scratch.path());
    let output = output(&words);
    assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    let metrics = &document["results"][0]["metrics"];
    let median = |name: &str| metrics[name]["median"].as_f64().unwrap_or(0.0);
    assert!(
        (median("offered_per_second") / 4e9 - 1.0).abs() < 0.2,
        "what was to start is told in full: {metrics}"
    );
    let begun = median("window_seconds") * 4e9;
    assert!(
        begun > 0.0 && median("dropped_arrivals") > 0.9 * begun,
        "{metrics}"
    );
}

#[test]
fn documents_that_are_none_are_refused_by_those_who_read_them() {
    let scratch = directory("documents");
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let broken = [
        ("empty", Vec::new()),
        ("cut", br#"{"schema":"handfast.run/1","results":["#.to_vec()),
        ("bytes", vec![0, 159, 146, 150, 255]),
        ("deep", deep.into_bytes()),
        ("nan", br#"{"schema":"handfast.run/1","valid":NaN}"#.to_vec()),
        ("huge", br#"{"schema":"handfast.run/1","started":1e999}"#.to_vec()),
        ("other", br#"{"schema":"handfast.run/9"}"#.to_vec()),
        ("none", b"{}".to_vec()),
        ("list", b"[1,2,3]".to_vec()),
        (
            "types",
            br#"{"schema":"handfast.run/1","scenario":3,"results":"x"}"#.to_vec(),
        ),
        ("search", br#"{"schema":"handfast.search/1"}"#.to_vec()),
    ];
    for (name, content) in broken {
        let file = file(&scratch, &format!("{name}.json"), content);
        for arguments in [&["compare", &file, &file][..], &["report", &file]] {
            let output = output(arguments);
            let errors = errors(&output);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
            assert!(
                errors.starts_with(&format!("error: {file}: ")),
                "{arguments:?}: {errors}"
            );
        }
        assert!(
            !Path::new(&file).with_extension("html").exists(),
            "{name} has no page"
        );
    }
    let search = output(&["report", &format!("{}/search.json", scratch.path())]);
    assert!(
        errors(&search).contains("missing field `quantity`"),
        "{}",
        errors(&search)
    );
}

#[test]
fn a_device_that_never_ends_is_no_file() {
    let scratch = directory("endless");
    let link = scratch.0.join("endless.toml");
    std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
    let link = link.to_str().expect("UTF-8");
    for (arguments, word) in [
        (&["replay-seq", "/dev/zero"][..], "longer than 4096 bytes"),
        (&["report", "/dev/zero"], "larger than the 256 MiB"),
        (&["compare", "/dev/zero", "/dev/zero"], "larger than the 256 MiB"),
        (&["script", "/dev/zero"], "larger than the 256 MiB"),
        (&["run", link], "larger than the 256 MiB"),
        (&["describe", link], "larger than the 256 MiB"),
    ] {
        let output = output(arguments);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(word), "{arguments:?}: {errors}");
    }
}

/// Every verb that prints something at once.
fn talkers(scratch: &Scratch) -> Vec<Vec<String>> {
    let list = file(scratch, "list.csv", "1\n2\n4\n3\n");
    let run = format!(
        "run rr --stack null --path tun --json --out {}/run",
        scratch.path()
    );
    [
        "list",
        "list --json",
        "describe",
        "doctor",
        "doctor --json",
        "simulate --seeds 1..2",
        "simulate --seeds 1 --json",
        &format!("replay-seq {list}"),
        &run,
    ]
    .iter()
    .map(|line| line.split(' ').map(str::to_owned).collect())
    .collect()
}

#[test]
fn who_has_read_enough_disturbs_nobody() {
    let scratch = directory("reader");
    for arguments in talkers(&scratch) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = handfast(&arguments)
            .stdout(writer)
            .output()
            .expect("the program starts");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            errors(&output)
        );
        assert!(!errors(&output).contains("panicked"), "{arguments:?}");
    }
}

#[test]
fn a_full_standard_output_is_an_error_and_a_full_standard_error_is_none() {
    let full = || {
        OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("there is one")
    };
    let scratch = directory("full");
    for arguments in talkers(&scratch) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = handfast(&arguments)
            .stdout(full())
            .output()
            .expect("the program starts");
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(5), "{arguments:?}: {errors}");
        assert!(
            errors.contains("error: standard output cannot be written: No space left"),
            "{arguments:?}: {errors}"
        );
        let output = handfast(&arguments)
            .stderr(full())
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_could_not_be_kept_is_shown_and_leaves_nothing_half_done() {
    let scratch = directory("kept");
    let out = scratch.0.join("out");
    fs::create_dir_all(out.join("run.json")).expect("writable");
    let arguments = [
        "run",
        "rr",
        "--stack",
        "null",
        "--duration",
        "100ms",
        "--runs",
        "1",
        "--json",
        "--out",
    ];
    let output = output(&[&arguments[..], &[out.to_str().expect("UTF-8")]].concat());
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(
        errors.contains("out/run.json cannot be written") && errors.contains("--out"),
        "{errors}"
    );
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(document["schema"], "handfast.run/1", "what was measured is shown");
    let left: Vec<_> = fs::read_dir(&out).expect("listable").flatten().collect();
    assert_eq!(left.len(), 1, "only what was there before: {left:?}");
}

#[test]
fn a_log_that_cannot_be_kept_is_told_before_anything_runs() {
    let scratch = directory("log");
    let out = scratch.0.join("out");
    let taken = file(&scratch, "taken", "");
    let arguments = [
        "run",
        "rr",
        "--stack",
        "kernel",
        "--path",
        "wire",
        "--link-log",
        &taken,
        "--out",
    ];
    let output = output(&[&arguments[..], &[out.to_str().expect("UTF-8")]].concat());
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(
        errors.contains(&format!("--link-log {taken} is not possible")),
        "{errors}"
    );
    assert!(!out.exists());
}

#[test]
fn what_is_known_of_the_machine_is_kept_at_no_place_by_chance() {
    let scratch = directory("home");
    let mut command = handfast(&["calibrate", "rr", "--stack", "null", "--path", "tun"]);
    let output = command
        .env_remove("XDG_STATE_HOME")
        .env("HOME", "")
        .current_dir(&scratch.0)
        .output()
        .expect("the program starts");
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("HOME") && errors.contains("--out FILE"),
        "{errors}"
    );
}

#[test]
fn what_does_not_begin_leaves_no_directory() {
    let scratch = directory("begin");
    let out = scratch.0.join("out");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let arguments = ["run", "rr", "--stack", "null", "--metrics", &address, "--out"];
    let output = output(&[&arguments[..], &[out.to_str().expect("UTF-8")]].concat());
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(
        errors.contains("--metrics") && errors.contains(&address),
        "{errors}"
    );
    assert!(!out.exists());
}

/// What a run that was killed has left is no document, and nobody takes it for one.
#[test]
fn results_can_be_read_beside_what_a_killed_run_has_left() {
    let scratch = directory("killed");
    let killed = scratch.0.join("results/2026-01-01T00-00-00Z-crr-0000");
    fs::create_dir_all(&killed).expect("writable");
    for name in [
        ".run.json.partial",
        ".report.html.partial",
        ".setup_ns.hlog.partial",
    ] {
        fs::write(killed.join(name), b"{\"schema\":\"handfast.run/1\",\"res").expect("writable");
    }
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/baseline/crr.json");
    let whole = scratch.0.join("results/whole");
    fs::create_dir_all(&whole).expect("writable");
    fs::copy(good, whole.join("run.json")).expect("the baseline is there");
    let results = format!("{}/results", scratch.path());
    let shown = output(&["report", &results]);
    assert_eq!(shown.status.code(), Some(0), "{}", errors(&shown));
    let index = fs::read_to_string(format!("{results}/index.html")).expect("an index");
    assert!(
        index.contains("whole&#x2f;run.json"),
        "the whole one can be opened"
    );
    assert!(
        !index.contains("crr-0000&#x2f;"),
        "the other is named, and has nothing to open"
    );
    let compared = output(&["compare", &results, &results]);
    assert_eq!(compared.status.code(), Some(3), "{}", errors(&compared));
}

#[test]
fn a_simulation_that_is_told_to_stop_says_what_it_did() {
    let scratch = directory("stopped");
    let log = scratch.0.join("errors");
    let child = handfast(&["simulate", "--seeds", "1..18446744073709551615", "--json"])
        .stdout(Stdio::piped())
        .stderr(File::create(log).expect("writable"))
        .spawn()
        .expect("the program starts");
    let process = Pid::from_raw(i32::try_from(child.id()).expect("a process")).expect("a process");
    // Its own way of telling it to stop is there as soon as the signal is caught.
    let status = Path::new("/proc").join(child.id().to_string()).join("status");
    let catches = || {
        let told = fs::read_to_string(&status).unwrap_or_default();
        let caught = told.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask >> (Signal::TERM.as_raw() - 1) & 1 == 1)
    };
    while !catches() {
        std::thread::yield_now();
    }
    kill_process(process, Signal::TERM).expect("it is ours");
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(output.status.signal(), None, "it ends by itself");
    assert_eq!(output.status.code(), Some(130));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert!(
        document["passed"].is_u64() && document["failed"].is_u64(),
        "{document}"
    );
}
