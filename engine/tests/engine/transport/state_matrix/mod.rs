//! Every state against every segment: what RFC 9293 section 3.10.7 has a segment do, as a table and as a function that were both written from
//! the RFC's text, held against the engine.
//!
//! `matrix.tsv` has eleven states (SYN-RECEIVED twice: `CROSSED` is the one of a simultaneous open), eight segments and four sequence numbers.
//! A cell is the reaction, and behind `>` the state that follows if it is another one. `deviations.tsv` says where the engine differs on
//! purpose, and why; `rfc793.tsv` has the cells that RFC 793 fills in another way, which the engine does not do. Both know RFC 5961, which the engine keeps, and RFC 9293's appendix A.2: the acknowledgment of an old duplicate counts.

mod oracle;
mod stage;
mod table;

use crate::support::Family;
use crate::support::peer::{ACK, FIN, RST, SYN, say};
use oracle::{Reading, expected, name_of, read};
use stage::{Stage, Theatre};
use table::{Deviation, POSITIONS, Position};

/// Plays a segment against a connection in that state. The complaint if what happens is not what `cell` says.
fn play(
    theatre: &mut Theatre,
    stage: Stage,
    flags: u8,
    position: Position,
    deviations: &[Deviation],
) -> Option<String> {
    let subject = theatre.enter(stage);
    let seq = position.seq(&subject);
    let rule = expected(&subject, flags, seq);
    let deviation = deviations.iter().find(|row| row.covers(stage, flags, position));
    let cell = deviation.map_or(rule, |row| row.cell);
    let segment = say(flags, seq, subject.snd_nxt).ports(subject.remote_port, subject.local_port);
    let heard = theatre.script.tell(&segment);
    let found = theatre.observe(&subject);
    let agrees = found == cell.next && cell.reaction.matches(&subject, &segment, &heard);
    (!agrees).then(|| {
        let event = name_of(flags);
        format!("{stage} {event} {position:?}: {cell:?} is due, but {found} follows, with {heard:?}")
    })
}

fn assert_none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

/// EV-*: the table's cells, over both families.
#[test]
fn every_cell_of_the_matrix_holds() {
    let deviations = table::deviations();
    let mut complaints = Vec::new();
    for family in Family::BOTH {
        let mut theatre = Theatre::new(family);
        for row in table::matrix() {
            for position in POSITIONS {
                complaints.extend(play(&mut theatre, row.stage, row.flags, position, &deviations));
            }
        }
    }
    assert_none(&complaints);
}

/// All 256 values of the flags, before, at, inside and beyond the window.
#[test]
fn every_flag_byte_is_answered_by_the_rules() {
    let deviations = table::deviations();
    let mut complaints = Vec::new();
    for stage in Stage::ALL {
        let mut theatre = Theatre::new(Family::V4);
        for flags in 0..=u8::MAX {
            for position in [
                Position::Before(100),
                Position::At,
                Position::Inside(100),
                Position::Beyond(100),
            ] {
                complaints.extend(play(&mut theatre, stage, flags, position, &deviations));
            }
        }
    }
    assert_none(&complaints);
}

/// The table and the function are two readings of one text.
#[test]
fn table_and_oracle_agree() {
    let mut theatre = Theatre::new(Family::V4);
    let mut cells = 0;
    for row in table::matrix() {
        let subject = theatre.enter(row.stage);
        for (position, cell) in POSITIONS.into_iter().zip(row.cells) {
            let rule = expected(&subject, row.flags, position.seq(&subject));
            assert_eq!(rule, cell, "{} {} {position:?}", row.stage, name_of(row.flags));
            cells += 1;
        }
    }
    assert_eq!(cells, 12 * 8 * 4, "each of the states, segments and positions");
}

/// Both readings of the 352 cells, 704 in all: `rfc793.tsv` has those that RFC 5961 has changed, and no others.
#[test]
fn rfc_5961_changes_these_cells_and_no_others() {
    let mut theatre = Theatre::new(Family::V4);
    let changed = table::rfc793();
    for row in table::matrix() {
        let subject = theatre.enter(row.stage);
        let own = changed
            .iter()
            .find(|(stage, flags, _)| (*stage, *flags) == (row.stage, row.flags));
        for (column, position) in POSITIONS.into_iter().enumerate() {
            let rule = read(Reading::Rfc793, &subject, row.flags, position.seq(&subject));
            let known = own.and_then(|(_, _, cells)| cells[column]);
            let event = name_of(row.flags);
            assert_eq!(
                rule,
                known.unwrap_or(row.cells[column]),
                "{} {event} {position:?}",
                row.stage
            );
            assert_ne!(
                known,
                Some(row.cells[column]),
                "{} {event} {position:?}",
                row.stage
            );
        }
    }
}

/// A deviation that the rules would have as well is none.
#[test]
fn every_deviation_deviates() {
    let mut theatre = Theatre::new(Family::V4);
    for row in table::deviations() {
        let subject = theatre.enter(row.stage);
        let mut situations = (0..32_u8)
            .filter(|flags| flags & !(FIN | SYN | RST | ACK) == 0)
            .flat_map(|flags| POSITIONS.map(|position| (flags, position)))
            .filter(|&(flags, position)| row.covers(row.stage, flags, position));
        assert!(
            situations.any(|(flags, position)| expected(&subject, flags, position.seq(&subject)) != row.cell),
            "{row:?}"
        );
    }
}
