use std::time::{Duration, Instant};

use super::*;
use crate::load::fake::config;

/// A run whose holders are shell scripts.
fn plan(command: fn() -> io::Result<Command>) -> Plan {
    Plan {
        command,
        stack: StackKind::Kernel,
        config: RunConfig {
            path: PathKind::Loopback,
            ..config(ScenarioKind::Crr)
        },
        generator: 0,
    }
}

fn script(text: &str) -> io::Result<Command> {
    let mut command = Command::new("sh");
    command.args(["-c", text]);
    Ok(command)
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn holders_share_what_is_wanted_and_say_what_they_have() {
    let holders =
        plan(|| script(r#"read job; echo "$job" | sed 's/.*"idle":\([0-9]*\).*/\1/'; read stop; read end"#));
    let holders = holders.start(25, 10);
    assert_eq!(holders.count(), 3);
    wait_for("they tell", || holders.are_done());
    assert_eq!((holders.held(), holders.lost()), (25, 0));
}

#[test]
fn holders_hear_when_nothing_more_is_wanted() {
    let mut holders = plan(|| script("read job; read stop; echo 5; read end")).start(10, 10);
    assert!(!holders.are_done(), "it waits for the word");
    holders.stop_opening();
    wait_for("it tells", || holders.are_done());
    assert_eq!(holders.held(), 5);
}

#[test]
fn what_breaks_is_lost_and_so_is_all_of_a_holder_that_dies() {
    let holders = plan(|| {
        script(
            r#"read job; case "$job" in *'"number":1,'*) echo 10; echo 7; read end;; *) echo 10; exit 1;; esac"#,
        )
    });
    let holders = holders.start(20, 10);
    wait_for("all are told", || holders.lost() == 13);
    assert_eq!(holders.held(), 20);
}

#[test]
fn holders_that_cannot_start_hold_nothing_and_nobody_waits_for_them() {
    let nobody = plan(|| Err(io::ErrorKind::NotFound.into())).start(20, 10);
    assert!(nobody.are_done());
    assert_eq!((nobody.count(), nobody.held(), nobody.lost()), (0, 0, 0));
    let silent = plan(|| script("exit 1")).start(20, 10);
    wait_for("they are gone", || silent.are_done());
    assert_eq!((silent.held(), silent.lost()), (0, 0));
}

#[test]
fn holders_end_with_who_started_them() {
    let holders = plan(|| script("read job; echo 1; exec sleep 600")).start(1, 1);
    wait_for("it tells", || holders.are_done());
    let process = format!("/proc/{}", holders.0[0].process.id());
    assert!(std::path::Path::new(&process).exists());
    drop(holders);
    assert!(!std::path::Path::new(&process).exists());
}
