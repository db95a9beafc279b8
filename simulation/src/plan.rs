//! What a seed decides: hosts, links, faults and what the applications do.
//!
//! The *distribution* of faults differs from seed to seed (swarm testing): each kind is present in some seeds and absent in others, so that no
//! fault hides the effect of another.

mod faults;
mod hosts;
mod programs;

pub use self::faults::{Fault, Faults, Jump, Period};
pub use self::hosts::HostPlan;
pub use self::programs::{Access, Datagram, Dialogue, EndPlan, Ending, Reading};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use handfast::time::{Duration, Instant};

use crate::random::Random;

/// The first TCP port that somebody listens on. Each server listens on one for each of its dialogues.
pub(crate) const FIRST_PORT: u16 = 400;
/// The UDP port of every host.
pub(crate) const UDP_PORT: u16 = 300;
/// A port that nobody has.
pub(crate) const CLOSED_PORT: u16 = 200;
/// The port of both ends of connections that both ends open.
pub(crate) const CROSSED_PORT: u16 = 5_000;

/// Everything that happens in one simulation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was made from.
    pub seed: u64,
    /// What the clocks of all hosts show in the beginning.
    pub epoch: Instant,
    /// The hosts; all of them have an address of each family.
    pub hosts: Vec<HostPlan>,
    /// What goes wrong on the way.
    pub faults: Faults,
    /// TCP connections.
    pub dialogues: Vec<Dialogue>,
    /// UDP datagrams.
    pub datagrams: Vec<Datagram>,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let epoch = epoch(&mut random.fork());
        let count = random.pick(&[2, 2, 2, 3, 4]);
        let crossed = random.percent(8);
        let mut for_hosts = random.fork();
        let mut hosts: Vec<HostPlan> = (0..count).map(|_| HostPlan::draw(&mut for_hosts)).collect();
        let faults = Faults::draw(&mut random.fork(), count);
        if faults.whole_segments {
            hosts.iter_mut().for_each(|host| host.mtu = hosts_mtu(seed));
        }
        let dialogues = if crossed {
            hosts.truncate(2);
            hosts.iter_mut().for_each(HostPlan::have_one_port);
            vec![Dialogue::crossed(&mut random.fork(), &faults)]
        } else {
            programs::draw(&mut random.fork(), &hosts, &faults)
        };
        let datagrams = programs::draw_datagrams(&mut random.fork(), &hosts);
        let mut plan = Self {
            seed,
            epoch,
            hosts,
            faults,
            dialogues,
            datagrams,
        };
        plan.faults
            .periods
            .retain(|period| period.host < plan.hosts.len());
        plan.faults
            .jumps
            .retain(|jump| jump.host.is_none_or(|host| host < plan.hosts.len()));
        plan
    }

    /// The virtual time after which a simulation that goes on is stuck.
    pub(crate) fn deadline(&self) -> Duration {
        let mut seconds = 120.0;
        for dialogue in &self.dialogues {
            for end in &dialogue.ends {
                seconds += end.slowest_seconds();
            }
        }
        let octets: u64 = self.dialogues.iter().map(Dialogue::octets).sum();
        seconds += self.faults.slowest_seconds(octets);
        Duration::from_nanos((seconds * 1e9) as u64)
    }
}

fn hosts_mtu(seed: u64) -> u32 {
    if seed.is_multiple_of(3) { 9_000 } else { 1_500 }
}

/// Clocks start anywhere: at zero, long after, and shortly before 32 bits of milliseconds (the timestamps of RFC 7323) wrap.
fn epoch(random: &mut Random) -> Instant {
    match random.below(4) {
        0 => Instant::ZERO,
        1 => Instant::from_millis((1 << 32) - random.within(0..=60_000)),
        2 => Instant::from_nanos(random.below(1 << 62)),
        _ => Instant::from_secs(1_000),
    }
}

/// The address of a host.
pub(crate) fn address(host: usize, v6: bool) -> IpAddr {
    let number = host as u16 + 1;
    if v6 {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number).into()
    } else {
        Ipv4Addr::new(10, 0, 0, number as u8).into()
    }
}
