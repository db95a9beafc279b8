//! Processor time for each operation, and which side it was spent on.

use super::Measurement;
use crate::load::outcome::Outcome;

/// What the bills of one kind of operation are called.
#[derive(Debug)]
pub(super) struct Bill {
    whole: &'static str,
    client: &'static str,
    server: &'static str,
    machine: &'static str,
}

macro_rules! bill {
    ($operation:literal) => {
        Bill {
            whole: concat!("cpu_ns_per_", $operation),
            client: concat!("client_cpu_ns_per_", $operation),
            server: concat!("server_cpu_ns_per_", $operation),
            machine: concat!("machine_cpu_ns_per_", $operation),
        }
    };
}

pub(super) const CONNECTION: Bill = bill!("connection");
pub(super) const TRANSACTION: Bill = bill!("transaction");
pub(super) const DATAGRAM: Bill = bill!("datagram");
pub(super) const KIBIBYTE: Bill = bill!("kibibyte");
pub(super) const TEARDOWN: Bill = bill!("teardown");

impl Measurement {
    /// Processor time ÷ `operations`: of the process, of each side's threads (null where both ends share one), and of the whole machine,
    /// which has what other threads and idle cores did for the run in softirqs, and whatever else ran.
    pub(super) fn set_bill<C, S>(&mut self, bill: &Bill, outcome: &Outcome<C, S>, operations: f64) {
        let each = |ns: Option<u64>| ns.filter(|_| operations > 0.0).map(|ns| ns as f64 / operations);
        self.set(bill.whole, each(Some(outcome.cpu_ns)));
        self.set(bill.client, each(outcome.side_ns(|sides| sides.client_ns)));
        self.set(bill.server, each(outcome.side_ns(|sides| sides.server_ns)));
        self.set(
            bill.machine,
            each(outcome.machine.map(|machine| machine.all.busy_ns)),
        );
    }
}
