//! The commands between backticks, as far as they mean something for the engine.
//!
//! A command is carried out when the engine has a knob for what it sets; it is passed over when nothing that it sets can be told from the
//! packets of a script (offloads, queue lengths, caches that the engine has not), or when it sets what the engine always does. Any other is
//! unsupported, by name.

mod arithmetic;
mod freebsd;
mod linux;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use handfast::config::{Config, Congestion};
use handfast::time::Duration;

use super::verdict::Stop;

/// What `assign` is told when a command sets the MTU of the device; `=` and the number follow.
pub(super) const MTU: &str = "mtu";
/// The MTUs that a script can ask for: what IPv4 needs at least (RFC 791), and its longest packet.
pub(crate) const MTUS: RangeInclusive<u32> = 68..=65_535;

/// Carries out commands that set what the engine has a knob for, or the MTU of its device. Any other is unsupported.
///
/// `running` says that the engine has started, so that nothing can be set any more.
pub(super) fn run(commands: &str, config: &mut Config, mtu: &mut u32, running: bool) -> Result<(), Stop> {
    run_with(commands, &mut |command, assignment| {
        assign(command, assignment, config, mtu, running)
    })
}

/// What sets one thing: the command, and the `name=value` in it.
pub(super) type Assign<'a> = dyn FnMut(&str, &str) -> Result<(), Stop> + 'a;

/// Carries out commands whose settings `assign` takes.
pub(super) fn run_with(commands: &str, assign: &mut Assign<'_>) -> Result<(), Stop> {
    for command in commands
        .replace("\\\n", " ")
        .lines()
        .map(without_comment)
        .flat_map(|line| line.split(';'))
        .flat_map(|line| line.split("&&"))
    {
        let command = command.trim();
        if !command.is_empty() {
            run_command(command, assign)?;
        }
    }
    Ok(())
}

/// What stands before a `#` that begins a word outside of quotes.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before.is_whitespace() => return &line[..at],
            _ => {}
        }
        before = c;
    }
    line
}

fn run_command(command: &str, assign: &mut Assign<'_>) -> Result<(), Stop> {
    let unsupported = || Stop::unsupported(format!("command `{command}`"));
    let (words, target) = without_redirections(words(command));
    let (program, arguments) = words.split_first().ok_or_else(unsupported)?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (name, arguments.as_slice()) {
        // What this sets is what the engine's configuration starts from, but for one thing.
        ("defaults.sh", _) => assign(command, "net.ipv4.tcp_slow_start_after_idle=0"),
        // An engine is thrown away with its configuration.
        _ if name.starts_with("sysctl_restore") => Ok(()),
        ("true" | ":", _) => Ok(()),
        // A module or a cache that the engine has not, and the offloads and the queue of a device that is not there.
        ("kldload" | "modprobe", _) | ("ip", ["tcp_metrics", ..]) => Ok(()),
        ("ethtool", ["-K" | "--offload" | "--features", ..]) => Ok(()),
        ("ip" | "ifconfig", [.., "txqueuelen", _]) => Ok(()),
        (
            "tc",
            [
                "qdisc",
                _,
                "dev",
                _,
                "root",
                "fq_codel" | "pfifo" | "pfifo_fast" | "noqueue",
            ]
            | ["qdisc", "del" | "delete", "dev", _, "root"],
        ) => Ok(()),
        ("ip", ["link", "set", "dev", _, "mtu", mtu] | ["link", "set", _, "mtu", mtu])
        | ("ifconfig", [_, "mtu", mtu]) => assign(command, &format!("{MTU}={mtu}")),
        ("sysctl" | "set_sysctls.py", arguments) => arguments
            .iter()
            .filter(|word| !word.starts_with('-'))
            .try_for_each(|word| assign(command, word)),
        ("echo", [value]) => {
            let path = target.ok_or_else(unsupported)?;
            assign(command, &format!("{path}={value}"))
        }
        _ => Err(unsupported()),
    }
}

/// The words of a command; quotes keep blanks inside.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => words.push(String::new()),
            (_, c) => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The words that are no redirections, and where standard output goes.
fn without_redirections(words: Vec<String>) -> (Vec<String>, Option<String>) {
    let (mut kept, mut target) = (Vec::new(), None);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some((before, after)) = word.split_once('>') else {
            kept.push(word);
            continue;
        };
        if !matches!(before, "" | "1" | "2" | "&") {
            kept.push(word);
            continue;
        }
        let after = after.trim_start_matches('>');
        let file = if after.is_empty() {
            words.next()
        } else {
            Some(after.to_owned())
        };
        if before != "2" {
            target = file;
        }
    }
    (kept, target)
}

/// `net.ipv4.tcp_x=1` or `/proc/sys/net/ipv4/tcp_x=1`.
fn assign(
    command: &str,
    assignment: &str,
    config: &mut Config,
    mtu: &mut u32,
    running: bool,
) -> Result<(), Stop> {
    let unsupported = || Stop::unsupported(format!("command `{command}`"));
    let too_late = || Stop::unsupported(format!("command `{command}` while the engine runs"));
    let (path, value) = assignment.split_once('=').ok_or_else(unsupported)?;
    let value = &arithmetic::expand(value).ok_or_else(unsupported)?;
    if path == MTU {
        let wanted = value.parse().ok().filter(|mtu| MTUS.contains(mtu));
        let before = std::mem::replace(mtu, wanted.ok_or_else(unsupported)?);
        return if running && before != *mtu {
            Err(too_late())
        } else {
            Ok(())
        };
    }
    let path = path.trim_start_matches("/proc/sys/").replace('/', ".");
    let mut changed = config.clone();
    let known = match path.rsplit_once('.') {
        Some(("handfast" | "net.handfast", name)) => set_own(&mut changed, name, value),
        Some((tree, name)) if freebsd::has(tree) => freebsd::set(&mut changed, &path, name, value),
        Some((_, name)) => linux::set(&mut changed, name, value),
        None => None,
    };
    known.ok_or_else(unsupported)?;
    if running && format!("{changed:?}") != format!("{config:?}") {
        return Err(too_late());
    }
    *config = changed;
    Ok(())
}

/// The congestion control of that name, if the engine has it. FreeBSD's names are other ones.
pub(super) fn congestion(name: &str) -> Option<Congestion> {
    match name {
        "cubic" => Some(Congestion::Cubic),
        "reno" | "newreno" => Some(Congestion::NewReno),
        _ => None,
    }
}

/// Linux's name of a congestion control.
pub(super) fn congestion_name(congestion: Congestion) -> &'static str {
    match congestion {
        Congestion::Cubic => "cubic",
        Congestion::NewReno => "reno",
        Congestion::Fixed(_) => "fixed",
    }
}

/// Settings of the engine that neither system has a name for.
fn set_own(config: &mut Config, name: &str, value: &str) -> Option<()> {
    let number: u32 = value.parse().ok()?;
    match name {
        "quick_acks" => config.tcp.quick_acks = u8::try_from(number).ok()?,
        "delayed_ack_ms" => config.tcp.delayed_ack = Duration::from_millis(u64::from(number)),
        "time_wait_s" => config.tcp.time_wait = Duration::from_secs(u64::from(number)),
        "icmp_errors_per_second" => config.icmp_errors_per_second = number,
        _ => return None,
    }
    Some(())
}
