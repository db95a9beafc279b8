//! Lists of sequence numbers, line by line: numbers alone, or CSV with a header.

use std::io::{BufRead, Read as _};

/// The largest number that is taken: far beyond any flow, and one more never overflows.
const LARGEST: u64 = i64::MAX as u64;

/// Bytes of the longest line that is read. A list without a line's end, be it a device without one, is none.
const LONGEST_LINE: u64 = 4096;

/// One arrival, as a line tells it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) sequence: u64,
    pub(super) sent_ns: Option<u64>,
    pub(super) received_ns: Option<u64>,
    pub(super) bytes: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Sequence,
    Sent,
    Received,
    Bytes,
}

/// What is wrong with a list, with the way out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(super) String);

/// Gives every line of the list to `take`, in their order. Blank lines and those that begin with `#` are skipped.
///
/// # Errors
/// At the first line that tells no arrival; names its number and the value.
pub(super) fn each_line(mut list: impl BufRead, mut take: impl FnMut(Line)) -> Result<(), Unreadable> {
    let mut columns: Option<Vec<Column>> = None;
    let mut latest_ns = 0;
    for number in 1_u64.. {
        let at_line = |why: String| Unreadable(format!("line {number}: {why}"));
        let Some(text) = next_line(&mut list).map_err(at_line)? else {
            break;
        };
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let Some(known) = &columns else {
            let is_header = text.starts_with(|first: char| first.is_ascii_alphabetic());
            columns = Some(if is_header {
                header(text).map_err(at_line)?
            } else {
                take(line(text, &[Column::Sequence]).map_err(at_line)?);
                vec![Column::Sequence]
            });
            continue;
        };
        let line = line(text, known).map_err(at_line)?;
        let received_ns = line.received_ns.unwrap_or(latest_ns);
        if received_ns < latest_ns {
            return Err(at_line(format!(
                "received_ns {received_ns} is before {latest_ns} above it: lines stand in the order of arrival"
            )));
        }
        latest_ns = received_ns;
        take(line);
    }
    Ok(())
}

/// The next line; `None` at the end.
fn next_line(list: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    let read = list.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut line);
    read.map_err(|error| error.to_string())?;
    if line.len() as u64 > LONGEST_LINE {
        return Err(format!(
            "it is longer than {LONGEST_LINE} bytes: a line has one sequence number, or one arrival's values"
        ));
    }
    if line.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(line);
    text.map(Some)
        .map_err(|_| "it is not UTF-8: write numbers as text".to_owned())
}

fn header(text: &str) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for name in text.split(',').map(str::trim) {
        let column = match name {
            "seq" => Column::Sequence,
            "sent_ns" => Column::Sent,
            "received_ns" => Column::Received,
            "bytes" => Column::Bytes,
            _ => {
                return Err(format!(
                    "`{name}` is neither a sequence number nor a column: there are seq, sent_ns, received_ns and bytes"
                ));
            }
        };
        if columns.contains(&column) {
            return Err(format!("column `{name}` is named twice"));
        }
        columns.push(column);
    }
    if !columns.contains(&Column::Sequence) {
        return Err(format!("the header `{text}` names no column `seq`"));
    }
    Ok(columns)
}

fn line(text: &str, columns: &[Column]) -> Result<Line, String> {
    let values: Vec<&str> = text.split(',').map(str::trim).collect();
    if values.len() != columns.len() {
        return Err(format!(
            "`{text}` has {} values where {} is expected; a first line such as `seq,received_ns` names columns",
            values.len(),
            columns.len()
        ));
    }
    let mut line = Line::default();
    for (column, value) in columns.iter().zip(values) {
        match column {
            Column::Sequence => line.sequence = sequence(value)?,
            Column::Sent => line.sent_ns = optional(value, "sent_ns")?,
            Column::Received => line.received_ns = optional(value, "received_ns")?,
            Column::Bytes => line.bytes = optional(value, "bytes")?,
        }
    }
    Ok(line)
}

fn sequence(value: &str) -> Result<u64, String> {
    let parsed = value.parse().ok();
    parsed
        .filter(|number| (1..=LARGEST).contains(number))
        .ok_or_else(|| {
            format!(
                "`{value}` is no sequence number: they are whole numbers from 1 to {LARGEST}, and never wrap"
            )
        })
}

/// Nothing between two commas is a value that is not known.
fn optional<T: std::str::FromStr>(value: &str, column: &str) -> Result<Option<T>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let parsed = value.parse().map(Some);
    parsed.map_err(|_| format!("`{value}` is no {column}: give a whole number, or nothing"))
}
