//! The connection that an attack must not harm.

use handfast::application::TcpHandle;

use crate::support::peer::{ACK, OUR_PORT, PSH, SYN, Script, Segment, say};
use crate::support::{Family, read_all};

/// The peer's port of the victim.
const PORT: u16 = 999;
const IRS: u32 = 77_000;
/// Octets that go each way in a check, in pieces of what a peer takes that has announced nothing.
const PIECES: u32 = 20;
const PIECE: usize = 500;
/// Octets for connections that a test opens beside the attack.
const ALLOWANCE: u64 = 4_096;

/// An established connection, and where each end's text begins next.
pub(crate) struct Victim {
    connection: TcpHandle,
    theirs: u32,
    ours: u32,
    mapped: u64,
}

impl Victim {
    /// Opens the connection on a listener of its own, before the attack.
    pub(crate) fn new(script: &mut Script) -> Self {
        let mut at = script.local();
        at.set_port(OUR_PORT + 1);
        let listener = script.engine.tcp_listen(at, 1).unwrap();
        let from = |segment: Segment| segment.ports(PORT, OUR_PORT + 1);
        let syn_ack = script.tell(&from(say(SYN, IRS, 0))).remove(0);
        let (theirs, ours) = (IRS + 1, syn_ack.seq + 1);
        assert_eq!(script.tell(&from(say(ACK, theirs, ours))), []);
        let connection = script.engine.tcp_accept(listener).expect("established");
        script.engine.tcp_set_no_delay(connection, true).unwrap();
        Self {
            connection,
            theirs,
            ours,
            mapped: mapped(script),
        }
    }

    /// Text goes both ways as if nothing had happened, and no memory was taken for ever.
    pub(crate) fn assert_unharmed(&mut self, script: &mut Script) {
        let from = |segment: Segment| segment.ports(PORT, OUR_PORT + 1);
        for piece in 0..PIECES {
            let text = vec![piece as u8; PIECE];
            script.tell(&from(say(ACK | PSH, self.theirs, self.ours).text(&text)));
            self.theirs += PIECE as u32;
            assert_eq!(read_all(&mut script.engine, self.connection).0, text);
            script.engine.tcp_send(self.connection, &text).unwrap();
            let heard = script.hear();
            let heard = heard.iter().find(|segment| segment.to == PORT).expect("text");
            assert_eq!((heard.seq, &heard.text), (self.ours, &text));
            self.ours += PIECE as u32;
            script.tell(&from(say(ACK, self.theirs, self.ours)));
        }
        let more = mapped(script) - self.mapped;
        assert!(more < ALLOWANCE, "{more} octets more are mapped than before");
    }
}

fn mapped(script: &Script) -> u64 {
    let memory = script.engine.tcp_memory();
    (memory.connection_bytes + memory.port_bytes) as u64
}

/// A script over this family with a victim in it.
pub(crate) fn scene(family: Family, change: impl FnOnce(&mut handfast::config::Config)) -> (Script, Victim) {
    let mut script = Script::over(family, change);
    let victim = Victim::new(&mut script);
    (script, victim)
}
