use super::*;

fn key(local: Address, remote: Address) -> FlowKey {
    FlowKey {
        local,
        remote,
        local_port: 80,
        remote_port: 50_000,
    }
}

fn v4() -> FlowKey {
    key(Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2]))
}

fn v6() -> FlowKey {
    key(Address::v6([0xfd; 16]), Address::v6([0xfe; 16]))
}

#[test]
fn every_part_of_a_flow_takes_part_in_its_hash() {
    let hasher = TupleHasher::new([7; 32]);
    for flow in [v4(), v6()] {
        let swapped = FlowKey {
            local: flow.remote,
            remote: flow.local,
            ..flow
        };
        let others = [
            swapped,
            FlowKey {
                local: flow.remote,
                ..flow
            },
            FlowKey {
                remote: flow.local,
                ..flow
            },
            FlowKey {
                local_port: 81,
                ..flow
            },
            FlowKey {
                remote_port: 50_001,
                ..flow
            },
            FlowKey {
                local_port: flow.remote_port,
                remote_port: flow.local_port,
                ..flow
            },
        ];
        for other in others {
            assert_ne!(flow.hash(&hasher), other.hash(&hasher), "{flow:?} {other:?}");
        }
    }
}

#[test]
fn the_same_flow_has_the_same_hash_under_one_secret_only() {
    for flow in [v4(), v6()] {
        assert_eq!(
            flow.hash(&TupleHasher::new([7; 32])),
            flow.hash(&TupleHasher::new([7; 32]))
        );
        assert_ne!(
            flow.hash(&TupleHasher::new([7; 32])),
            flow.hash(&TupleHasher::new([8; 32]))
        );
    }
}

#[test]
fn a_datagrams_tuple_is_the_key_of_its_flow_and_of_no_other() {
    // From port 50,000 to port 80.
    let tuple = Tuple4::of_datagram([10, 0, 0, 2], [10, 0, 0, 1], [0xc3, 0x50, 0, 80]);
    assert_eq!((tuple.to_key(), tuple.octets()), (v4(), v4().v4_tuple()));
    assert!(tuple.is(&v4()));
    let mut mapped_elsewhere = [0xfd; 16];
    mapped_elsewhere[12..].copy_from_slice(&[10, 0, 0, 1]);
    let local = Address::v6(mapped_elsewhere);
    mapped_elsewhere[15] = 2;
    let others = [
        key(v4().remote, v4().local),
        key(local, Address::v6(mapped_elsewhere)),
        FlowKey {
            local_port: 81,
            ..v4()
        },
        FlowKey {
            remote_port: 50_001,
            ..v4()
        },
    ];
    for other in others {
        assert!(!tuple.is(&other), "{other:?}");
    }
}
