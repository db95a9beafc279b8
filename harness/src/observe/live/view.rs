//! How a board is drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::widgets::{Bar, BarChart, BarGroup, Block, Gauge, Paragraph, Sparkline, Wrap};

use super::board::Board;
use crate::report::units;

/// Columns of a bar of the histogram with the space behind it, so that its time can be read below.
const BAR: u16 = 7;

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
        Constraint::Fill(1),
        Constraint::Length(4),
        Constraint::Length(4),
    ]);
    let [title, progress, rate, histogram, latency, verdict] = rows.areas(frame.area());
    frame.render_widget(Paragraph::new(board.title()), title);
    let gauge = Gauge::default().ratio(board.part.clamp(0.0, 1.0));
    frame.render_widget(gauge.gauge_style(style(Color::Cyan)), progress);
    draw_rates(frame, board, rate, style(Color::Green));
    draw_histogram(frame, board, histogram, style(Color::Yellow));
    let figures = format!("{}\n{}", board.latency(), board.counts());
    let block = Block::bordered().title(format!(
        "{} of the last interval, TIME_WAIT, failures",
        board.kind_of_time()
    ));
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

/// How often which latency came in this run, the longest at the right, each bar with the time at which it begins.
fn draw_histogram(frame: &mut Frame<'_>, board: &Board, area: Rect, style: Style) {
    let block = Block::bordered().title(format!(
        "{} of this run: from each time to twice it, heights by powers of ten",
        board.kind_of_time()
    ));
    let bars = usize::from(block.inner(area).width / BAR);
    let bars: Vec<Bar<'_>> = board
        .bins
        .shown(bars)
        .into_iter()
        .map(|(begin, count)| {
            let time = units::nanoseconds(begin as f64).replace(' ', "");
            // Else one slow operation of a million would have no height.
            let height = f64::from(count > 0) + (count.max(1) as f64).log10() * 10.0;
            Bar::default()
                .value(height as u64)
                .text_value(String::new())
                .label(time)
        })
        .collect();
    let chart = BarChart::default()
        .data(BarGroup::default().bars(&bars))
        .bar_width(BAR - 1)
        .bar_gap(1);
    frame.render_widget(chart.bar_style(style).block(block), area);
}
