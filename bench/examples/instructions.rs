//! Counts the instructions of an operation under valgrind, which unlike time are the same on a busy machine and a quiet one.
//!
//! Without arguments it runs itself under callgrind, each operation `N` and `2 N` times so that the difference is free of what it takes to
//! start, prints the table, and fails where it exceeds `bench/instructions.txt` by more than 2 %. With the name of an operation and a number
//! it does just that, for `valgrind --tool=callgrind` and `callgrind_annotate`.

use std::process::{Command, ExitCode};

use handfast::link::memory::WireConfig;
use handfast_bench::Ends;
use handfast_bench::engine_ends::EngineEnds;

/// What was recorded; lines of a name and a count, and comments that start with `#`.
const RECORDED: &str = include_str!("../instructions.txt");
/// How far above its record a count may be: another compiler or C library moves it by less.
const TOLERANCE: f64 = 1.02;
const BATCH: usize = 32;
const OPEN: usize = 64;
/// Bytes of an operation of `stream` and `stream-packets`.
const STREAM: usize = 64 << 10;

/// An operation: its name, how many times it is done, and the work.
type Operation = (&'static str, usize, fn(&mut EngineEnds, usize));

const OPERATIONS: [Operation; 6] = [
    ("crr", 4096, |ends, count| {
        for _ in 0..count / BATCH {
            ends.connections(BATCH);
        }
    }),
    ("rr", 8192, exchange),
    ("rr-checksums", 8192, exchange),
    ("udp", 32768, |ends, count| {
        for _ in 0..count / BATCH {
            ends.datagrams(BATCH);
        }
    }),
    ("stream", 512, |ends, count| ends.stream(count * STREAM)),
    ("stream-packets", 512, |ends, count| ends.stream(count * STREAM)),
];

fn exchange(ends: &mut EngineEnds, count: usize) {
    for _ in 0..count / BATCH {
        ends.exchange(BATCH);
    }
}

/// The wire of an operation: it trusts its ends, or checksums are computed and segments cut to the MTU.
fn wire(name: &str) -> WireConfig {
    match name {
        "rr-checksums" | "stream-packets" => WireConfig {
            trusted: false,
            max_segment: 0,
            ..WireConfig::default()
        },
        _ => WireConfig::default(),
    }
}

fn run(&(name, _, work): &Operation, count: usize) {
    let mut ends = EngineEnds::over(wire(name), OPEN);
    match name {
        "crr" | "udp" => {}
        "stream" | "stream-packets" => drop(ends.open(1, 60)),
        _ => drop(ends.open(OPEN, 60)),
    }
    work(&mut ends, count);
}

/// Instructions of the whole process for `count` operations.
fn collect(name: &str, count: usize) -> Result<u64, String> {
    let program =
        std::env::current_exe().map_err(|error| format!("this program is not to be found: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([name, &count.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start ({error}); install it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .ok_or_else(|| format!("valgrind counts nothing:\n{said}"))
}

fn recorded(name: &str) -> Option<f64> {
    RECORDED
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(key, count)| (key == name).then(|| count.trim().parse().ok())?)
}

/// Prints the table. Whether nothing exceeds its record.
fn gate() -> Result<bool, String> {
    let mut holds = true;
    for (name, count, _) in OPERATIONS {
        let each = (collect(name, 2 * count)? - collect(name, count)?) as f64 / count as f64;
        let record = recorded(name).ok_or_else(|| format!("{name} is not in bench/instructions.txt"))?;
        let verdict = if each > record * TOLERANCE {
            "more than recorded"
        } else {
            ""
        };
        holds &= verdict.is_empty();
        println!("{name:15} {each:8.0}   # {record:8.0} recorded {verdict}");
    }
    Ok(holds)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [] => gate(),
        [name, count] => find(name, count).map(|(operation, count)| {
            run(operation, count);
            true
        }),
        _ => Err("usage: instructions [OPERATION COUNT]".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str, count: &str) -> Result<(&'static Operation, usize), String> {
    let operation = OPERATIONS.iter().find(|(known, ..)| *known == name);
    let operation = operation.ok_or_else(|| {
        let names = OPERATIONS.map(|(name, ..)| name).join(", ");
        format!("no operation is called {name:?}; there are {names}")
    })?;
    let count = count
        .parse()
        .map_err(|_| format!("{count:?} is no number of operations"))?;
    Ok((operation, count))
}
