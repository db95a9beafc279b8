//! The scripts of this project, and what the runner makes of scripts that are wrong.

mod index;
mod kernel;
mod language;
mod wrong;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Against, IpVersion, Options, Profile, Verdict, run};

fn options(profile: Profile, version: Option<IpVersion>) -> Options {
    Options {
        against: Against::Engine,
        profile,
        version,
        longest: 10,
        given: Vec::new(),
        defines: [].into(),
    }
}

fn exact() -> Options {
    options(Profile::Exact, None)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of scripts") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.push(path);
        }
    }
}

fn our_scripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/scripts"),
        &mut found,
    );
    found.sort();
    found
}

/// Plays all scripts, as many at once as there are threads, and returns what became of each.
fn play_on(threads: usize, files: &[PathBuf], options: &Options) -> Vec<(PathBuf, Verdict)> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let text = std::fs::read_to_string(file).expect("a readable script");
                    let verdict = run(&text, options);
                    verdicts.lock().expect("no panic").push((file.clone(), verdict));
                }
            });
        }
    });
    verdicts.into_inner().expect("no panic")
}

/// Plays all scripts on all processors and returns what did not pass, in words.
fn play_all(files: &[PathBuf], options: &Options) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut verdicts = play_on(threads, files, options);
    verdicts.retain(|(_, verdict)| *verdict != Verdict::Passed);
    let in_words = |(file, verdict): &(PathBuf, Verdict)| verdict.about(file).to_string();
    verdicts.iter().map(in_words).collect()
}

fn topic_of(file: &Path) -> &str {
    let folder = file.parent().and_then(Path::file_name);
    folder.and_then(|name| name.to_str()).unwrap_or_default()
}

fn assert_none(troubles: &[String]) {
    assert!(troubles.is_empty(), "\n{}", troubles.join("\n\n"));
}

#[test]
fn all_scripts_of_the_engine_pass() {
    let mut files = our_scripts();
    files.retain(|file| topic_of(file) != "portable");
    assert!(files.len() >= 250, "only {} scripts found", files.len());
    assert_none(&play_all(&files, &exact()));
}

/// Scripts as they are written for other stacks pass as they are.
#[test]
fn portable_scripts_pass_when_compared_leniently() {
    let mut files = our_scripts();
    files.retain(|file| topic_of(file) == "portable");
    assert!(files.len() >= 50, "only {} scripts found", files.len());
    for version in [None, Some(IpVersion::Mapped)] {
        assert_none(&play_all(&files, &options(Profile::Lenient, version)));
    }
}

/// What does not depend on the IP version passes over each.
#[test]
fn the_scripts_of_tcp_pass_over_every_ip_version() {
    let apart = ["congestion", "icmp", "ip", "options", "portable", "udp", "v6"];
    let mut files = our_scripts();
    files.retain(|file| !apart.contains(&topic_of(file)));
    for version in [IpVersion::Ipv6, IpVersion::Mapped] {
        for profile in [Profile::Exact, Profile::Lenient] {
            assert_none(&play_all(&files, &options(profile, Some(version))));
        }
    }
}

const HANDSHAKE: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n\
                         +0 bind(3, ..., ...) = 0\n\
                         +0 listen(3, 1) = 0\n\
                         +0 < S 0:0(0) win 32792 <mss 1000,nop,wscale 0>\n\
                         +0 > S. 0:0(0) ack 1 <...>\n\
                         +.1 < . 1:1(0) ack 1 win 32792\n\
                         +0 accept(3, ..., ...) = 4\n";

/// What the runner says of the script that goes on like this.
fn verdict_after_handshake(rest: &str) -> String {
    let verdict = run(&format!("{HANDSHAKE}{rest}"), &exact());
    verdict.about(Path::new("x.pkt")).to_string()
}

#[test]
fn a_packet_that_nobody_expects_fails_a_script() {
    let said = verdict_after_handshake("+0 write(4, ..., 10) = 10");
    assert!(said.starts_with("fail"), "{said}");
    assert!(
        said.contains("x.pkt:8:1: a packet that is not expected was sent"),
        "{said}"
    );
    assert!(said.contains("> P. 1:11(10) ack 1"), "{said}");
    let said = verdict_after_handshake("+0 write(4, ..., 10) = 10\n+0 >!\n+0 > P. 1:11(10) ack 1");
    assert!(said.contains("x.pkt:9:1"), "{said}");
}

/// packetdrill looks neither at what the last event causes nor at connections before the last one, and scripts rely on it.
#[test]
fn what_packetdrill_does_not_look_at_fails_no_script_that_is_compared_leniently() {
    let lenient = options(Profile::Lenient, None);
    let said = |rest: &str, options| {
        let verdict = run(&format!("{HANDSHAKE}{rest}"), options);
        verdict.about(Path::new("x.pkt")).to_string()
    };
    let at_the_end = "+0 write(4, ..., 10) = 10";
    assert!(said(at_the_end, &lenient).starts_with("pass"));
    let before_the_end = "+0 write(4, ..., 10) = 10\n+.1 write(4, ..., 10) = 10";
    assert!(said(before_the_end, &lenient).starts_with("fail"));

    let of_another = "+0 close(4) = 0\n\
                      +0 < S 0:0(0) win 32792 <mss 1000>\n\
                      +0 > S. 0:0(0) ack 1 <...>\n";
    let again = format!(
        "+0 close(3) = 0\n{}",
        HANDSHAKE.replacen("0 socket", "+0 socket", 1)
    );
    let after_another = format!("+0 close(4) = 0\n{again}");
    assert!(
        said(of_another, &lenient).starts_with("fail"),
        "the same peer again"
    );
    let verdict = said(&after_another, &lenient);
    assert!(verdict.starts_with("pass"), "{verdict}");
    assert!(said(&after_another, &exact()).starts_with("fail"));
}

#[test]
fn a_packet_that_differs_is_shown_beside_the_expected_one() {
    let said = verdict_after_handshake("+0 write(4, ..., 10) = 10\n+0 > . 1:12(11) ack 1 win 7");
    for line in [
        "its flags, length, window differ",
        "expected  > .  1:12(11) ack 1 win 7",
        "actual    > P. 1:11(10) ack 1 win 65535",
        "write(4, ..., 10) = 10",
    ] {
        assert!(said.contains(line), "`{line}` is missing in\n{said}");
    }
}

#[test]
fn a_packet_that_is_missing_or_late_fails_a_script() {
    let said = verdict_after_handshake("+0 > P. 1:11(10) ack 1");
    assert!(said.contains("no packet was sent until"), "{said}");
    let said = verdict_after_handshake("+0 write(4, ..., 10) = 10\n+.1 > P. 1:11(10) ack 1");
    assert!(
        said.contains("was sent at 0.100000 s, not at 0.200000 s"),
        "{said}"
    );
}

#[test]
fn times_may_be_ranges_or_left_open() {
    for time in ["+0~+.1", ".05~.15", "*", "+0", "0.1"] {
        let said = verdict_after_handshake(&format!("+0 write(4, ..., 10) = 10\n{time} > P. 1:11(10) ack 1"));
        assert!(said.starts_with("pass"), "{time}: {said}");
    }
}

#[test]
fn calls_are_held_to_their_results_and_times() {
    let said = verdict_after_handshake("+0 recv(4, ..., 10, MSG_DONTWAIT) = 10");
    assert!(
        said.contains("expected  10") && said.contains("actual    -1 EAGAIN"),
        "{said}"
    );
    let said = verdict_after_handshake("+0 read(4, ..., 10) = 10");
    assert!(said.contains("read still blocks at"), "{said}");
    let said = verdict_after_handshake(
        "+0...0.5 read(4, ..., 10) = 10\n+.1 < P. 1:11(10) ack 1 win 9\n* > . 1:1(0) ack 11",
    );
    assert!(
        said.contains("the call returned at 0.200000 s, not at 0.600000 s"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_done_is_named() {
    for (line, construct) in [
        (
            "+0 setsockopt(4, SOL_TCP, TCP_DEFER_ACCEPT, [1], 4) = 0",
            "TCP_DEFER_ACCEPT [1] of a connection",
        ),
        (
            "+0 setsockopt(4, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0",
            "SO_ZEROCOPY [1]",
        ),
        ("+0 splice(4, 5) = 0", "call splice"),
        ("+0 recv(4, ..., 10, MSG_ERRQUEUE) = 10", "MSG_ERRQUEUE"),
        ("+0 `ip route show`", "ip route show"),
        ("+0 %{ assert tcpi_fackets == 0 }%", "tcpi_fackets"),
        (
            "+0 < ipv4 1.1.1.1 > 2.2.2.2: . 1:1(0) win 5",
            "encapsulation in ipv4",
        ),
    ] {
        let said = verdict_after_handshake(line);
        assert!(said.starts_with("unsupported  x.pkt:8: "), "{said}");
        assert!(said.contains(construct), "`{construct}` is missing in {said}");
    }
}

#[test]
fn an_assertion_that_does_not_hold_fails_a_script() {
    let said = verdict_after_handshake("+0 %{ assert tcpi_snd_cwnd == 11 }%");
    assert!(said.contains("tcpi_snd_cwnd is 10"), "{said}");
}

#[test]
fn a_syntax_error_is_a_failure_with_its_place() {
    let said = verdict_after_handshake("+0 > S 0:0(0) <mss>");
    assert!(
        said.starts_with("fail         x.pkt:8:19: expected a whole number"),
        "{said}"
    );
}
