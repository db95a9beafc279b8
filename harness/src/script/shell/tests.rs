use handfast::config::{AddressBlock, Config, Congestion};
use handfast::time::Duration;

use super::{without_redirections, words};
use crate::script::verdict::Stop;

fn config() -> Config {
    Config::new([0; 32], [AddressBlock::single([10, 0, 0, 1].into())])
}

fn run(commands: &str, config: &mut Config, running: bool) -> Result<(), Stop> {
    super::run(commands, config, &mut 1500, running)
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

/// The scripts of Linux begin with it, and some of them pause.
#[test]
fn the_defaults_of_scripts_let_a_window_outlast_a_pause() {
    let mut config = config();
    run("../common/defaults.sh", &mut config, false).expect("a known command");
    assert!(!config.tcp.idle_restart);
    let commands = "./defaults.sh\nsysctl -q net.ipv4.tcp_slow_start_after_idle=1";
    run(commands, &mut config, false).expect("known commands");
    assert!(config.tcp.idle_restart);
}

#[test]
fn nothing_is_passed_over_in_silence() {
    for command in [
        "ip route add x",
        "sysctl -q net.ipv4.tcp_made_up=1",
        "sysctl -q net.ipv4.tcp_ecn=5",
        "sysctl -q tcp_ecn",
        "sysctl net.inet.tcp.made_up=1",
        "sysctl net.inet.tcp.syncookies_only=1",
        "sysctl -q net.ipv4.tcp_early_retrans=0",
        "echo 1",
        "tc qdisc replace dev tun0 root netem loss 3%",
        "tc qdisc replace dev tun0 root fq",
        "ip link set dev tun0 mtu 67",
        "ip link set dev tun0 down",
        "sleep 1",
    ] {
        let outcome = run(command, &mut config(), false);
        let is_named = matches!(&outcome, Err(Stop::Unsupported(what)) if what.contains(command));
        assert!(is_named, "{command}: {outcome:?}");
    }
    assert!(run("sysctl -q net.ipv4.tcp_timestamps=0", &mut config(), true).is_err());
}

#[test]
fn comments_end_a_line_and_sums_are_worked_out() {
    let mut config = config();
    let commands = "sysctl -q net.ipv4.tcp_timestamps=0  # a; comment\n# another\n\
                    sysctl -q net.ipv4.tcp_rmem=\"4096 131072 $((2*1024*1024))\"; sysctl net.ipv4.tcp_invalid_ratelimit=0";
    run(commands, &mut config, false).expect("known settings");
    assert!(!config.tcp.timestamps);
    assert_eq!(config.tcp.receive_buffer, 2 << 20);
    assert_eq!(config.tcp.invalid_interval, Duration::ZERO);
}

#[test]
fn the_device_has_the_mtu_that_a_command_gives_it() {
    for command in [
        "ip link set dev tun0 mtu 9000",
        "ip link set tun0 mtu 9000",
        "/sbin/ifconfig tun0 mtu 9000",
    ] {
        let mut mtu = 1500;
        let outcome = super::run(command, &mut config(), &mut mtu, false);
        assert!(outcome.is_ok() && mtu == 9000, "{command}: {outcome:?}");
        assert!(super::run(command, &mut config(), &mut mtu, true).is_ok());
        assert!(super::run(command, &mut config(), &mut 1500, true).is_err());
    }
}

#[test]
fn redirections_are_no_words() {
    let parts = |command| without_redirections(words(command));
    assert_eq!(parts("a > b c 2>&1").0, ["a", "c"]);
    assert_eq!(parts("echo 1 >/proc/x").1.as_deref(), Some("/proc/x"));
}

#[test]
fn a_file_of_proc_is_a_setting() {
    let mut config = config();
    run("echo 3 > /proc/sys/net/ipv4/tcp_syn_retries", &mut config, false).expect("a known setting");
    assert_eq!(config.tcp.syn_retries, 3);
}

#[test]
fn settings_of_freebsd_reach_the_engine() {
    let mut config = config();
    let commands = "kldload -n tcp_rack\nsysctl net.inet.tcp.rfc1323=0\nsysctl net.inet.tcp.msl=1000\n\
                    sysctl net.inet.tcp.cc.algorithm=newreno\nsysctl net.inet.tcp.hostcache.purgenow=1";
    run(commands, &mut config, false).expect("known settings");
    assert!(!config.tcp.timestamps && !config.tcp.window_scaling);
    assert_eq!(config.tcp.time_wait, Duration::from_secs(2));
    assert_eq!(config.tcp.congestion, Congestion::NewReno);
}

/// The names and the values of the rows of a page's section.
fn rows(page: &str, section: &str) -> Vec<(String, Vec<String>)> {
    let page = std::fs::read_to_string(page).expect("the page is there");
    let sections = page.split("\n## ");
    let section = sections.into_iter().find(|text| text.starts_with(section));
    let cells = |row: &str| row.split('|').skip(1).map(str::trim).map(str::to_owned).collect();
    let listed = |cell: &str| {
        cell.split(", ")
            .map(|word| word.trim_matches('`').to_owned())
            .collect()
    };
    let rows = section.expect("the section is there").lines().map(cells);
    rows.filter(|cells: &Vec<String>| cells.len() > 2)
        .skip(2)
        .flat_map(|cells| {
            let (names, values): (Vec<String>, Vec<String>) = (listed(&cells[0]), listed(&cells[1]));
            names.into_iter().map(move |name| (name, values.clone()))
        })
        .collect()
}

#[test]
fn the_page_of_scripts_tells_no_sysctl_that_is_not_taken() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scripts.md");
    let rows = rows(page, "Sysctls");
    assert!(rows.len() > 40, "{rows:?}");
    for (name, values) in rows {
        for value in values {
            let command = format!("sysctl -q net.ipv4.{name}={value}");
            assert!(run(&command, &mut config(), false).is_ok(), "{command}");
        }
    }
}

#[test]
fn what_no_packet_can_tell_is_passed_over() {
    for command in [
        "../common/set_sysctls.py /proc/sys/net/ipv4/tcp_min_tso_segs=4 > /dev/null 2>&1",
        "tc qdisc delete dev tun0 root 2>/dev/null",
        "ip tcp_metrics flush all",
        "ethtool -K tun0 tso off gso off",
        "ip link set dev tun0 txqueuelen 1000",
        "sysctl -q -w net.ipv4.tcp_min_tso_segs=4",
        "sysctl -q net.ipv4.tcp_fack=1",
        "/tmp/sysctl_restore_${PPID}.sh",
    ] {
        assert!(run(command, &mut config(), true).is_ok(), "{command}");
    }
}
