//! What passes between the engine and the kernel, judged by somebody else.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use handfast::link::Device;
use handfast::link::capture::Capture;

use super::lines::{Kind, Line, Setting, is_thorough};
use super::matrix::{Load, run_row};
use crate::support::namespace::{isolated, skip};
use crate::support::tshark::{Scratch, filtered};

/// Nothing of this may be found between two ends that keep to the protocols, whatever they do to each other. But for one thing: where Linux
/// computes a checksum that a device would have, it writes 0xffff for 0 in TCP, too (one packet of 65,536), which is right by arithmetic, and
/// an error to who judges. The engine may not.
const VIOLATIONS: &str = "_ws.malformed \
    || ((_ws.expert.severity == error || tcp.checksum.status == 0) \
        && !(tcp.checksum == 0xffff && (ip.src == 10.0.0.2 || ipv6.src == fd00::2))) \
    || ip.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 \
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

/// All that the matrix asks of every device, family, MTU and offload; long packets only where somebody has asked for the whole of it.
#[test]
fn nobody_finds_fault_with_what_the_engine_and_the_kernel_say() {
    for setting in Kind::every().flat_map(Setting::all_of) {
        if setting.mtu > 1500 && !is_thorough() {
            continue;
        }
        for &family in setting.kind.families() {
            isolated(move || {
                let Some(line) = setting.lay() else { return };
                let tape = Tape::default();
                run_row(
                    &mut tape.record(line).host(family),
                    family,
                    Load::of_bytes(200_000),
                );
                let Setting { kind, mtu, offloads } = setting;
                tape.judge(
                    &format!("{kind:?}-{family:?}-{mtu}-{offloads}"),
                    "tcp.flags.fin == 1",
                );
            });
        }
    }
}

/// A capture of one empty segment over IPv6 whose checksum comes to 0 and is written as `checksum`.
fn segment_that_sums_to_zero(source: u16, checksum: u16) -> Vec<u8> {
    const PORTS: [u16; 2] = [57_356, 5201];
    let address = |last: u16| [0xfd00, 0, 0, 0, 0, 0, 0, last];
    let mut tcp = [PORTS[0], PORTS[1], 0, 1, 0, 1, 0x5010, 0, checksum, 0];
    let sum = |words: &[u16]| words.iter().map(|word| u32::from(*word)).sum::<u32>();
    let of_the_rest =
        sum(&address(source)) + sum(&address(3 - source)) + 20 + 6 + sum(&tcp) - u32::from(checksum);
    let folded = of_the_rest % 0xffff;
    tcp[7] = 0xffff - u16::try_from(folded).unwrap();
    let mut packet = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
    let words = address(source).into_iter().chain(address(3 - source)).chain(tcp);
    packet.extend(words.flat_map(u16::to_be_bytes));
    let mut file = Vec::new();
    let raw_ip = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101];
    let record = [0, 0, 60, 60];
    file.extend(raw_ip.into_iter().chain(record).flat_map(u32::to_le_bytes));
    file.extend(packet);
    file
}

#[test]
fn only_the_kernel_may_write_a_checksum_of_zero_as_all_ones() {
    let violations = |source, checksum| {
        let content = segment_that_sums_to_zero(source, checksum);
        let file = Scratch::new(&format!("zero-{source}-{checksum}"), &content);
        filtered(&file, VIOLATIONS).map(|found| found.len())
    };
    let Some(right) = violations(1, 0) else {
        return skip("tshark is not installed, so the filter is not tried");
    };
    assert_eq!(right, 0, "0 is what it comes to");
    assert_eq!(violations(2, 0xffff), Some(0), "the kernel's way of writing it");
    assert_eq!(violations(1, 0xffff), Some(1), "the engine's would be a fault");
    assert_eq!(violations(2, 0x1234), Some(1), "nobody may be wrong");
}
