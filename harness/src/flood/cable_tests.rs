//! A flood over a cable between two kernels.

use std::net::{TcpListener, TcpStream};
use std::thread;

use super::{Plan, Sender, sources};
use crate::config::IpVersion;
use crate::measure::counters::Tables;
use crate::path::cable::{self, Passed};
use crate::path::lab::{self, Lab};
use crate::path::sockets;

/// What became of a flood, as both kernels tell it.
#[derive(Debug)]
struct Told {
    /// SYNs that the kernel took in: where other programs fill its queue it may drop some, and says so.
    arrived: u64,
    half_open: u64,
    /// Answers that came to the client's host for nobody.
    answers: u64,
    /// Segments and control messages that the client's host sent.
    replies: i64,
}

/// Half a thousand SYNs, fewer than the server remembers.
fn flooded(lab: &Lab, ip: IpVersion) -> Told {
    lab::detour(ip, sources(ip))
        .apply(lab.host_of_server())
        .expect("our own host");
    let at = lab::servers(ip, 7007)[3];
    let listener = listening(lab, at);
    // What is sent over a cable that has just been plugged in is lost without a word; connections try again.
    let _open = (TcpStream::connect(at).expect("it listens"), listener.accept());
    let plan = Plan {
        rate: 100_000.0,
        seed: 1,
        targets: vec![at],
    };
    let mut sender = Sender::new(plan, &lab.client, lab.host_of_server()).expect("our own hosts");
    let (passed, before) = (passed(lab), Tables::read_here());
    sender.begin(0);
    sender.send_due(5_000_000).expect("the cable is up");
    assert_eq!(sender.sent(), 64, "the flooder has missed more than a burst");
    let mut before_last = 0;
    while sender.sent() > before_last {
        before_last = sender.sent();
        sender.send_due(5_000_000).expect("the cable is up");
    }
    // 500 are due; five standard deviations of as many independent arrivals.
    assert!((390..610).contains(&sender.sent()), "{}", sender.sent());
    let arrived = sender.sent() - (self::passed(lab).unsent - passed.unsent);
    let half_open = half_open(lab, arrived);
    Told {
        arrived,
        half_open,
        answers: self::passed(lab).for_nobody - passed.for_nobody,
        replies: replies(before),
    }
}

fn listening(lab: &Lab, at: std::net::SocketAddr) -> TcpListener {
    let _visit = lab.host_of_server().visit().expect("our own host");
    let listener = TcpListener::bind(at).expect("an address of the server");
    rustix::net::listen(&listener, 4096).expect("it listens already, to fewer");
    listener
}

fn passed(lab: &Lab) -> Passed {
    cable::passed(&lab.client).expect("the cable is there")
}

/// Connections in SYN-RECEIVED at the server, once they are `wanted`: the kernel may take packets in later, when the machine is busy.
fn half_open(lab: &Lab, wanted: u64) -> u64 {
    let _visit = lab.host_of_server().visit().expect("our own host");
    let mut found = 0;
    // Each look takes some milliseconds.
    for _ in 0..200 {
        found = sockets::half_open().expect("the kernel tells").max(found);
        if found >= wanted {
            break;
        }
        thread::yield_now();
    }
    found
}

fn replies(before: Tables) -> i64 {
    let counted = Tables::read_here().since(&before, "client", false).nstat;
    ["TcpOutSegs", "IcmpOutMsgs", "Icmp6OutDestUnreachs"]
        .iter()
        .filter_map(|name| counted.get(*name))
        .sum()
}

#[test]
fn a_kernel_remembers_every_syn_and_nobody_answers_it() {
    for ip in [IpVersion::V4, IpVersion::V6] {
        let Some(told) = lab::between_kernels(ip, |lab| flooded(lab, ip)) else {
            return;
        };
        assert!(told.arrived > 0, "{told:?}");
        assert_eq!(told.half_open, told.arrived, "{told:?}");
        // Answers may have been sent again by now.
        assert!(told.answers >= told.arrived, "{told:?}");
        assert_eq!(told.replies, 0, "{told:?}");
    }
}
