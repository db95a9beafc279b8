//! A live view of long runs, on standard error: a dashboard where that is a terminal, else a line for each interval.

mod bins;
mod board;
mod lines;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::io;

use self::board::Board;
pub(crate) use self::lines::Lines;
use self::screen::Screen;
use super::{Interval, Observer, RunEnded, Standing, Whereabouts};

/// The observer that suits standard error.
pub(crate) fn open() -> Box<dyn Observer> {
    if !Screen::is_there() {
        return Box::new(Lines::new(io::stderr()));
    }
    Box::new(Dashboard {
        board: Board::default(),
        colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        screen: None,
        percent: None,
    })
}

/// The dashboard. It has the terminal from the first run of a comparison to its end: what is said between two is seen.
#[derive(Debug)]
struct Dashboard {
    board: Board,
    colours: bool,
    screen: Option<Screen>,
    /// The whole percent that was drawn last: more drawing than that would take time from what is measured.
    percent: Option<u32>,
}

impl Dashboard {
    fn draw(&mut self) -> io::Result<()> {
        let screen = match &mut self.screen {
            Some(screen) => screen,
            none => none.insert(Screen::take()?),
        };
        let (board, colours) = (&self.board, self.colours);
        screen.terminal.draw(|frame| view::draw(frame, board, colours))?;
        Ok(())
    }
}

impl Observer for Dashboard {
    fn interval(&mut self, standing: &Standing, interval: &Interval) -> io::Result<()> {
        self.board.add(standing, interval);
        self.draw()
    }

    fn progress(&mut self, at: &Whereabouts<'_>) -> io::Result<()> {
        self.board.arrive(at);
        let percent = Some((at.part * 100.0) as u32);
        if self.percent == percent {
            return Ok(());
        }
        self.percent = percent;
        self.draw()
    }

    fn ended(&mut self, standing: &Standing, ended: &RunEnded) -> io::Result<()> {
        self.board.end(standing, ended);
        self.draw()
    }

    fn finished(&mut self) {
        self.screen = None;
        self.percent = None;
        self.board = Board::default();
    }

    fn shows_progress(&self) -> bool {
        true
    }
}
