//! Progress where no terminal is: a line for each interval, and one for each run that does not count.

use std::io::{self, Write};

use super::board::Board;
use crate::observe::{Interval, Observer, RunEnded, Standing, Whereabouts};

/// Writes lines that people read.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    board: Board,
    output: W,
}

impl<W> Lines<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            board: Board::default(),
            output,
        }
    }
}

impl<W: Write> Observer for Lines<W> {
    fn interval(&mut self, standing: &Standing, interval: &Interval) -> io::Result<()> {
        self.board.add(standing, interval);
        let board = &self.board;
        let percent = board.part * 100.0;
        let times = format!("{} {}", board.kind_of_time(), board.latency());
        let figures = [board.rate(), times, board.counts()].join("  ");
        writeln!(
            self.output,
            "{percent:3.0} %  {}  {} s: {figures}",
            board.title(),
            interval.to
        )
    }

    fn progress(&mut self, at: &Whereabouts<'_>) -> io::Result<()> {
        self.board.arrive(at);
        Ok(())
    }

    fn ended(&mut self, standing: &Standing, ended: &RunEnded) -> io::Result<()> {
        self.board.end(standing, ended);
        match (ended, &self.board.reason) {
            (RunEnded::Valid, _) | (_, None) => Ok(()),
            (_, Some(reason)) => writeln!(self.output, "{}: {reason}", self.board.verdict()),
        }
    }

    fn finished(&mut self) {
        self.board = Board::default();
    }

    fn shows_progress(&self) -> bool {
        true
    }
}
