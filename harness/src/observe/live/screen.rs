//! A terminal that is taken for a while and always given back.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Stderr, stderr};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};

/// Whether the terminal shows the alternate screen of this process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The alternate screen of standard error. Keys go on to work as ever, so that Ctrl-C does.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stderr>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it has no size, or is gone.
    pub(super) fn take() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(give_back_on_panic);
        let terminal = Terminal::new(CrosstermBackend::new(stderr()))?;
        execute!(stderr(), EnterAlternateScreen, Hide)?;
        TAKEN.store(true, Ordering::Relaxed);
        Ok(Self { terminal })
    }

    /// Whether there is one to take.
    pub(super) fn is_there() -> bool {
        stderr().is_terminal() && can_be_drawn_on(std::env::var_os("TERM").as_deref())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Dumb terminals show what moves their cursor as text.
fn can_be_drawn_on(terminal: Option<&OsStr>) -> bool {
    terminal != Some(OsStr::new("dumb"))
}

fn give_back() {
    if TAKEN.swap(false, Ordering::Relaxed) {
        // A terminal that is gone needs nothing.
        let _ = execute!(stderr(), Show, LeaveAlternateScreen);
    }
}

/// What a panic says has to be seen.
fn give_back_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        usual(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_gets_lines() {
        let drawn_on = |name: &str| can_be_drawn_on(Some(OsStr::new(name)));
        assert!(drawn_on("xterm-256color") && can_be_drawn_on(None));
        assert!(!drawn_on("dumb"));
    }
}
