//! The language of `--link`: `rate=100mbit,delay=20ms,loss=ge:1%,20%,at=5s:loss=0%`. What has no `=` goes on with the value before it.

use std::collections::HashSet;

use super::settings::{Discipline, Jitter, Limit, Loss, QueueSettings, Reorder, Settings, Shape};
use crate::config::quantity::{bytes, count, duration};
use crate::nearest::nearest;
use crate::stack::Nanos;

/// What can be set, and an example of each.
const OPTIONS: [(&str, &str); 9] = [
    ("rate", "rate=100mbit"),
    ("delay", "delay=20ms"),
    ("jitter", "jitter=2ms:normal"),
    ("loss", "loss=1% or loss=ge:1%,20%"),
    ("duplicate", "duplicate=0.1%"),
    ("corrupt", "corrupt=0.1%"),
    (
        "reorder",
        "reorder=delay:1%,5ms, reorder=gap:10,5ms or reorder=paths:2,5ms",
    ),
    ("queue", "queue=100p, queue=64KiB:codel or queue=100p:red"),
    ("at", "at=5s:loss=10%"),
];

/// Every change and when it comes, the settings at 0 first.
pub(super) fn steps(text: &str) -> Result<Vec<(Nanos, Settings)>, String> {
    let mut steps = vec![(0, Settings::default())];
    let mut set_at = HashSet::new();
    for word in words(text) {
        let (name, value) = option(&word)?;
        if name == "at" {
            let (from, change) = value.split_once(':').ok_or_else(|| wrong(name, value))?;
            let from = span(from)?;
            let (last, settings) = steps.last().cloned().expect("there is one at 0");
            if from < last {
                return Err(format!(
                    "`{word}` comes after a later change: write changes in the order of their times"
                ));
            }
            if from > last {
                steps.push((from, settings));
            }
            let (name, value) = option(change)?;
            if name == "at" {
                return Err(format!("`{word}` has two times: write one, as in at=5s:loss=10%"));
            }
            once(&mut set_at, from, name)?;
            set(&mut steps.last_mut().expect("there is one").1, name, value)?;
        } else if steps.len() > 1 {
            return Err(format!(
                "`{word}` follows a change in time: write what holds from the start first"
            ));
        } else {
            once(&mut set_at, 0, name)?;
            set(&mut steps[0].1, name, value)?;
        }
    }
    Ok(steps)
}

/// Refuses an option that is set for the second time at one time.
fn once(set_at: &mut HashSet<(Nanos, String)>, from: Nanos, name: &str) -> Result<(), String> {
    if set_at.insert((from, name.to_owned())) {
        return Ok(());
    }
    let way_out = "keep one of them, or let a change in time (at=5s:…) come between";
    Err(format!("{name} is set twice: {way_out}"))
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in text.split(',') {
        match words.last_mut() {
            Some(last) if !part.contains('=') && !is_option(part) => {
                last.push(',');
                last.push_str(part);
            }
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn is_option(name: &str) -> bool {
    OPTIONS.iter().any(|(option, _)| *option == name)
}

fn option(word: &str) -> Result<(&str, &str), String> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    if is_option(name) && !value.is_empty() {
        return Ok((name, value));
    }
    if is_option(name) {
        return Err(wrong(name, value));
    }
    let names = || OPTIONS.iter().map(|(name, _)| (*name).to_owned());
    let way_out = nearest(name, names()).map_or_else(
        || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        |name| format!("did you mean {name}?"),
    );
    Err(format!("a link has no `{name}`: {way_out}"))
}

fn wrong(name: &str, value: &str) -> String {
    let example = OPTIONS.iter().find(|(option, _)| *option == name);
    let (_, example) = example.expect("only options get here");
    format!("`{value}` is nothing for {name}: write {example}")
}

fn set(settings: &mut Settings, name: &str, value: &str) -> Result<(), String> {
    match name {
        "rate" => settings.rate = Some(rate(value)?),
        "delay" => settings.delay = span(value)?,
        "jitter" => settings.jitter = Some(jitter(value)?),
        "loss" => settings.loss = loss(value)?,
        "duplicate" => settings.duplicate = part(value)?,
        "corrupt" => settings.corrupt = part(value)?,
        "reorder" => settings.reorder = Some(reorder(value)?),
        _ => settings.queue = queue(value)?,
    }
    Ok(())
}

fn rate(value: &str) -> Result<u64, String> {
    let units = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];
    let found = units
        .iter()
        .find_map(|(unit, scale)| Some(number(value.strip_suffix(unit)?)? * scale));
    found
        .filter(|rate| (1.0..1e15).contains(rate))
        .map(|rate| rate as u64)
        .ok_or_else(|| wrong("rate", value))
}

/// A plain number, without sign or exponent.
fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().ok()).flatten()
}

/// A span of time, which may be none.
fn span(text: &str) -> Result<Nanos, String> {
    let unit = text.trim_start_matches(['0', '.']);
    if text.starts_with('0') && ["", "s", "ms", "us", "ns"].contains(&unit) {
        return Ok(0);
    }
    Nanos::try_from(duration(text)?.as_nanos()).map_err(|_| format!("`{text}` is too long"))
}

/// A percentage from 0 to 100 as a part of one.
fn part(text: &str) -> Result<f64, String> {
    text.strip_suffix('%')
        .and_then(number)
        .filter(|percentage| *percentage <= 100.0)
        .map(|percentage| percentage / 100.0)
        .ok_or_else(|| {
            format!("`{text}` is no part of the packets: write a percentage from 0% to 100%, as in 1%")
        })
}

fn jitter(value: &str) -> Result<Jitter, String> {
    let (spread, shape) = value.split_once(':').unwrap_or((value, "uniform"));
    let shapes = [
        ("uniform", Shape::Uniform),
        ("normal", Shape::Normal),
        ("pareto", Shape::Pareto),
    ];
    Ok(Jitter {
        spread: span(spread)?,
        shape: one_of("distribution", shape, &shapes)?,
    })
}

fn one_of<T: Copy>(what: &str, name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(choice, _)| *choice == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names = || choices.iter().map(|(name, _)| (*name).to_owned());
        let way_out = nearest(name, names()).map_or_else(
            || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            |name| format!("did you mean {name}?"),
        );
        format!("there is no {what} `{name}`: {way_out}")
    })
}

fn loss(value: &str) -> Result<Loss, String> {
    let Some(chain) = value.strip_prefix("ge:") else {
        return part(value).map(Loss::Bernoulli);
    };
    let parts = chain.split(',').map(part).collect::<Result<Vec<f64>, _>>()?;
    let [worsens, recovers, rest @ ..] = &parts[..] else {
        return Err(wrong("loss", value));
    };
    if rest.len() > 2 {
        return Err(format!(
            "`{value}` has too many parts: write loss=ge:worsens,recovers[,lost in bad[,lost in good]]"
        ));
    }
    Ok(Loss::GilbertElliott {
        worsens: *worsens,
        recovers: *recovers,
        lost_in_bad: rest.first().copied().unwrap_or(1.0),
        lost_in_good: rest.get(1).copied().unwrap_or(0.0),
    })
}

fn reorder(value: &str) -> Result<Reorder, String> {
    let two = value.split_once(':').and_then(|(kind, rest)| {
        let (first, held) = rest.split_once(',')?;
        Some((kind, first, held))
    });
    let (kind, first, held) = two.ok_or_else(|| wrong("reorder", value))?;
    let at_least = |least: u64| {
        count(first).and_then(|number| {
            let enough = number >= least;
            enough
                .then_some(number)
                .ok_or_else(|| format!("`{first}` reorders nothing: give at least {least}"))
        })
    };
    let held = span(held)?;
    match one_of("way to reorder", kind, &[("delay", 0), ("gap", 1), ("paths", 2)])? {
        0 => Ok(Reorder::Delay {
            probability: part(first)?,
            held,
        }),
        1 => Ok(Reorder::Gap {
            every: at_least(1)?,
            held,
        }),
        _ => Ok(Reorder::Paths {
            count: at_least(2)?,
            longer: held,
        }),
    }
}

fn queue(value: &str) -> Result<QueueSettings, String> {
    let mut parts = value.splitn(3, ':');
    let size = parts.next().unwrap_or_default();
    let limit = match size.strip_suffix('p') {
        Some(packets) => match count(packets)? {
            0 => return Err(format!("`{size}` holds nothing: give at least 1p")),
            packets => Limit::Packets(packets),
        },
        None => Limit::Bytes(bytes(size)?.into()),
    };
    let name = parts.next().unwrap_or("tail-drop");
    let kind = one_of("queue", name, &[("tail-drop", 0), ("red", 1), ("codel", 2)])?;
    let given: Vec<&str> = parts.next().map_or(Vec::new(), |rest| rest.split(',').collect());
    let discipline = match (kind, &given[..]) {
        (0, []) => Discipline::TailDrop,
        (1, given) => red(limit, given).ok_or_else(|| {
            format!("`{value}` is no RED: write queue=100p:red:low,high,most%[,weight], as in queue=100p:red:25,75,10%,0.002")
        })?,
        (2, []) => Discipline::Codel {
            target: 5_000_000,
            interval: 100_000_000,
        },
        (2, [target, interval]) => Discipline::Codel {
            target: span(target)?,
            interval: span(interval)?,
        },
        _ => return Err(format!("`{value}` is no queue: write queue=100p, queue=64KiB:codel:5ms,100ms or queue=100p:red:25,75,10%")),
    };
    Ok(QueueSettings { limit, discipline })
}

fn red(limit: Limit, given: &[&str]) -> Option<Discipline> {
    let (Limit::Packets(whole) | Limit::Bytes(whole)) = limit;
    let whole = whole as f64;
    let (low, high, most) = match given {
        [] => (whole / 6.0, whole / 2.0, 0.1),
        [low, high, most, ..] => (number(low)?, number(high)?, part(most).ok()?),
        _ => return None,
    };
    let weight = given.get(3).map_or(Some(0.002), |weight| number(weight))?;
    let fits = low < high && (0.0..=1.0).contains(&weight) && given.len() <= 4;
    fits.then_some(Discipline::Red {
        low,
        high,
        most,
        weight,
    })
}
