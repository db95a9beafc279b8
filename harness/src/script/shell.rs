//! The commands between backticks, as far as they mean something for the engine.

use handfast::config::Config;
use handfast::time::Duration;

use super::verdict::Stop;

/// Carries out commands that set what the engine has a knob for. Any other is unsupported.
///
/// `running` says that the engine has started, so that nothing can be set any more.
pub(super) fn run(commands: &str, config: &mut Config, running: bool) -> Result<(), Stop> {
    for command in commands
        .replace("\\\n", " ")
        .split(['\n', ';'])
        .flat_map(|line| line.split("&&"))
    {
        let command = command.trim();
        if !command.is_empty() && !command.starts_with('#') {
            run_command(command, config, running)?;
        }
    }
    Ok(())
}

fn run_command(command: &str, config: &mut Config, running: bool) -> Result<(), Stop> {
    let words = words(command);
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Stop::unsupported(format!("command `{command}`")))?;
    let name = program.rsplit('/').next().unwrap_or(program);
    match name {
        // What these set is what the engine's configuration starts from, and what it is thrown away with.
        "defaults.sh" => Ok(()),
        _ if name.starts_with("sysctl_restore") => Ok(()),
        "sysctl" | "set_sysctls.py" => arguments
            .iter()
            .filter(|word| !word.starts_with(['-', '>']) && !word.starts_with("2>"))
            .try_for_each(|word| sysctl(command, word, config, running)),
        _ => Err(Stop::unsupported(format!("command `{command}`"))),
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

/// `net.ipv4.tcp_x=1` or `/proc/sys/net/ipv4/tcp_x=1`.
fn sysctl(command: &str, assignment: &str, config: &mut Config, running: bool) -> Result<(), Stop> {
    let unsupported = || Stop::unsupported(format!("command `{command}`"));
    let (path, value) = assignment.split_once('=').ok_or_else(unsupported)?;
    let mut parts = path.rsplit(['/', '.']);
    let name = parts.next().unwrap_or(path);
    let own = parts.next() == Some("handfast");
    let mut changed = config.clone();
    let known = if own {
        set_own(&mut changed, name, value)
    } else {
        set(&mut changed, name, value)
    };
    known.ok_or_else(unsupported)?;
    if running && format!("{changed:?}") != format!("{config:?}") {
        return Err(Stop::unsupported(format!(
            "command `{command}` while the engine runs"
        )));
    }
    *config = changed;
    Ok(())
}

/// Linux's settings. `None` when the engine has nothing of the kind, or not with that value.
fn set(config: &mut Config, name: &str, value: &str) -> Option<()> {
    let tcp = &mut config.tcp;
    if name == "tcp_congestion_control" {
        return (value == "reno").then_some(());
    }
    // Of minimum, default and maximum the last is what a buffer can grow to.
    let last: u32 = value.split_whitespace().last()?.parse().ok()?;
    match name {
        "tcp_timestamps" => tcp.timestamps = last != 0,
        "tcp_window_scaling" => tcp.window_scaling = last != 0,
        "tcp_syn_retries" => tcp.syn_retries = u8::try_from(last).ok()?,
        "tcp_synack_retries" => tcp.syn_ack_retries = u8::try_from(last).ok()?,
        "tcp_retries2" => tcp.retries = u8::try_from(last).ok()?,
        "tcp_fin_timeout" => tcp.fin_wait_2 = Duration::from_secs(u64::from(last)),
        "tcp_rmem" => tcp.receive_buffer = last,
        "tcp_wmem" => tcp.send_buffer = last,
        "ip_default_ttl" => config.ttl = u8::try_from(last).ok()?,
        _ => return describes_engine(name, last),
    }
    Some(())
}

/// Settings that the engine cannot change, with the values that describe it.
fn describes_engine(name: &str, value: u32) -> Option<()> {
    match name {
        // Offloads, pacing, and memory of routes: nothing that a packet on this wire could tell.
        "tcp_min_tso_segs"
        | "tcp_no_metrics_save"
        | "tcp_autocorking"
        | "tcp_moderate_rcvbuf"
        | "tcp_pacing_ss_ratio"
        | "tcp_pacing_ca_ratio" => Some(()),
        // Off, or on demand: what arrives in such a script tells whether that is enough.
        "tcp_ecn" => (value == 0 || value == 2).then_some(()),
        "tcp_rfc1337" => (value == 1).then_some(()),
        "tcp_fastopen"
        | "tcp_mtu_probing"
        | "tcp_slow_start_after_idle"
        | "tcp_early_retrans"
        | "tcp_syncookies" => (value == 0).then_some(()),
        _ => None,
    }
}

/// Settings of the engine that Linux has no name for.
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

#[cfg(test)]
mod tests {
    use handfast::config::{AddressBlock, Config};
    use handfast::time::Duration;

    use super::{run, words};
    use crate::script::verdict::Stop;

    fn config() -> Config {
        Config::new([0; 32], [AddressBlock::single([10, 0, 0, 1].into())])
    }

    #[test]
    fn quotes_keep_blanks() {
        assert_eq!(words("a -q b=\"1 2\""), ["a", "-q", "b=1 2"]);
    }

    #[test]
    fn settings_of_both_spellings_reach_the_engine() {
        let mut config = config();
        let commands = "sysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_rmem=\"1 2 3000\"\n\
                        ../common/set_sysctls.py /proc/sys/net/ipv4/tcp_fin_timeout=7";
        run(commands, &mut config, false).expect("known settings");
        assert!(!config.tcp.timestamps);
        assert_eq!(config.tcp.receive_buffer, 3000);
        assert_eq!(config.tcp.fin_wait_2, Duration::from_secs(7));
    }

    #[test]
    fn nothing_is_passed_over_in_silence() {
        for command in [
            "ip route add x",
            "sysctl -q net.ipv4.tcp_made_up=1",
            "sysctl -q net.ipv4.tcp_ecn=1",
            "sysctl -q tcp_ecn",
        ] {
            let outcome = run(command, &mut config(), false);
            let is_named = matches!(&outcome, Err(Stop::Unsupported(what)) if what.contains(command));
            assert!(is_named, "{command}: {outcome:?}");
        }
        assert!(run("sysctl -q net.ipv4.tcp_timestamps=0", &mut config(), true).is_err());
    }
}
