//! What passes between the engine and the kernel, judged by somebody else.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use handfast::link::Device;
use handfast::link::capture::Capture;

use super::lines::{Kind, Line, Setting};
use crate::support::Family;
use crate::support::kernel;
use crate::support::namespace::{isolated, skip};
use crate::support::tshark::{Scratch, filtered};

/// Nothing of this may be found between two ends that keep to the protocols, whatever they do to each other. But for one thing: where Linux
/// computes a checksum that a device would have, it writes 0xffff for 0 in TCP, too (one packet of 65,536), which is right by arithmetic, and
/// an error to who judges. The engine may not.
const VIOLATIONS: &str = "_ws.malformed \
    || (_ws.expert.severity == error && !(tcp.checksum == 0xffff && (ip.src == 10.0.0.2 || ipv6.src == fd00::2))) \
    || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 \
    || icmpv6.checksum.status == 0 || tcp.analysis.ack_lost_segment || arp.duplicate-address-detected";

/// A file in memory that the test reads while the capture still has it.
#[derive(Clone, Default)]
pub(super) struct Tape(Rc<RefCell<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tape {
    /// Has everything on the line from now on written down here.
    pub(super) fn record(&self, line: Line) -> Line {
        let device: Box<dyn Device> = Box::new(Capture::new(line.device, self.clone(), 0));
        Line { device, ..line }
    }

    /// Has it judged: at least one packet that `wanted` lets through, and no violation of a protocol.
    pub(super) fn judge(&self, name: &str, wanted: &str) {
        let file = Scratch::new(name, &self.0.borrow());
        let Some(found) = filtered(&file, wanted) else {
            return skip("tshark is not installed, so nobody but ourselves has checked the packets");
        };
        assert!(!found.is_empty(), "{name}: no packet is `{wanted}`");
        assert_eq!(filtered(&file, VIOLATIONS).expect("as before"), [""; 0], "{name}");
    }
}

#[test]
fn nobody_finds_fault_with_what_the_engine_and_the_kernel_say() {
    for kind in Kind::ALL {
        for offloads in [true, false] {
            for family in Family::BOTH {
                isolated(move || {
                    let setting = Setting {
                        kind,
                        mtu: 1500,
                        offloads,
                    };
                    let Some(line) = setting.lay() else { return };
                    let tape = Tape::default();
                    let mut host = tape.record(line).host(family);
                    host.amount = 200_000;
                    kernel::kernel_connects_to_engine(&mut host);
                    kernel::engine_connects_to_kernel(&mut host, family.server());
                    kernel::resets_arrive(&mut host);
                    tape.judge(&format!("{kind:?}-{family:?}-{offloads}"), "tcp.flags.fin == 1");
                });
            }
        }
    }
}
