//! `engine/tests/scripts/README.md`: the scripts as a course, topic by topic.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{our_scripts, topic_of};

/// A folder, its title, and what it is about, in the order in which they are best read.
const TOPICS: &[(&str, &str, &str)] = &[
    (
        "handshake",
        "Opening",
        "Three segments agree on two initial sequence numbers; what can go wrong with each of them.",
    ),
    (
        "listen",
        "Listening",
        "What a listener does with those that come, and when it is full.",
    ),
    (
        "options",
        "Options of the handshake",
        "What SYNs agree on, and options that are wrong.",
    ),
    (
        "data",
        "Data",
        "Octets arrive in order or not, twice or never, and are read and written.",
    ),
    (
        "delayed-ack",
        "Delayed acknowledgments",
        "An acknowledgment may wait for company, but not long.",
    ),
    (
        "nagle",
        "The Nagle algorithm",
        "Small segments wait for company too.",
    ),
    (
        "window",
        "The window",
        "The receiver says how much he takes; scaling, closing, probing, silliness.",
    ),
    (
        "close",
        "Closing",
        "Each direction ends by itself: active, passive, at the same time, by halves.",
    ),
    ("reset", "Resets", "When a reset is sent, and what one does."),
    (
        "time-wait",
        "TIME-WAIT",
        "Sixty seconds in which old segments die, and who may end them.",
    ),
    (
        "rfc5961",
        "Forged segments",
        "What an attacker who does not see the numbers cannot do.",
    ),
    (
        "rto",
        "The retransmission timer",
        "Measuring the path, waiting, and waiting twice as long.",
    ),
    (
        "fast-retransmit",
        "Fast retransmit",
        "Three duplicate acknowledgments are a loss.",
    ),
    (
        "sack",
        "Selective acknowledgments",
        "What is held beyond a gap is told, and what came twice.",
    ),
    (
        "rack",
        "RACK and tail loss probes",
        "Time tells of losses what counting cannot.",
    ),
    (
        "undo",
        "Losses that were none",
        "The response to a loss is taken back when it turns out that everything had arrived.",
    ),
    (
        "congestion",
        "Congestion control",
        "How much may be in flight: slow start, Reno, CUBIC.",
    ),
    ("timestamps", "Timestamps", "Echoes that measure each round trip."),
    (
        "paws",
        "Old duplicates",
        "Timestamps that tell an old segment from a new one.",
    ),
    (
        "ecn",
        "Explicit congestion notification",
        "Routers mark packets in place of dropping them.",
    ),
    ("urgent", "Urgent data", "A pointer into the stream."),
    (
        "keep-alive",
        "Keep-alives",
        "Asking a quiet peer whether it is there.",
    ),
    (
        "user-timeout",
        "The user timeout",
        "How long an application will wait for an acknowledgment.",
    ),
    ("icmp", "ICMP", "What routers say, and how far they are believed."),
    ("ip", "IP", "The header beneath."),
    ("udp", "UDP", "Datagrams, and errors about them."),
    ("v6", "IPv6", "The same over IPv6, and what differs."),
    (
        "portable",
        "In the manner of other suites",
        "Scripts as they are written for Linux and FreeBSD, played under the lenient profile.",
    ),
];

const INTRODUCTION: &str = "# TCP in packet scripts\n\n\
    Each script is a trace: what arrives (`<`), what the application calls, and what the engine must send (`>`), when. It names the\n\
    requirement that it proves. They are meant to be read from the first topic to the last, and each topic from its first script on;\n\
    within a topic the short ones come first.\n\n\
    `cargo run --release -- script engine/tests/scripts/*/*.pkt` plays them (`--profile lenient` for the last topic), and so does\n\
    `cargo test -p handfast-harness script`. This page is generated: `HANDFAST_UPDATE_INDEX=1 cargo test -p handfast-harness index`.\n";

/// The lines of a comment at the top of a script: the requirement, then what it is about.
fn heading(text: &str) -> Vec<&str> {
    text.lines().map_while(|line| line.strip_prefix("// ")).collect()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a readable script")
}

fn line_about(file: &Path) -> String {
    let text = read(file);
    let heading = heading(&text);
    let name = file
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let (rule, what) = (heading.first().unwrap_or(&""), heading.get(1).unwrap_or(&""));
    format!("- [{name}]({}/{name}.pkt) ({rule}): {what}\n", topic_of(file))
}

fn index(files: &[PathBuf]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (folder, title, about) in TOPICS {
        let mut scripts: Vec<&PathBuf> = files.iter().filter(|file| topic_of(file) == *folder).collect();
        if scripts.is_empty() {
            continue;
        }
        scripts.sort_by_key(|file| (read(file).lines().count(), (*file).clone()));
        write!(page, "\n## {title}\n\n{about}\n\n").expect("a string takes everything");
        page.extend(scripts.into_iter().map(|file| line_about(file)));
    }
    page
}

#[test]
fn every_script_names_its_requirement_and_says_what_it_is_about() {
    for file in our_scripts() {
        let text = read(&file);
        let heading = heading(&text);
        let name = file.display();
        assert!(
            heading.first().is_some_and(|rule| rule.contains("RFC ")),
            "{name} begins with no requirement, such as `// RFC 9293 MUST-41`"
        );
        assert!(
            heading.len() >= 2,
            "{name} does not say what it is about in its second line"
        );
    }
}

#[test]
fn every_topic_has_a_place_in_the_index() {
    for file in our_scripts() {
        let topic = topic_of(&file);
        assert!(
            TOPICS.iter().any(|(folder, ..)| *folder == topic),
            "the topic `{topic}` of {} has no line in TOPICS of {}",
            file.display(),
            file!()
        );
    }
}

#[test]
fn the_index_lists_every_script_in_reading_order() {
    let page = index(&our_scripts());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/scripts/README.md");
    if std::env::var_os("HANDFAST_UPDATE_INDEX").is_some() {
        std::fs::write(&path, &page).expect("the index can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "engine/tests/scripts/README.md is out of date: HANDFAST_UPDATE_INDEX=1 cargo test -p handfast-harness index"
    );
}
