//! The rules that tie tables to connections: nothing is counted twice, and nothing is lost.

use super::{Checked, ensure};
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::{Connection, Flags as Has};

impl Tcp {
    pub(super) fn check_tables(&self) -> Checked {
        let living = self.living();
        let (connections, half_open) = (living.len(), self.half_open.len());
        ensure!(
            self.flows.len() == connections + half_open,
            "the flow table has {} entries for {connections} connections and {half_open} half-open ones",
            self.flows.len()
        );
        let passive = count(&living, Connection::is_passive);
        ensure!(
            passive == self.passive as usize,
            "{passive} connections were opened by peers, {} are counted",
            self.passive
        );
        let orphans = count(&living, |connection| connection.flags.has(Has::ORPHAN));
        ensure!(
            orphans == self.orphans as usize,
            "{orphans} connections are orphans, {} are counted",
            self.orphans
        );
        let rare = count(&living, |connection| connection.flags.has(Has::RARE));
        ensure!(
            rare == self.rare.len() && self.narrowed.len() <= rare,
            "{rare} connections have something rare, {} are kept, {} of them to be widened",
            self.rare.len(),
            self.narrowed.len()
        );
        let most = 2 * self.config.connections as usize;
        ensure!(
            self.starved.len() <= most,
            "{} writers wait for slots of the pool, of {most} at most",
            self.starved.len()
        );
        self.check_slots()?;
        self.half_open.check(|key, flow| {
            self.flows
                .find(key.hash(&self.flow_hasher), |found| found == flow)
                .is_some()
        })?;
        self.check_queues()?;
        self.check_ports(&living)
    }

    /// A slot keeps its timer when its connection goes; it must find nothing to do, and be the wheel's.
    fn check_slots(&self) -> Checked {
        let gone = |slot: &&Connection| slot.flags.has(Has::DETACHED);
        ensure!(
            !self
                .connections
                .slots()
                .filter(gone)
                .any(|slot| slot.next_deadline().is_set()),
            "a deadline is set for a connection that is over"
        );
        let linked = self.connections.slots().filter(|slot| slot.link.is_linked());
        self.wheel.check(&self.connections, linked.count())
    }

    fn living(&self) -> Vec<&Connection> {
        let all = self.connections.iter().map(|(_, connection)| connection);
        all.filter(|connection| !connection.flags.has(Has::DETACHED))
            .collect()
    }

    /// Every queue has one owner.
    fn check_queues(&self) -> Checked {
        let owned =
            |of: fn(&Connection) -> u32| self.connections.iter().map(move |(_, connection)| of(connection));
        self.queues
            .send
            .check(owned(|connection| connection.send))
            .map_err(|error| format!("send queues: {error}"))?;
        self.queues
            .receive
            .check(owned(|connection| connection.receive))
            .map_err(|error| format!("receive queues: {error}"))?;
        self.queues
            .loss
            .check(owned(|connection| connection.loss))
            .map_err(|error| format!("scoreboards: {error}"))
    }

    /// Every taken port has one owner: a connection, or its TIME_WAIT.
    fn check_ports(&self, living: &[&Connection]) -> Checked {
        let waiting = self.time_wait.check()?;
        ensure!(
            waiting.foreign == self.foreign_waits,
            "{} TIME_WAIT entries own no port, {} are counted",
            waiting.foreign,
            self.foreign_waits
        );
        let owners = count(living, |connection| connection.destination.is_some()) as u64 + waiting.ephemeral;
        let taken = self.ports.taken()?;
        ensure!(
            owners == taken,
            "{taken} ports are taken, by {owners} connections and TIME_WAIT entries"
        );
        Ok(())
    }
}

fn count(connections: &[&Connection], which: impl Fn(&Connection) -> bool) -> usize {
    connections.iter().filter(|connection| which(connection)).count()
}
