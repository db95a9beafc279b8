//! When switches and routers are told about groups (RFC 3810 section 6, RFC 3376 section 5): changes twice, and what they ask for.

use super::Interface;
use super::duplicate::Tentative;
use super::neighbour::message::{ALL_NODES, solicited_node};
use super::transmit::group_of;
use crate::config::AddressBlock;
use crate::frame::Packet;
use crate::internet::address::Address;
use crate::internet::datagram::Parsed;
use crate::internet::group::report::{self, ALL_HOSTS, Query, Record};
use crate::internet::{Internet, protocol};
use crate::link::ethernet::{self, MacAddress};
use crate::time::{Duration, Instant};

/// The Robustness Variable: how often a change is told, because nobody acknowledges it.
const ROBUSTNESS: u8 = 2;
/// The Unsolicited Report Interval: within which it is told again.
const UNSOLICITED_INTERVAL: Duration = Duration::from_secs(1);
/// Reports that wait for their time: a router that asks for more has asked twice.
const MAX_PENDING: usize = 256;

/// Something that is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice {
    group: Address,
    record: Record,
    left: u8,
    pub(super) due: Instant,
}

impl Internet {
    /// Tells that we have joined a group.
    pub(in crate::internet) fn report_join(&mut self, now: Instant, group: &Address) {
        self.report_change(now, group, Record::Joined);
    }

    /// Tells that we have left a group.
    pub(in crate::internet) fn report_leave(&mut self, now: Instant, group: &Address) {
        self.report_change(now, group, Record::Left);
    }

    fn report_change(&mut self, now: Instant, group: &Address, record: Record) {
        if let Some(interface) = &mut self.interface {
            interface.note_change(now, group, record);
        }
    }

    /// Sends the reports that are due.
    pub(super) fn run_reports(&mut self, now: Instant) {
        if let Some(interface) = &mut self.interface {
            interface.send_reports(now, &self.blocks);
        }
    }

    /// A datagram for a group that may be a query of IGMP. `false` when it is none.
    pub(super) fn on_igmp(&mut self, now: Instant, parsed: &Parsed, packet: &Packet) -> bool {
        let is_to_us = parsed.dst == ALL_HOSTS || self.groups.contains(&parsed.dst);
        let is_igmp = parsed.protocol == protocol::IGMP && parsed.fragment.is_none();
        if !is_igmp || !is_to_us || self.interface.is_none() {
            return false;
        }
        let message = self.responder.linear(packet, parsed.header_len);
        match message.and_then(|message| report::igmp_query(&message)) {
            Some(query) => self.answer(now, &query, true),
            None => self.counters.dropped_icmp += 1,
        }
        true
    }

    /// A message of ICMPv6 that may be a query of MLD. `false` when it is none.
    pub(super) fn on_mld(&mut self, now: Instant, parsed: &Parsed, message: &[u8]) -> bool {
        let Some(query) = report::mld_query(parsed, message) else {
            return false;
        };
        self.answer(now, &query, false);
        true
    }

    /// The groups that are to be told of: of those who look for our addresses, and of the application.
    fn memberships(&self) -> Vec<Address> {
        let ours = self.blocks.iter().map(AddressBlock::preferred);
        let tentative = self
            .interface
            .iter()
            .flat_map(|interface| interface.tentative.iter());
        let wanted = tentative.map(Tentative::address);
        let solicited = ours.chain(wanted).filter(|address| !address.is_v4());
        let mut groups: Vec<_> = solicited.map(|address| solicited_node(&address)).collect();
        groups.extend(self.groups.multicast());
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Whether the device is to listen to something else from now on ([`Internet::hearing`]).
    #[inline]
    pub fn has_new_hearing(&self) -> bool {
        self.interface
            .as_ref()
            .is_some_and(|interface| interface.has_new_hearing)
    }

    /// The stations and groups whose frames this host needs: itself, every host (RFC 1112 section 4, RFC 4861 section 7.2.1), and the groups
    /// that it is in. It counts as told with that.
    #[cold]
    pub fn hearing(&mut self) -> Vec<MacAddress> {
        let groups = self.memberships();
        let Some(interface) = &mut self.interface else {
            return Vec::new();
        };
        interface.has_new_hearing = false;
        let everybody = [ALL_HOSTS, ALL_NODES];
        let mut stations: Vec<_> = everybody.iter().chain(&groups).filter_map(group_of).collect();
        stations.push(interface.us);
        stations
    }

    fn answer(&mut self, now: Instant, query: &Query, is_v4: bool) {
        let mut groups = self.memberships();
        let Some(interface) = &mut self.interface else {
            return;
        };
        groups.retain(|group| group.is_v4() == is_v4 && query.group.is_none_or(|asked| asked == *group));
        for group in groups {
            interface.note_answer(now, &group, query.within);
        }
    }
}

impl Interface {
    /// Tells of the groups of those who look for these addresses (RFC 4861 section 7.2.1).
    pub(super) fn join_solicited_nodes<'a>(
        &mut self,
        now: Instant,
        blocks: impl Iterator<Item = &'a AddressBlock>,
    ) {
        for block in blocks.filter(|block| !block.preferred().is_v4()) {
            self.note_change(now, &solicited_node(&block.preferred()), Record::Joined);
        }
    }

    fn note_change(&mut self, now: Instant, group: &Address, record: Record) {
        self.has_new_hearing = true;
        if !self.reports_groups {
            return;
        }
        self.notices.retain(|notice| notice.group != *group);
        self.note(Notice {
            group: *group,
            record,
            left: ROBUSTNESS,
            due: now,
        });
    }

    fn note_answer(&mut self, now: Instant, group: &Address, within: Duration) {
        let is_noted = self.notices.iter().any(|notice| notice.group == *group);
        if self.reports_groups && !is_noted {
            let due = now + self.chance(now, group, within);
            self.note(Notice {
                group: *group,
                record: Record::Member,
                left: 1,
                due,
            });
        }
    }

    fn note(&mut self, notice: Notice) {
        if self.notices.len() < MAX_PENDING {
            self.notices.push(notice);
        }
    }

    fn chance(&self, now: Instant, group: &Address, within: Duration) -> Duration {
        Duration::from_nanos(self.neighbours.noise(now, group) % within.as_nanos().max(1))
    }

    fn send_reports(&mut self, now: Instant, blocks: &[AddressBlock]) {
        for index in (0..self.notices.len()).rev() {
            let notice = self.notices[index];
            if now < notice.due {
                continue;
            }
            if notice.left == 1 {
                self.notices.remove(index);
            } else {
                let due = now + self.chance(now, &notice.group, UNSOLICITED_INTERVAL);
                self.notices[index] = Notice {
                    left: notice.left - 1,
                    due,
                    ..notice
                };
            }
            self.send_report(&notice, blocks);
        }
    }

    /// From our link-local address, or nobody while there is none (RFC 3810 section 5.2.13); with IPv4 from our first.
    fn send_report(&mut self, notice: &Notice, blocks: &[AddressBlock]) {
        let is_v4 = notice.group.is_v4();
        let fits = |address: &Address| address.is_v4() == is_v4 && (is_v4 || address.is_link_local());
        let ours = blocks.iter().map(AddressBlock::preferred).find(fits);
        let nobody = if is_v4 {
            Address::v4([0; 4])
        } else {
            Address::UNSPECIFIED
        };
        let source = ours.unwrap_or(nobody);
        let routers = report::routers(&notice.group);
        let (station, ether_type) = if is_v4 {
            (MacAddress::ipv4_group(routers.v4_octets()), ethernet::IPV4)
        } else {
            (MacAddress::ipv6_group(routers.octets()), ethernet::IPV6)
        };
        self.counters.group_reports_sent += 1;
        self.send(station, ether_type, |packet| {
            report::write(packet, &source, &notice.group, notice.record);
        });
    }
}
