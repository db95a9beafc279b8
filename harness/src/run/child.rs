//! The parent's side of a replicate: starts it, listens to it, and ends it when it overruns.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::interrupted;
use super::replicate::{Job, Message, Outcome};
use crate::config::RunConfig;
use crate::observe::Interval;
use crate::program;

/// The verb that makes this program a replicate.
pub(crate) const VERB: &str = "replicate";

/// How often to look whether the program was told to stop. A look wakes a core up that the replicate may be at rest on.
const LOOK: Duration = Duration::from_millis(200);

/// How long a replicate that was told to stop may take to say what it measured.
const GRACE: Duration = Duration::from_secs(10);

/// Lines of a replicate's standard error that are worth keeping.
const TAIL_LINES: usize = 12;

/// What a replicate that went well came to.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    /// The last lines of its standard error: what the system refused although the run could go on without.
    pub(super) notes: Vec<String>,
}

/// What is done with what a replicate says while it runs.
pub(super) struct Heard<'a> {
    /// The part of the run that is over, from 0 to 1.
    pub(super) progress: &'a dyn Fn(f64),
    pub(super) interval: &'a dyn Fn(&Interval),
}

/// Runs one replicate and returns what it found.
///
/// # Errors
/// When the replicate could not be started, crashed, or overran and was ended; with the last lines of its standard error.
pub(super) fn run(job: &Job, heard: &Heard<'_>) -> Result<Told, String> {
    let command =
        program::again(VERB).map_err(|error| format!("cannot find the program's own file: {error}"))?;
    supervise(command, job, allowed(&job.config), heard)
}

/// Time after which something is wrong: filling up takes at most 30 s each for idle connections and TIME_WAIT; the rest is
/// for warming up, draining and a slow machine.
fn allowed(config: &RunConfig) -> Duration {
    2 * config.duration + Duration::from_secs(2 * 30 + 60)
}

fn supervise(mut command: Command, job: &Job, allowed: Duration, told: &Heard<'_>) -> Result<Told, String> {
    let job = serde_json::to_vec(job).map_err(|error| error.to_string())?;
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| format!("cannot start a replicate: {error}"))?;
    let errors = keep_tail(child.stderr.take().expect("standard error is piped"));
    let lines = read_lines(child.stdout.take().expect("standard output is piped"));
    let mut input = child.stdin.take().expect("standard input is piped");
    // A replicate that died before it read its job says why on standard error.
    let _ = io::Write::write_all(&mut input, &job);
    drop(input);

    let heard = listen(&mut child, &lines, allowed, told);
    if heard.is_err() {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| format!("cannot wait for a replicate: {error}"))?;
    let notes = errors.join().unwrap_or_default();
    match heard {
        Ok(Some(outcome)) if status.success() => Ok(Told { outcome, notes }),
        Ok(_) => Err(with_tail(&ended(status, &notes), &notes)),
        Err(overrun) => Err(with_tail(&overrun, &notes)),
    }
}

/// Follows a replicate until it closes its output; hands on its outcome, when there was one.
fn listen(
    child: &mut Child,
    lines: &Receiver<String>,
    allowed: Duration,
    told: &Heard<'_>,
) -> Result<Option<Outcome>, String> {
    let mut deadline = Instant::now() + allowed;
    let mut told_to_stop = false;
    let mut outcome = None;
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(Message::Progress(part)) => (told.progress)(part),
                Ok(Message::Interval(interval)) => (told.interval)(&interval),
                Ok(Message::Outcome(found)) => outcome = Some(found),
                Err(_) => return Err(format!("the replicate said what is no message: {line}")),
            },
            Err(RecvTimeoutError::Disconnected) => return Ok(outcome),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if interrupted() && !told_to_stop {
            told_to_stop = true;
            deadline = deadline.min(Instant::now() + GRACE);
            tell_to_stop(child);
        }
        if Instant::now() > deadline {
            return Err("the replicate overran its time and was ended".to_owned());
        }
    }
}

fn tell_to_stop(child: &Child) {
    if let Some(process) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(process, Signal::TERM);
    }
}

fn read_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn keep_tail(errors: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut tail = VecDeque::new();
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line);
        }
        Vec::from(tail)
    })
}

fn ended(status: ExitStatus, tail: &[String]) -> String {
    let lacks_memory = tail.iter().any(|line| line.starts_with("memory allocation of "));
    let why = if lacks_memory {
        ": it got no more memory; ask for fewer connections, TIME_WAIT entries or generators, or raise `ulimit -v`"
    } else if status.signal() == Some(Signal::KILL.as_raw()) {
        ": somebody killed it, as the kernel does when memory runs out; ask for fewer connections, TIME_WAIT entries or generators"
    } else {
        ""
    };
    format!("the replicate ended without an outcome ({status}){why}")
}

fn with_tail(reason: &str, tail: &[String]) -> String {
    if tail.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}; it said last:\n{}", tail.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, Pairing, PathKind, ScenarioKind, StackKind};

    /// A replicate that is a shell script, which may take `allowed`.
    fn replicate(script: &str, allowed: Duration) -> (Result<Told, String>, Vec<f64>) {
        let config = RunConfig::effective(
            ScenarioKind::Crr,
            StackKind::Null,
            PathKind::Memory,
            1,
            &Options::default(),
        );
        let job = Job {
            stack: Pairing::of(StackKind::Null),
            config,
            every: None,
            sequences: None,
            link_log: None,
            capture: None,
        };
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let parts = std::cell::RefCell::new(Vec::new());
        let heard = Heard {
            progress: &|part| parts.borrow_mut().push(part),
            interval: &|interval| parts.borrow_mut().push(interval.per_second),
        };
        let outcome = supervise(command, &job, allowed, &heard);
        (outcome, parts.into_inner())
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn the_job_goes_in_and_progress_and_outcome_come_out() {
        let script = r#"grep -q '"stack":"null"' && echo 'warning: no namespace' >&2 && echo '{"progress":0.25}' && echo '{"interval":{"from":0.0,"to":1.0,"operations":7,"per_second":7.0,"failed":0,"time_wait":null,"latencies":[]}}' && echo '{"outcome":{"unsupported":"no"}}'"#;
        let (outcome, parts) = replicate(script, AMPLE);
        let told = outcome.expect("it ended well");
        assert_eq!(told.outcome, Outcome::Unsupported("no".to_owned()));
        assert_eq!(told.notes, ["warning: no namespace"]);
        assert_eq!(parts, [0.25, 7.0]);
    }

    #[test]
    fn a_crash_is_told_with_its_last_words() {
        let (outcome, _) = replicate("seq 1 50 >&2; echo 'out of luck' >&2; exit 101", AMPLE);
        let failure = outcome.expect_err("it crashed");
        assert!(
            failure.contains("exit status: 101") && failure.ends_with("50\nout of luck"),
            "{failure}"
        );
        assert!(!failure.contains("\n1\n"), "only the tail is kept: {failure}");
    }

    #[test]
    fn what_ran_out_of_memory_says_the_way_out() {
        for script in [
            "echo 'memory allocation of 8589934592 bytes failed' >&2; kill -ABRT $$",
            "kill -KILL $$",
        ] {
            let (outcome, _) = replicate(script, AMPLE);
            let failure = outcome.expect_err("it died");
            assert!(failure.contains("ask for fewer connections"), "{failure}");
        }
    }

    #[test]
    fn an_outcome_of_a_process_that_failed_does_not_count() {
        let (outcome, _) = replicate(r#"echo '{"outcome":{"unsupported":"no"}}'; exit 3"#, AMPLE);
        assert!(outcome.expect_err("it failed").contains("exit status: 3"));
    }

    #[test]
    fn nonsense_is_no_outcome() {
        let (outcome, _) = replicate("echo hello; exec sleep 600", AMPLE);
        assert!(outcome.expect_err("not a message").contains("hello"));
    }

    #[test]
    fn a_replicate_that_overruns_is_ended() {
        let (outcome, _) = replicate("echo busy >&2; exec sleep 600", Duration::from_millis(200));
        let failure = outcome.expect_err("it overran");
        assert!(
            failure.contains("overran") && failure.ends_with("busy"),
            "{failure}"
        );
    }
}
