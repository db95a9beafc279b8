//! `stream`: one-way bulk transfer over one connection. The sender produces every byte and the receiver compares every byte, so
//! that no stack is measured moving data that nobody touches; received payload counts.

mod receiver;
mod sender;

use std::io;

use self::receiver::Receiver;
use self::sender::Sender;
use super::{Measurement, Run, Unsupported, bill};
use crate::load::addresses::AddressPlan;
use crate::load::tally::Failures;
use crate::load::{Ends, Script};

const KIBIBYTE: f64 = 1024.0;

struct Stream {
    write: u32,
}

impl Script for Stream {
    type Client = Sender;
    type Server = Receiver;

    fn client(&self, ends: &Ends) -> io::Result<Sender> {
        Ok(Sender::new(self.write, AddressPlan::all(ends)))
    }

    fn server(&self, _ends: &Ends) -> Receiver {
        Receiver::new()
    }
}

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    if run.config.message == 0 {
        return Err(Unsupported("writes of no bytes move nothing".into()));
    }
    let outcome = run.drive(&Stream {
        write: run.config.message,
    })?;
    let mut failures = Failures::default();
    let (mut bytes, mut connected, mut intact) = (0, true, true);
    for one in &outcome.generators {
        failures.add(&one.client.tally.failures);
        connected &= one.client.tally.connected;
        bytes += one.server.tally.bytes;
        intact &= one.server.tally.intact;
    }
    if !connected && !outcome.interrupted {
        return Err(Unsupported("the connection could not be opened".into()));
    }
    let mut found = Measurement::default();
    let bits = outcome.rate(|one| (8.0 * one.server.tally.bytes as f64, one.server.span));
    found.set("gigabits_per_second", bits / 1e9);
    found.set_bill(&bill::KIBIBYTE, &outcome, bytes as f64 / KIBIBYTE);
    let writes = bytes / u64::from(run.config.message);
    found.set_tcp(run, &outcome, writes, &failures);
    found.check_rate(&outcome, writes, failures.total());
    if !intact {
        found.invalid("bytes arrived that are not those that were sent".into());
    }
    Ok(found)
}
