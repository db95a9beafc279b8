use super::Violation;
use crate::config::{AddressBlock, Config};
use crate::frame::{FramePool, PoolConfig};
use crate::internet::address::Address;
use crate::time::Instant;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::{Connection, Deadline, Flags as Has, NO_QUEUE};

/// One connection whose SYN waits to be sent.
fn with_one_connection() -> Tcp {
    let (local, remote) = (Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2]));
    let config = Config::new([1; 32], [AddressBlock::single(local.into())]);
    let mut tcp = Tcp::new(&config, FramePool::new(PoolConfig::default()));
    tcp.connect(Instant::from_secs(1), local, remote, 7)
        .expect("there is room");
    tcp
}

fn violation_after(breaks: impl FnOnce(&mut Tcp)) -> Violation {
    let mut tcp = with_one_connection();
    assert_eq!(tcp.check_invariants(), Ok(()));
    breaks(&mut tcp);
    tcp.check_invariants().expect_err("a rule is broken")
}

fn after_change(change: impl FnOnce(&mut Connection)) -> Violation {
    violation_after(|tcp| change(tcp.connections.get_mut(0)))
}

#[test]
fn a_violation_names_the_connection_and_the_rule() {
    let violation = after_change(|connection| connection.snd_una += 1);
    let text = violation.to_string();
    assert!(text.starts_with("10.0.0.1:"), "{text}");
    assert!(text.contains("with 10.0.0.2:7: SND.UNA"), "{text}");
}

#[test]
fn a_timer_that_nothing_will_fire_is_found() {
    let violation = after_change(|connection| {
        connection.snd_nxt += 1;
        connection.snd_max += 1;
        connection.retransmit_at = Deadline::at(Instant::from_secs(2));
    });
    assert!(violation.rule.contains("timer wheel"), "{violation}");
}

#[test]
fn work_that_was_forgotten_is_found() {
    let violation = violation_after(|tcp| {
        tcp.dirty.pop();
        let connection = tcp.connections.get_mut(0);
        connection.flags.clear(Has::DIRTY);
        connection.snd_nxt += 1;
        connection.snd_max += 1;
    });
    assert!(violation.rule.contains("no timer runs"), "{violation}");
}

#[test]
fn a_port_without_an_owner_is_found() {
    let violation = after_change(|connection| connection.destination = None);
    assert_eq!(violation.connection, None);
    assert!(violation.rule.contains("1 ports are taken, by 0"), "{violation}");
}

#[test]
fn a_queue_without_an_owner_is_found() {
    let violation = violation_after(|tcp| {
        let mut nobodys = NO_QUEUE;
        tcp.queues.send.attach(&mut nobodys);
    });
    assert!(violation.rule.contains("neither free nor owned"), "{violation}");
}

/// With a scaled window a promise is rounded up, so that it is not taken back. A peer who sends octet by octet to an application that reads nothing
/// must not win 7 octets of window with each acknowledgment.
#[test]
fn segments_of_one_octet_do_not_grow_the_window_for_ever() {
    const BUFFER: u32 = 100_000;
    let mut tcp = with_one_connection();
    let connection = tcp.connections.get_mut(0);
    connection.rcv_scale = 3;
    connection.rcv_limit = BUFFER;
    connection.rcv_edge = connection.rcv_nxt + BUFFER;
    let mut received = 0;
    while connection.window_to_offer() > 0 {
        connection.rcv_nxt += 1;
        connection.rcv_buffered += 1;
        received += 1;
        assert!(
            received <= BUFFER + u32::from(connection.mss) + 8,
            "{received} octets of {BUFFER} were let in"
        );
    }
    assert!(received >= BUFFER - 8, "only {received} octets were let in");
}
