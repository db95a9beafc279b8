use std::process::Command;

use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, PcapBlockOwned, PcapNGReader};

use super::*;
use crate::frame::{FramePool, PoolConfig, Purpose};
use crate::link::memory::{LocalEnd, WireConfig, pair};
use crate::link::offload::tests::{TCP_COMPLETED, TCP_OFFLOADED};

/// A packet as another reader finds it in a file.
#[derive(Debug, PartialEq)]
struct Found {
    nanos: u64,
    outbound: bool,
    original_len: u32,
    bytes: Vec<u8>,
}

/// All packets, and the numbers of received and dropped packets in the statistics.
fn read(file: &[u8]) -> (Vec<Found>, Vec<Vec<u8>>) {
    let (mut packets, mut statistics) = (Vec::new(), Vec::new());
    let mut reader = PcapNGReader::new(1 << 20, file).unwrap();
    let (mut sections, mut interfaces) = (0, 0);
    loop {
        let (consumed, block) = match reader.next() {
            Ok(next) => next,
            Err(pcap_parser::PcapError::Eof) => break,
            Err(pcap_parser::PcapError::Incomplete(_)) => {
                reader.refill().unwrap();
                continue;
            }
            Err(error) => panic!("{error:?}"),
        };
        match block {
            PcapBlockOwned::NG(Block::SectionHeader(_)) => sections += 1,
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                interfaces += 1;
                assert_eq!((interface.linktype.0, interface.if_tsresol), (101, 9));
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => packets.push(Found {
                nanos: u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low),
                outbound: packet
                    .options
                    .iter()
                    .any(|option| option.code.0 == 2 && option.value[..4] == [2, 0, 0, 0]),
                original_len: packet.origlen,
                bytes: packet.packet_data()[..packet.caplen as usize].to_vec(),
            }),
            PcapBlockOwned::NG(Block::InterfaceStatistics(block)) => {
                statistics = block.options.iter().map(|option| option.value.to_vec()).collect();
            }
            _ => panic!("a block that nobody wrote"),
        }
        reader.consume(consumed);
    }
    assert_eq!((sections, interfaces), (1, 1));
    (packets, statistics)
}

fn captured(snap_len: u32) -> (Capture<LocalEnd, Vec<u8>>, LocalEnd) {
    let (near, far) = pair(WireConfig {
        queue: 4,
        ..WireConfig::default()
    });
    (Capture::new(near, Vec::new(), snap_len), far)
}

fn push(batch: &mut PacketQueue, header: &[u8]) {
    let packet = batch.push().unwrap();
    packet.set_header_len(header.len()).copy_from_slice(header);
    packet.checksum = Checksum::Offloaded;
}

#[test]
fn both_directions_are_written_with_their_time() {
    let (mut capture, mut far) = captured(0);
    let mut batch = PacketQueue::with_capacity(8);
    let long_ago = Instant::from_nanos(5_000_000_007);
    push(&mut batch, &TCP_OFFLOADED);
    capture.transmit(long_ago, &mut batch);
    far.receive(long_ago, &mut batch);
    assert_eq!(
        batch.get(0).unwrap().header(),
        TCP_OFFLOADED,
        "the packet itself stays as it is"
    );
    far.transmit(long_ago, &mut batch);
    capture.receive(Instant::from_secs(6), &mut batch);
    let (packets, statistics) = read(&capture.finish().unwrap());
    let found = |nanos, outbound| Found {
        nanos,
        outbound,
        original_len: 40,
        bytes: TCP_COMPLETED.to_vec(),
    };
    assert_eq!(packets, [found(5_000_000_007, true), found(6_000_000_000, false)]);
    assert!(
        statistics.contains(&1_u64.to_le_bytes().to_vec()),
        "one packet was received"
    );
}

#[test]
fn only_what_the_device_takes_is_written() {
    let (mut capture, mut far) = captured(0);
    let mut batch = PacketQueue::with_capacity(8);
    (0..6).for_each(|_| push(&mut batch, &TCP_OFFLOADED));
    assert_eq!(capture.transmit(Instant::ZERO, &mut batch), 4);
    assert_eq!(capture.transmit(Instant::ZERO, &mut batch), 0);
    far.receive(Instant::ZERO, &mut PacketQueue::with_capacity(4));
    assert_eq!(capture.transmit(Instant::ZERO, &mut batch), 2);
    assert_eq!(read(&capture.finish().unwrap()).0.len(), 6);
}

#[test]
fn packets_are_cut_to_the_snap_length() {
    let (mut capture, _far) = captured(33);
    let mut batch = PacketQueue::with_capacity(8);
    push(&mut batch, &TCP_OFFLOADED);
    push(&mut batch, &TCP_OFFLOADED[..20]);
    capture.transmit(Instant::ZERO, &mut batch);
    let (packets, _) = read(&capture.finish().unwrap());
    assert_eq!((packets[0].bytes.len(), packets[0].original_len), (33, 40));
    assert_eq!((packets[1].bytes.len(), packets[1].original_len), (20, 20));
}

/// A writer with room for so many bytes.
#[derive(Debug)]
struct Short(usize);

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("no room"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_the_writer_ends_the_capture_and_not_the_traffic() {
    let (near, mut far) = pair(WireConfig::default());
    let mut capture = Capture::new(near, Short(200), 0);
    let mut batch = PacketQueue::with_capacity(8);
    for _ in 0..3 {
        push(&mut batch, &TCP_OFFLOADED);
        assert_eq!(capture.transmit(Instant::ZERO, &mut batch), 1);
        assert_eq!(far.receive(Instant::ZERO, &mut batch), 1);
        assert_eq!(far.transmit(Instant::ZERO, &mut batch), 1);
        assert_eq!(capture.receive(Instant::ZERO, &mut batch), 1);
        batch.clear();
    }
    assert_eq!(capture.finish().unwrap_err().to_string(), "no room");
}

/// Small and virtual segments of TCP and UDP over IPv4 and IPv6, all left to the device, as the engine sends them.
fn a_file_of_everything() -> Vec<u8> {
    let pool = FramePool::new(PoolConfig::default());
    let (near, mut far) = pair(WireConfig::default());
    let mut capture = Capture::new(near, Vec::new(), 0);
    let mut batch = PacketQueue::with_capacity(16);
    for (ipv6, udp) in [(false, false), (false, true), (true, false), (true, true)] {
        for (payload, segment_size) in [(11, 0), (1400, 0), (60_001, 1400)] {
            let header = headers(ipv6, udp, payload);
            push(&mut batch, &header);
            let packet = batch.get_mut(batch.len() - 1).unwrap();
            packet.segment_size = segment_size;
            let body = pool.copy(Purpose::Application, &vec![0xa5; payload]).unwrap();
            packet.push_piece(body.freeze()).unwrap();
        }
    }
    capture.transmit(Instant::from_secs(1), &mut batch);
    far.receive(Instant::from_secs(1), &mut batch);
    far.transmit(Instant::from_secs(1), &mut batch);
    assert_eq!(capture.receive(Instant::from_secs(2), &mut batch), 12);
    capture.finish().unwrap()
}

fn headers(ipv6: bool, udp: bool, payload: usize) -> Vec<u8> {
    use etherparse::PacketBuilder;
    // A virtual segment has no length yet.
    let announced = vec![0; if payload > 1400 { 0 } else { payload }];
    let ip = if ipv6 {
        PacketBuilder::ipv6([0xfd; 16], [0xfc; 16], 64)
    } else {
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
    };
    let (mut bytes, header_len, field) = (Vec::new(), if udp { 8 } else { 20 }, if udp { 6 } else { 16 });
    if udp {
        ip.udp(5000, 6000).write(&mut bytes, &announced).unwrap();
    } else {
        ip.tcp(5000, 6000, 7, 8).write(&mut bytes, &announced).unwrap();
    }
    let offset = if ipv6 { 40 } else { 20 };
    bytes.truncate(offset + header_len);
    bytes[offset + field..offset + field + 2].fill(0);
    bytes
}

#[test]
fn every_packet_is_well_formed() {
    let (packets, _) = read(&a_file_of_everything());
    assert_eq!(packets.len(), 24);
    for found in packets {
        let parsed = etherparse::SlicedPacket::from_ip(&found.bytes).unwrap();
        assert_eq!(found.original_len as usize, found.bytes.len());
        let payload = match parsed.transport.unwrap() {
            etherparse::TransportSlice::Tcp(tcp) => tcp.payload().len(),
            etherparse::TransportSlice::Udp(udp) => udp.payload().len(),
            other => panic!("{other:?}"),
        };
        assert!([11, 1400, 60_001].contains(&payload));
    }
}

#[test]
fn tshark_finds_no_fault() {
    let path = std::env::temp_dir().join(format!("handfast-capture-{}.pcapng", std::process::id()));
    std::fs::write(&path, a_file_of_everything()).unwrap();
    let result = Command::new("tshark")
        .args([
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ])
        .args(["-T", "fields", "-E", "separator=,"])
        .args([
            "-e",
            "ip.checksum.status",
            "-e",
            "tcp.checksum.status",
            "-e",
            "udp.checksum.status",
        ])
        .args(["-e", "_ws.malformed", "-e", "frame.len", "-r"])
        .arg(&path)
        .output();
    std::fs::remove_file(&path).unwrap();
    let Ok(output) = result else {
        eprintln!("SKIPPED: tshark is not installed, so nothing but our own reading of the file was checked");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.lines().count(),
        24,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in text.lines() {
        let [ip, tcp, udp, malformed, _len]: [&str; 5] =
            line.split(',').collect::<Vec<_>>().try_into().unwrap();
        // 1 is good, empty is "there is no such header".
        assert!(
            ["1", ""].contains(&ip) && [("1", ""), ("", "1")].contains(&(tcp, udp)),
            "{line}"
        );
        assert_eq!(malformed, "", "{line}");
    }
}
