use handfast::config::{AddressBlock, Config, Congestion};
use handfast::time::Duration;

use super::{run, without_redirections, words};
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
        "sysctl -q net.ipv4.tcp_ecn=5",
        "sysctl -q tcp_ecn",
        "sysctl net.inet.tcp.made_up=1",
        "sysctl net.inet.tcp.syncookies_only=1",
        "sysctl -q net.ipv4.tcp_early_retrans=0",
        "echo 1",
        "tc qdisc replace dev tun0 root netem loss 3%",
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

#[test]
fn what_no_packet_can_tell_is_passed_over() {
    for command in [
        "../common/defaults.sh > /dev/null 2>&1",
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
