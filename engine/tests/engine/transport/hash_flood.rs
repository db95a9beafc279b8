//! Somebody knows the key of the flow table, and sends SYNs that all belong in the same few buckets. The table gets another key, and nobody else
//! notices: neither who is connected or waits, nor who arrives in the same batch.

use std::net::SocketAddr;

use crate::support::Family;
use crate::support::peer::{ACK, FIN, OUR_PORT, RST, SYN, Script, Segment, THEIR_PORT, say};
use handfast::application::{ListenerHandle, Read, TcpHandle};
use handfast::arch::tuple_hash::TupleHasher;
use handfast::transport::flow::FlowKey;
use handfast::transport::flow_table::{Flow, FlowTable};

/// The key that has become known.
const SECRET: [u8; 32] = [7; 32];
const CONNECTIONS: u32 = 64;
const HALF_OPEN: u32 = 256;
const IRS: u32 = 5000;
/// Ports that listen for the flood, behind [`OUR_PORT`].
const FLOODED_PORTS: u16 = 16;

struct Flooded {
    script: Script,
    listener: ListenerHandle,
    connected: TcpHandle,
    snd_nxt: u32,
    /// The peer's FIN of a connection that is in TIME_WAIT.
    last_fin: Segment,
}

/// The port of the peer whose connection waits.
const WAITING: u16 = THEIR_PORT + 1;
/// The port of the peer who comes in the middle of it all.
const LATE: u16 = THEIR_PORT + 2;

fn flooded(family: Family) -> Flooded {
    let mut script = Script::over(family, |config| {
        config.secret = SECRET;
        config.tcp.connections = CONNECTIONS;
        config.tcp.half_open = HALF_OPEN;
        config.tcp.syn_cookies = false;
    });
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    for port in 1..=FLOODED_PORTS {
        let address = SocketAddr::new(script.local().ip(), OUR_PORT + port);
        script.engine.tcp_listen(address, 8).unwrap();
    }
    let (connected, snd_nxt) = establish(&mut script, listener, THEIR_PORT);
    let (waiting, fin_seq) = establish(&mut script, listener, WAITING);
    script.engine.tcp_close(waiting);
    script.hear();
    let last_fin = say(FIN | ACK, IRS + 1, fin_seq + 1).ports(WAITING, OUR_PORT);
    script.tell(&last_fin);
    assert_eq!(script.engine.time_wait().len, 1);
    Flooded {
        script,
        listener,
        connected,
        snd_nxt,
        last_fin,
    }
}

fn establish(script: &mut Script, listener: ListenerHandle, from: u16) -> (TcpHandle, u32) {
    let heard = script.tell(&say(SYN, IRS, 0).ports(from, OUR_PORT));
    let snd_nxt = heard[0].seq.wrapping_add(1);
    script.tell(&say(ACK, IRS + 1, snd_nxt).ports(from, OUR_PORT));
    (script.engine.tcp_accept(listener).expect("established"), snd_nxt)
}

/// SYNs that find room only in the buckets in which the first does: more of them than fit there.
fn crowd(script: &Script) -> Vec<Segment> {
    let hasher = TupleHasher::new(SECRET);
    let ports = (1..=FLOODED_PORTS).flat_map(|to| (10_000..u16::MAX).map(move |from| (from, OUR_PORT + to)));
    let hash = |(from, to): (u16, u16)| {
        let key = FlowKey {
            local: script.local().ip().into(),
            remote: script.remote().ip().into(),
            local_port: to,
            remote_port: from,
        };
        key.hash(&hasher)
    };
    let mut table = FlowTable::new((CONNECTIONS + HALF_OPEN) as usize);
    let first = hash((10_000, OUR_PORT + 1));
    let room = (0..)
        .take_while(|&number| table.insert(first, Flow::Connection(number)).is_ok())
        .count();
    let mut is_crowded = |ports| {
        let (hash, flow) = (hash(ports), Flow::Connection(u32::MAX >> 2));
        table.insert(hash, flow).is_err() || !table.remove(hash, flow)
    };
    let crowd: Vec<_> = ports
        .filter(|&ports| is_crowded(ports))
        .take(room + 1)
        .map(|(from, to)| say(SYN, IRS, 0).ports(from, to))
        .collect();
    assert_eq!(crowd.len(), room + 1, "enough ports to choose from");
    crowd
}

/// Whether four octets have come.
fn is_read(script: &mut Script, connection: TcpHandle) -> bool {
    matches!(
        script.engine.tcp_receive(connection, &mut [0; 8]),
        Ok(Read::Data(4))
    )
}

fn rebuilds(script: &Script) -> u64 {
    script.engine.counters().tcp.flow_table_rebuilds
}

/// How many SYNs of the crowd the table takes under its first key.
fn patience(family: Family, crowd: &[Segment]) -> usize {
    let mut script = flooded(family).script;
    let last = crowd.iter().position(|syn| {
        script.tell(syn);
        rebuilds(&script) > 0
    });
    last.expect("the crowd is too large for its buckets")
}

#[test]
fn a_crowded_flow_table_gets_another_key_and_whoever_was_there_or_just_comes_is_found() {
    for family in Family::BOTH {
        let Flooded {
            mut script,
            listener,
            connected,
            snd_nxt,
            last_fin,
        } = flooded(family);
        let crowd = crowd(&script);
        let patience = patience(family, &crowd);
        let answers: Vec<_> = crowd[..patience]
            .chunks(64)
            .flat_map(|batch| script.tell_all(batch))
            .collect();
        assert_eq!(rebuilds(&script), 0);

        // All of this was hashed under the old key before the last of the crowd came to its turn.
        let text = say(ACK, IRS + 1, snd_nxt).text(b"text");
        let late = say(SYN, IRS, 0).ports(LATE, OUR_PORT);
        let heard = script.tell_all(&[crowd[patience].clone(), last_fin.clone(), text, late]);
        assert_eq!(rebuilds(&script), 1);
        assert!(heard.iter().all(|answer| answer.flags & RST == 0), "{heard:?}");
        assert!(is_read(&mut script, connected));

        // Under the new key each is found again, one of the crowd, too, of whom nobody knows that he means no good.
        let one = &answers[0];
        let completion = say(ACK, IRS + 1, one.seq.wrapping_add(1)).ports(one.to, one.from);
        assert_eq!(script.tell(&completion), []);
        let answer = heard
            .iter()
            .find(|answer| answer.to == LATE)
            .expect("an answer to the late SYN");
        let late = say(ACK, IRS + 1, answer.seq.wrapping_add(1)).ports(LATE, OUR_PORT);
        assert_eq!(script.tell(&late), []);
        assert!(script.engine.tcp_accept(listener).is_some());
        let again = script.tell(&last_fin);
        assert_eq!(again.iter().map(|answer| answer.flags).collect::<Vec<_>>(), [ACK]);
        script.tell(&say(ACK, IRS + 5, snd_nxt).text(b"more"));
        assert!(is_read(&mut script, connected));
    }
}
