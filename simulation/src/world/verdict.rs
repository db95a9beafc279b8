//! Whether what became of each connection is what its plan and the faults explain.

use handfast::application::ConnectionError;

use crate::end::{End, Outcome};
use crate::host::Host;
use crate::plan::{CLOSED_PORT, Dialogue, Plan};

pub(super) fn judge(plan: &Plan, hosts: &[Host]) -> Result<(), String> {
    for (index, dialogue) in plan.dialogues.iter().enumerate() {
        let ends = [0, 1].map(|role| find(hosts, index, role));
        let called = ends[0].ok_or_else(|| format!("dialogue {index} was never opened"))?;
        for (role, end) in ends.into_iter().enumerate() {
            let Some(end) = end else { continue };
            explain(plan, dialogue, end, ends[1 - role]).map_err(|why| {
                format!(
                    "dialogue {index} role {role} is {:?}, {why}: {dialogue:?}",
                    end.outcome
                )
            })?;
        }
        if ends[1].is_none() && called.outcome == Outcome::Complete {
            return Err(format!(
                "dialogue {index} is complete, and nobody has accepted it"
            ));
        }
    }
    judge_datagrams(plan, hosts)
}

fn find(hosts: &[Host], dialogue: usize, role: usize) -> Option<&End> {
    let mut all = hosts.iter().flat_map(|host| &host.ends).rev();
    // A dialogue that was opened twice is judged by what became of it at last.
    all.find(|end| (end.dialogue, end.role) == (dialogue, role))
}

fn explain(plan: &Plan, dialogue: &Dialogue, end: &End, peer: Option<&End>) -> Result<(), &'static str> {
    let faults = &plan.faults;
    let no_listener =
        dialogue.port == CLOSED_PORT || dialogue.crossed || dialogue.listener_closes_after.is_some();
    let server = &plan.hosts[dialogue.hosts[1]];
    // A backlog that is full, or a small table of handshakes, loses SYNs.
    let crowded =
        plan.dialogues.len() > 1 && (dialogue.backlog < plan.dialogues.len() || server.half_open < 4);
    let peer_is_rude = dialogue.ends[1 - end.role].is_rude();
    let peer_failed = peer.is_some_and(|peer| matches!(peer.outcome, Outcome::Failed(_)) || peer.failed_late);
    let explained = match end.outcome {
        Outcome::Pending => return Err("which is no outcome"),
        Outcome::Complete | Outcome::ClosedOutright | Outcome::Aborted => {
            return Ok(());
        }
        Outcome::Failed(ConnectionError::Refused) => no_listener,
        Outcome::Failed(ConnectionError::Reset) => {
            peer_is_rude
                || peer_failed
                || peer.is_none() && (no_listener || crowded || faults.loss() > 0.0)
                || faults.explain_timeouts()
        }
        Outcome::Failed(ConnectionError::TimedOut) => {
            faults.explain_timeouts()
                || crowded
                || peer.is_none() && faults.loss() > 0.0
                || peer_is_rude && faults.loss() > 0.0
        }
        // A damaged IPv6 header may name a protocol that nobody knows.
        Outcome::Failed(ConnectionError::Unreachable) => faults.impairment.corruption > 0.0,
    };
    if explained {
        Ok(())
    } else {
        Err("which nothing explains")
    }
}

fn judge_datagrams(plan: &Plan, hosts: &[Host]) -> Result<(), String> {
    for (number, datagram) in plan.datagrams.iter().enumerate() {
        let arrived = hosts[datagram.to].udp.arrived[number];
        if arrived > 1 && plan.faults.impairment.duplication == 0.0 {
            return Err(format!(
                "datagram {number} arrived {arrived} times, and nothing is duplicated"
            ));
        }
        let headers = if datagram.v6 { 48 } else { 28 };
        let fits = datagram.length + headers <= plan.hosts[datagram.to].mtu as usize;
        if arrived == 0 && plan.faults.lose_nothing() && fits && !datagram.to_closed_port {
            return Err(format!("datagram {number} did not arrive, and nothing is lost"));
        }
    }
    Ok(())
}
