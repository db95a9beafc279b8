use super::{MAX_RANGES, Mark, RESERVE, Scoreboard};
use crate::transport::tcp::seq::SeqNumber;
use proptest::collection::vec;
use proptest::prelude::*;

/// Octets that a model has: one mark for each.
const LEN: u32 = 300;

#[derive(Clone, Copy, Debug)]
enum Step {
    Advance(u32),
    Sack(u32, u32),
    Resend(u32),
    LoseOriginal(u32),
    LoseResent(u32, u32, u32),
    LoseAll,
    Renege,
    FindAll,
    Clear,
}

/// The naive model.
struct Model {
    marks: Vec<Option<Mark>>,
    una: u32,
}

impl Model {
    fn change(
        &mut self,
        range: std::ops::Range<u32>,
        change: impl Fn(Option<Mark>) -> Option<Mark>,
    ) -> Vec<Option<Mark>> {
        let start = range.start.max(self.una);
        (start..range.end)
            .map(|at| {
                let mark = &mut self.marks[at as usize];
                std::mem::replace(mark, change(*mark))
            })
            .collect()
    }

    fn count(&self, mark: Mark) -> u32 {
        let rest = &self.marks[self.una as usize..];
        rest.iter().filter(|found| **found == Some(mark)).count() as u32
    }

    fn first_lost(&self) -> Option<u32> {
        (self.una..LEN).find(|at| self.marks[*at as usize] == Some(Mark::Lost))
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u32..20).prop_map(Step::Advance),
        (0..LEN - 20, 1u32..20).prop_map(|(at, len)| Step::Sack(at, len)),
        (0..LEN - 20, 1u32..20).prop_map(|(at, len)| Step::Sack(at, len)),
        (1u32..20).prop_map(Step::Resend),
        (0..LEN).prop_map(Step::LoseOriginal),
        (0u32..20, 0..LEN - 40, 1u32..80).prop_map(|(which, at, len)| Step::LoseResent(which, at, len)),
        Just(Step::LoseAll),
        Just(Step::Renege),
        Just(Step::FindAll),
        Just(Step::Clear),
    ]
}

/// The marks that a scoreboard shows, octet by octet.
fn expand(shown: &mut Vec<Option<Mark>>) -> impl FnMut(Option<Mark>, SeqNumber, SeqNumber) + '_ {
    |mark, start, end| shown.extend((0..end - start).map(|_| mark))
}

fn run(step: Step, origin: SeqNumber, board: &mut Scoreboard, model: &mut Model, number: &mut u32) {
    let una = origin + model.una;
    let mut shown = Vec::new();
    match step {
        Step::Advance(octets) => {
            let to = (model.una + octets).min(LEN);
            board.advance(una, origin + to, expand(&mut shown));
            assert_eq!(shown, model.marks[model.una as usize..to as usize]);
            model.una = to;
        }
        Step::Sack(at, len) if at >= model.una => {
            assert!(board.sack(origin + at, origin + at + len, expand(&mut shown)));
            let mut was = model.change(at..at + len, |_| Some(Mark::Sacked));
            was.retain(|mark| *mark != Some(Mark::Sacked));
            assert_eq!(shown, was);
        }
        Step::Resend(most) => {
            if let Some((start, end)) = board.next_lost() {
                let at = start - origin;
                let len = most.min(end - start);
                board.resend(start, start + len, *number);
                model.change(at..at + len, |_| Some(Mark::Resent(*number)));
                *number += 1;
            }
        }
        Step::LoseOriginal(below) => {
            let was = model.count(Mark::Lost);
            let lost = board.lose_original(una, origin + below.max(model.una));
            model.change(model.una..below, |mark| mark.or(Some(Mark::Lost)));
            assert_eq!(lost, model.count(Mark::Lost) - was);
        }
        Step::LoseResent(which, at, len) => {
            let (start, end) = (at.max(model.una), (at + len).clamp(model.una, LEN));
            let gone = Some(Mark::Resent(which));
            let is_there = model.marks[start.min(end) as usize..end as usize].contains(&gone);
            let has = board.has_resent(origin + start, origin + end, which);
            assert_eq!(has, is_there);
            let was = model.count(Mark::Lost);
            let lost = board.lose_resent(origin + start, origin + end, which);
            model.change(
                start..end,
                |mark| if mark == gone { Some(Mark::Lost) } else { mark },
            );
            assert_eq!(lost, model.count(Mark::Lost) - was);
        }
        Step::LoseAll => {
            board.lose_all(una, origin + LEN);
            let keep = Some(Mark::Sacked);
            model.change(
                model.una..LEN,
                |mark| if mark == keep { mark } else { Some(Mark::Lost) },
            );
        }
        Step::Renege => {
            board.renege();
            let held = Some(Mark::Sacked);
            model.change(
                model.una..LEN,
                |mark| if mark == held { Some(Mark::Lost) } else { mark },
            );
        }
        Step::FindAll => {
            board.find_all();
            model.change(model.una..LEN, |mark| mark.filter(|mark| *mark != Mark::Lost));
        }
        Step::Clear => {
            board.clear(una);
            model.change(model.una..LEN, |_| None);
        }
        Step::Sack(..) => {}
    }
}

proptest! {
    #[test]
    fn the_scoreboard_is_a_naive_one(origin in any::<u32>(), steps in vec(any_step(), 1..80)) {
        let origin = SeqNumber(origin);
        let mut board = Scoreboard::default();
        board.clear(origin);
        let mut model = Model { marks: vec![None; LEN as usize], una: 0 };
        let mut number = 0;
        for step in steps {
            run(step, origin, &mut board, &mut model, &mut number);
            prop_assert_eq!(board.sacked(), model.count(Mark::Sacked));
            prop_assert_eq!(board.lost(), model.count(Mark::Lost));
            let next = board.next_lost().map(|(start, _)| start - origin);
            prop_assert_eq!(next, model.first_lost());
            for at in model.una..LEN {
                let sacked = model.marks[at as usize] == Some(Mark::Sacked);
                prop_assert_eq!(board.is_sacked(origin + at), sacked);
            }
            let rest = &model.marks[model.una as usize..];
            let resent = rest.iter().filter(|mark| matches!(mark, Some(Mark::Resent(_)))).count();
            prop_assert_eq!(board.resent(), resent as u32);
            prop_assert_eq!(board.is_empty(), rest.iter().all(Option::is_none));
            let highest = model.marks.iter().rposition(|mark| *mark == Some(Mark::Sacked));
            let highest = highest.filter(|at| *at >= model.una as usize).map(|at| origin + at as u32 + 1);
            prop_assert_eq!(board.highest_sacked(), highest);
            let runs = rest.chunk_by(|a, b| a == b).filter(|run| run[0].is_some()).count();
            prop_assert_eq!(board.ranges.len(), runs, "neighbours that are alike are one range");
            prop_assert_eq!(board.check(origin + model.una, origin + LEN), Ok(()));
        }
    }
}

/// CVE-2019-11478: a peer who reports every other octet gets no more memory than this.
#[test]
fn holes_without_end_take_bounded_memory() {
    let mut board = Scoreboard::default();
    board.clear(SeqNumber(0));
    for at in 0..100_000 {
        board.sack(SeqNumber(2 * at), SeqNumber(2 * at + 1), |_, _, _| {});
    }
    assert_eq!(board.ranges.len(), MAX_RANGES - RESERVE - 1);
    assert_eq!(board.sacked() as usize, board.ranges.len());
    assert!(board.has_room());
    board.lose_original(SeqNumber(0), SeqNumber(200_000));
    assert_eq!(board.ranges.len(), MAX_RANGES - 1);
    assert!(!board.has_room());
    assert!(
        board.sack(SeqNumber(0), SeqNumber(200_000), |_, _, _| {}),
        "a block that covers others has room"
    );
}
