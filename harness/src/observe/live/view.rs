//! How a board is drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::widgets::{Block, Gauge, Paragraph, Sparkline, Wrap};

use super::board::Board;

/// Draws the board over the whole frame; without colours where nobody wants them.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, colours: bool) {
    let style = |color| {
        if colours {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    };
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(4),
        Constraint::Length(4),
    ]);
    let [title, progress, rate, latency, verdict] = rows.areas(frame.area());
    frame.render_widget(Paragraph::new(board.title()), title);
    let gauge = Gauge::default().ratio(board.part.clamp(0.0, 1.0));
    frame.render_widget(gauge.gauge_style(style(Color::Cyan)), progress);
    draw_rates(frame, board, rate, style(Color::Green));
    let figures = format!("{}\n{}", board.latency(), board.counts());
    let block = Block::bordered().title("latency, TIME_WAIT, failures");
    frame.render_widget(Paragraph::new(figures).block(block), latency);
    let found = match &board.reason {
        Some(reason) => format!("{}\n{reason}", board.verdict()),
        None => board.verdict(),
    };
    let color = if board.is_spoilt() {
        Color::Red
    } else {
        Color::Reset
    };
    let text = Paragraph::new(found)
        .style(style(color))
        .wrap(Wrap { trim: true });
    frame.render_widget(text.block(Block::bordered().title("runs so far")), verdict);
}

/// The rates that fit, the latest at the right.
fn draw_rates(frame: &mut Frame<'_>, board: &Board, area: Rect, style: Style) {
    let block = Block::bordered().title(board.rate());
    let width = usize::from(block.inner(area).width);
    let hidden = board.rates.len().saturating_sub(width);
    let shown: Vec<u64> = board.rates.iter().skip(hidden).copied().collect();
    frame.render_widget(Sparkline::default().data(shown).style(style).block(block), area);
}
