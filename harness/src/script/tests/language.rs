//! Every construct of the language, as a script that passes.

use super::{HANDSHAKE, exact, options, verdict_after_handshake};
use crate::script::{IpVersion, Options, Profile, Verdict, run};

fn assert_passes(script: &str) {
    let verdict = run(script, &exact());
    assert_eq!(verdict, Verdict::Passed, "\n{script}");
}

fn assert_passes_after_handshake(rest: &str) {
    assert_passes(&format!("{HANDSHAKE}{rest}"));
}

/// The length of what the engine writes is checked, so that times are read as they are meant.
#[test]
fn times_in_all_forms() {
    for rest in [
        "0.1 write(4, ..., 10) = 10\n0.1 > P. 1:11(10) ack 1",
        "+1 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1",
        "+.000001 write(4, ..., 10) = 10\n+0.0 > P. 1:11(10) ack 1",
        "1.25 write(4, ..., 10) = 10\n1.25~1.3 > P. 1:11(10) ack 1",
        "+0 write(4, ..., 10) = 10\n+0~+.1 > P. 1:11(10) ack 1",
        "+0 write(4, ..., 10) = 10\n* > P. 1:11(10) ack 1",
        "0.1...0.3 read(4, ..., 10) = 10\n0.3 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11",
        "+0...0.2 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11",
        "+.1...0.2 read(4, ..., 10) = 10\n+.1 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11",
        "+.1...+.2 read(4, ..., 10) = 10\n+.1 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11",
    ] {
        assert_passes_after_handshake(rest);
    }
}

#[test]
fn comments_and_blanks_anywhere() {
    assert_passes_after_handshake(
        "// one\n/* two\n * lines */ +0 /* here */ write ( 4 , ... , 10 ) = 10 // there\n\t+0  >  P.\t1:11(10) ack 1",
    );
}

#[test]
fn options_of_a_script() {
    assert_passes(&format!(
        "--tolerance_usecs=10000 --mss=1000\n--mtu=1500\n--ip_version=ipv4\n--bind_port=80 --connect_port=81\n\
         --local_ip=192.168.0.1\n--remote_ip=192.0.2.1\n--gateway_ip=192.168.0.9\n--netmask_ip=255.255.0.0\n\
         --send_omit_free\n--tcp_ts_tick_usecs=1000\n--tcp_ts_ecr_scaled\n--is_anyip\n--tolerance_percent=1.5\n{HANDSHAKE}"
    ));
}

#[test]
fn what_the_command_line_gives_goes_before_the_options_of_a_script() {
    let text = "--mtu=1500\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n\
                +0 listen(3, 1) = 0\n+0 < S 0:0(0) win 9000\n+0 > S. 0:0(0) ack 1 <mss 960>";
    let given = Options {
        given: vec![("mtu", "1000".to_owned())],
        ..exact()
    };
    assert_eq!(run(text, &given), Verdict::Passed);
    assert_ne!(run(text, &exact()), Verdict::Passed);
}

#[test]
fn definitions_stand_for_words_numbers_texts_and_commands() {
    assert_passes(&format!(
        "--define=SIZE=10\n--define=FLAG=MSG_DONTWAIT\n--define=SET=`sysctl -q net.ipv4.tcp_timestamps=0`\n\
         --define=ALGORITHM=\"cubic\"\nSET\n{HANDSHAKE}\
         +0 getsockopt(4, SOL_TCP, TCP_CONGESTION, ALGORITHM, [5]) = 0\n\
         +0 send(4, ..., SIZE, FLAG) = SIZE\n+0 > P. 1:11(SIZE) ack 1"
    ));
}

#[test]
fn commands_with_and_without_a_time() {
    for first in [
        "`../../common/defaults.sh`",
        "0 `./defaults.sh`",
        "init `./defaults.sh`",
        "`./defaults.sh\nsysctl -q net.ipv4.tcp_min_tso_segs=4`",
        "`../common/set_sysctls.py /proc/sys/net/ipv4/tcp_ecn=0 /proc/sys/net/ipv4/tcp_sack=1`",
        "`sysctl -q net.inet.tcp.hostcache.purgenow=1`",
    ] {
        assert_passes(&format!(
            "{first}\n{HANDSHAKE}cleanup `/tmp/sysctl_restore_${{PPID}}.sh`"
        ));
    }
}

#[test]
fn flags_of_segments() {
    // Whatever is injected as data must be answered, so that the flags are seen to matter.
    for (flags, answered) in [
        (".", true),
        ("P.", true),
        ("FP.", true),
        ("F.", true),
        ("-", false),
        ("P", false),
        ("EWA.", true),
        ("SEWA.", true),
        ("P.5", true),
        (".6", true),
    ] {
        let fin = u32::from(flags.contains('F'));
        let answer = match (answered, flags) {
            (false, _) => String::new(),
            (true, flags) if flags.contains('S') => "+0 > . 1:1(0) ack 1".to_owned(),
            (true, _) => format!("+0 > . 1:1(0) ack {}", 11 + fin),
        };
        let ack = if answered { " ack 1" } else { "" };
        assert_passes_after_handshake(&format!("+0 < {flags} 1:11(10){ack} win 32792\n{answer}"));
    }
}

#[test]
fn what_a_script_says_of_the_ip_header() {
    for info in [
        "[noecn]",
        "(noecn)",
        "[tos 0x0]",
        "[ttl 64]",
        "[noecn, ttl 64]",
        "(tos 0, ttl 64)",
    ] {
        assert_passes_after_handshake(&format!(
            "+0 write(4, ..., 10) = 10\n+0 > {info} P. 1:11(10) ack 1"
        ));
    }
    for info in [
        "[ect0]",
        "[ect1]",
        "(ce)",
        "[noecn]",
        "[tos 0x10]",
        "[ttl 3]",
        "[tos 0x1, ttl 9]",
    ] {
        assert_passes_after_handshake(&format!(
            "+0 < {info} P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11"
        ));
    }
    let v6 = format!("{HANDSHAKE}+0 < [flowlabel 0x12345] P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11");
    assert_eq!(
        run(&v6, &options(Profile::Exact, Some(IpVersion::Ipv6))),
        Verdict::Passed
    );
}

#[test]
fn options_of_segments() {
    for option in [
        "nop",
        "nop,nop,sack 5:9",
        "nop,nop,sack 2:3 5:9 11:12",
        "nop,nop,TS val 100 ecr 0",
        "eol",
        "mss 1460",
        "wscale 7",
        "sackOK",
        "md5 00112233445566778899aabbccddeeff",
        "FO",
        "FO 0011223344556677",
        "FOEXP 0011",
        "ECN e0b 1 ceb 0 e1b 1,nop",
        "ECN e1b 1 ceb 16777215,nop,nop",
        "raw \"fe02\"",
    ] {
        let verdict = verdict_after_handshake(&format!(
            "+0 < P. 1:11(10) ack 1 win 9 <{option}>\n+0 > . 1:1(0) ack 11 <...>"
        ));
        assert!(verdict.starts_with("pass"), "{option}: {verdict}");
    }
}

#[test]
fn icmp_messages() {
    for message in [
        "unreachable host_unreachable [1:11(10)]",
        "unreachable net_unreachable [1:11(10)]",
        "unreachable precedence_cutoff [1:11(10)]",
        "unreachable packet_filtered",
        "source_quench [1:11(10)]",
        "time_exceeded [1:11(10)]",
        "time_exceeded exceeded_ttl [1:11(10)]",
        "parameter_problem [1:11(10)]",
        "redirect",
        "echo_reply id 7 [raw (20)]",
        "timestamp_reply",
        "information_reply",
        "address_mask_reply",
        "unreachable port_unreachable [udp (8)]",
    ] {
        assert_passes_after_handshake(&format!(
            "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n+0 < icmp {message}\n+.1 < . 1:1(0) ack 11 win 9"
        ));
    }
}

#[test]
fn calls_that_read_and_write() {
    for rest in [
        "+0 send(4, ..., 10, 0) = 10\n+0 > P. 1:11(10) ack 1",
        "+0 sendto(4, ..., 10, MSG_NOSIGNAL, ..., ...) = 10\n+0 > P. 1:11(10) ack 1",
        "+0 writev(4, [{..., 4}, {..., 6}], 2) = 10\n+0 > P. 1:11(10) ack 1",
        "+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 4}, {..., 6}], msg_flags=0}, 0) = 10\n\
         +0 > P. 1:11(10) ack 1",
        "+0 write(4, NULL, 10) = -1 EFAULT (Bad address)\n+0 recv(4, NULL, 10, 0) = -1 EFAULT\n\
         +0 read(4, NULL, 0) = 0",
        "+0 send(4, ..., 10, MSG_OOB) = 10\n+0 > PU. 1:11(10) ack 1 urg 10",
        "+0 < PU. 1:11(10) ack 1 win 9 urg 5\n+0 > . 1:1(0) ack 11\n\
         +0 poll([{fd=4, events=POLLPRI, revents=POLLPRI}], 1, 0) = 1",
        "+0 write(4, \"abc\" \"def\", 10) = 10 (a note)\n+0 > P. 1:11(10) ack 1",
        "+0 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11\n+0 recv(4, ..., 4, MSG_PEEK) = 4\n\
         +0 ioctl(4, SIOCINQ, [10]) = 0\n+0 read(4, ..., 3) = 3\n+0 ioctl(4, SIOCINQ, [7]) = 0\n\
         +0 recv(4, ..., 100, MSG_PEEK) = 7\n+0 recvfrom(4, ..., 100, 0, ..., ...) = 7\n\
         +0 recv(4, ..., 1, MSG_DONTWAIT) = -1 EAGAIN (Resource temporarily unavailable)",
        "+0 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11\n\
         +0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 20}], msg_flags=0}, 0) = 10",
        "+0 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11\n+0 readv(4, [{..., 4}, {..., 4}], 2) = 8",
        "+0...0.2 recv(4, ..., 20, MSG_WAITALL) = 20\n+.1 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11\n\
         +.1 < P. 11:21(10) ack 1 win 9\n+0 > . 1:1(0) ack 21",
        "+0 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=0, tv_usec=200000}, 16) = 0\n\
         +0...0.2 read(4, ..., 10) = -1 EAGAIN",
        "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n+0 ioctl(4, SIOCOUTQ, [10]) = 0\n\
         +0 < . 1:1(0) ack 11 win 9\n+0 ioctl(4, SIOCOUTQ, [0]) = 0",
    ] {
        assert_passes_after_handshake(rest);
    }
}

#[test]
fn options_of_sockets() {
    for line in [
        "setsockopt(4, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0",
        "setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0",
        "setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0",
        "getsockopt(4, SOL_TCP, TCP_MAXSEG, [1000], [4]) = 0",
        "getsockopt(3, SOL_TCP, TCP_MAXSEG, [536], [4]) = 0",
        "setsockopt(4, IPPROTO_IP, IP_MTU_DISCOVER, [IP_PMTUDISC_DO], 4) = 0",
        "getsockopt(4, IPPROTO_IP, IP_MTU, [1500], [4]) = 0",
        "getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0",
        "getsockopt(4, SOL_SOCKET, SO_TYPE, [1], [4]) = 0",
        "getsockopt(4, SOL_TCP, TCP_INFO, {tcpi_state=TCP_ESTABLISHED, tcpi_snd_mss=1000}, ...) = 0",
        "setsockopt(4, SOL_TCP, TCP_KEEPIDLE, [60], 4) = 0",
        "setsockopt(4, SOL_TCP, TCP_KEEPIDLE, [0], 4) = -1 EINVAL (Invalid argument)",
        "getsockopt(4, SOL_TCP, TCP_KEEPIDLE, [7200], [4]) = 0",
        "getsockopt(4, SOL_TCP, TCP_KEEPINTVL, [75], [4]) = 0",
        "getsockopt(4, SOL_TCP, TCP_KEEPCNT, [9], [4]) = 0",
        "setsockopt(4, SOL_TCP, TCP_USER_TIMEOUT, [3000], 4) = 0",
        "setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0",
        "setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0",
        "setsockopt(4, SOL_SOCKET, SO_SNDBUF, [10000], 4) = 0",
        "setsockopt(4, SOL_SOCKET, SO_RCVBUF, [10000], 4) = 0",
        "setsockopt(4, SOL_TCP, TCP_MAXSEG, [5], 4) = -1 EINVAL (Invalid argument)",
        "setsockopt(9, SOL_SOCKET, SO_REUSEADDR, [1], 4) = -1 EBADF (Bad file descriptor)",
        "fcntl(4, F_GETFL) = 0x2 (flags O_RDWR)",
        "fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0",
        "fcntl(4, F_SETFD, FD_CLOEXEC) = 0",
        "ioctl(4, FIONBIO, [1]) = 0",
    ] {
        assert_passes_after_handshake(&format!("+0 {line}"));
    }
}

#[test]
fn the_largest_segment_of_a_socket_is_announced() {
    assert_passes(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n\
         +0 setsockopt(3, SOL_TCP, TCP_MAXSEG, [1100], 4) = 0\n\
         +0 getsockopt(3, SOL_TCP, TCP_MAXSEG, [1100], [4]) = 0\n\
         +0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n\
         +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n\
         +0 > S 0:0(0) <mss 1100,sackOK,TS val 100 ecr 0,nop,wscale 8>\n\
         +.1 < S. 0:0(0) ack 1 win 5000 <mss 1460,nop,wscale 0>\n+0 > . 1:1(0) ack 1\n\
         +0 getsockopt(3, SOL_TCP, TCP_MAXSEG, [1100], [4]) = 0\n\
         +0 write(3, ..., 2200) = 2200\n+0 > . 1:1101(1100) ack 1\n+0 > P. 1101:2201(1100) ack 1",
    );
}

#[test]
fn close_waits_for_as_long_as_linger_says() {
    let linger = "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=2}, 8) = 0\n";
    for rest in [
        // There is nothing to wait for when text is unread: the peer is told by a reset at once.
        "+0 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11\n+0 close(4) = 0\n+0 > R. 1:1(0) ack 11",
        // Nor when the FIN was acknowledged before.
        "+0 shutdown(4, SHUT_WR) = 0\n+0 > F. 1:1(0) ack 1\n+.1 < . 1:1(0) ack 2 win 9\n+0 close(4) = 0",
        // Text that nobody will read ends the waiting.
        "+0...0.2 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.2 < P. 1:11(10) ack 1 win 9\n\
         +0 > . 2:2(0) ack 11\n+0 > R. 2:2(0) ack 11",
        "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n\
         +0...0.2 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.2 < . 1:1(0) ack 2 win 9",
    ] {
        assert_passes_after_handshake(&format!("{linger}{rest}"));
    }
    let said = verdict_after_handshake(&format!("{linger}+0 close(4) = 0\n+0 > F. 1:1(0) ack 1"));
    assert!(said.contains("close still blocks"), "{said}");
}

#[test]
fn addresses_in_full() {
    assert_passes(
        "0 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3\n\
         +0 bind(3, {sa_family=AF_INET, sin_port=htons(99), sin_addr=inet_addr(\"192.168.0.1\")}, ...) = 0\n\
         +0 listen(3, 1) = 0\n\
         +0 < 4000 > 99 S 0:0(0) win 1000 <mss 1000>\n+0 > 99 > 4000 S. 0:0(0) ack 1 <...>",
    );
}

#[test]
fn readiness_of_descriptors() {
    for rest in [
        "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1",
        "+0...0.2 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 1000) = 1\n\
         +.2 < P. 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11",
        "+0...0.3 poll([{fd=4, events=POLLIN, revents=0}], 1, 300) = 0",
        "+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLOUT, fd=4}) = 0\n\
         +0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1\n\
         +0 epoll_ctl(5, EPOLL_CTL_MOD, 4, {events=EPOLLIN, u32=7}) = 0\n\
         +0 epoll_ctl(5, EPOLL_CTL_DEL, 4, ...) = 0\n+0 epoll_wait(5, ..., 1, 0) = 0",
    ] {
        assert_passes_after_handshake(rest);
    }
}

#[test]
fn what_need_not_be_right_is_told_and_does_not_fail() {
    let script = format!(
        "--non_fatal=packet,syscall\n{HANDSHAKE}+0 write(4, ..., 10) = 11\n+0 > P. 1:12(11) ack 1\n\
         +0 %{{ assert tcpi_unacked == 1 }}%"
    );
    let Verdict::PassedWith(warnings) = run(&script, &exact()) else {
        panic!("{script}");
    };
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn loops_and_silence() {
    assert_passes_after_handshake(
        "loop 3 { +0 send(4, ..., 0, 0) = 0 }\n+1 >!\n+0 < raw \"45\"\n+0 < [badsum] P. 1:11(10) ack 1 win 9\n+1 >!",
    );
}
