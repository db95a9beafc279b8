//! What a live view shows, drawn into memory.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::fixtures;
use super::*;

fn drawn(board: &Board, colours: bool) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(72, 20)).expect("memory has a size");
    terminal
        .draw(|frame| view::draw(frame, board, colours))
        .expect("memory takes it");
    terminal.backend().clone()
}

fn running() -> Board {
    let (standing, interval) = (fixtures::standing(), fixtures::interval());
    let mut board = Board::default();
    let at = Whereabouts {
        standing: &standing,
        runs: 3,
        part: 0.5,
    };
    board.arrive(&at);
    for per_second in [250.0, 500.0, 1001.0] {
        let interval = Interval {
            per_second,
            ..interval.clone()
        };
        board.add(&standing, &interval);
    }
    board.end(&standing, &RunEnded::Valid);
    board.end(&standing, &RunEnded::Invalid("client-bound\nand more".to_owned()));
    board
}

#[test]
fn the_dashboard_shows_rate_histogram_time_wait_failures_drops_and_what_runs_came_to() {
    let shown = drawn(&running(), false).to_string();
    for part in [
        "crr on engine (memory, same-core, connections 64), run 2 of 3",
        "50%",
        "connections/s",
        "response of the last interval",
        "p50 100",
        "p99.9 100",
        "65.5µs",
        "4.19ms",
        "TIME_WAIT 2002  failed 9  dropped 15",
        "1 valid  1 invalid  0 unsupported",
        "engine, run 2: client-bound",
        "█",
    ] {
        assert!(shown.contains(part), "`{part}` is missing in\n{shown}");
    }
    assert!(!shown.contains("and more"), "{shown}");
}

#[test]
fn without_colours_no_cell_has_one() {
    let coloured = |colours| {
        let backend = drawn(&running(), colours);
        let cells = &backend.buffer().content;
        cells.iter().any(|cell| cell.fg != ratatui::style::Color::Reset)
    };
    assert!(coloured(true));
    assert!(!coloured(false));
}

#[test]
fn a_small_terminal_and_an_empty_board_are_no_reason_to_panic() {
    for (width, height) in [(1, 1), (3, 20), (200, 2)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory has a size");
        for board in [running(), Board::default()] {
            terminal
                .draw(|frame| view::draw(frame, &board, true))
                .expect("memory takes it");
        }
    }
}

#[test]
fn another_run_begins_with_nothing_and_keeps_what_runs_came_to() {
    let mut board = running();
    let next = Standing {
        run: 3,
        ..fixtures::standing()
    };
    let at = Whereabouts {
        standing: &next,
        runs: 3,
        part: 0.6,
    };
    board.arrive(&at);
    assert_eq!((board.rates.len(), board.failed, board.dropped), (0, 0, None));
    assert!(board.bins.shown(9).is_empty());
    assert_eq!(board.verdict(), "1 valid  1 invalid  0 unsupported");
}

#[test]
fn where_no_terminal_is_every_interval_is_a_line() {
    let mut output = Vec::new();
    let mut lines = Lines::new(&mut output);
    let (standing, interval) = (fixtures::standing(), fixtures::interval());
    let at = Whereabouts {
        standing: &standing,
        runs: 3,
        part: 0.25,
    };
    lines.progress(&at).expect("memory takes it");
    lines.interval(&standing, &interval).expect("memory takes it");
    lines.ended(&standing, &RunEnded::Valid).expect("memory takes it");
    let unsupported = RunEnded::Unsupported("no privilege".to_owned());
    lines.ended(&standing, &unsupported).expect("memory takes it");
    let text = String::from_utf8(output).expect("UTF-8");
    let told: Vec<&str> = text.lines().collect();
    assert!(
        told[0].starts_with(" 25 %  crr on engine") && told[0].contains(" 2 s: "),
        "{text}"
    );
    assert!(
        told[0].contains("response p50 100") && told[0].contains("failed 3  dropped 5"),
        "{text}"
    );
    assert!(
        told[1].ends_with("engine, run 2: no privilege") && told.len() == 2,
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no escapes for files");
}
