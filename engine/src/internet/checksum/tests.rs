use super::*;
use crate::internet::protocol;
use etherparse::{TcpHeader, UdpHeader};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn udp_over_ipv4(src: [u8; 4], dst: [u8; 4], payload in prop::collection::vec(any::<u8>(), 0..99)) {
        let header = UdpHeader::without_ipv4_checksum(7, 9, payload.len()).unwrap();
        let expected = header.calc_checksum_ipv4_raw(src, dst, &payload).unwrap();
        let sum = pseudo_header_sum(
            &Address::v4(src),
            &Address::v4(dst),
            protocol::UDP,
            u32::from(header.length),
        );
        let checksum = sum.add_bytes(&header.to_bytes()).add_bytes(&payload).finish();
        prop_assert_eq!(if checksum == 0 { 0xffff } else { checksum }, expected);
    }

    #[test]
    fn tcp_over_ipv6(src: [u8; 16], dst: [u8; 16], payload in prop::collection::vec(any::<u8>(), 0..99)) {
        let header = TcpHeader::new(7, 9, 0x1234_5678, 0xffff);
        let expected = header.calc_checksum_ipv6_raw(src, dst, &payload).unwrap();
        let length = header.header_len() + payload.len();
        let sum = pseudo_header_sum(&Address::v6(src), &Address::v6(dst), protocol::TCP, length as u32);
        prop_assert_eq!(sum.add_bytes(&header.to_bytes()).add_bytes(&payload).finish(), expected);
    }
}
