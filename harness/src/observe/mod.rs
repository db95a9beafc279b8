//! Looking on while runs go: what each interval came to, for files, for Prometheus, and for people.

pub(crate) mod endpoint;
mod exposition;
mod figures;
pub(crate) mod json_lines;
mod live;
mod onlookers;

use std::cell::RefCell;
use std::io::{self, Write};
use std::time::Duration;

pub(crate) use self::figures::Figures;
pub(crate) use self::onlookers::Onlookers;
use crate::config::{Pairing, PathKind, Placement, ScenarioKind};
pub(crate) use crate::load::pulse::Interval;

/// Which run it is that somebody looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) scenario: ScenarioKind,
    /// What a scenario file calls it, else the scenario.
    pub(crate) name: String,
    pub(crate) stack: Pairing,
    pub(crate) path: PathKind,
    pub(crate) placement: Placement,
    /// In flight, or open, for each generator.
    pub(crate) connections: u32,
    /// From 1.
    pub(crate) run: usize,
}

/// How far a comparison is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Whereabouts<'a> {
    pub(crate) standing: &'a Standing,
    /// Runs of each column.
    pub(crate) runs: u32,
    /// The part of the comparison that is over, 0 to 1.
    pub(crate) part: f64,
}

/// What a run came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RunEnded {
    Valid,
    /// It failed or does not count, and why.
    Invalid(String),
    /// The stack cannot do what was asked, and why.
    Unsupported(String),
}

/// Somebody who looks on.
pub(crate) trait Observer {
    /// An interval of the measured window is over.
    ///
    /// # Errors
    /// When what it writes to is gone.
    fn interval(&mut self, standing: &Standing, interval: &Interval) -> io::Result<()>;

    /// The comparison has come this far.
    ///
    /// # Errors
    /// When what it writes to is gone.
    fn progress(&mut self, _: &Whereabouts<'_>) -> io::Result<()> {
        Ok(())
    }

    /// A run is over.
    ///
    /// # Errors
    /// When what it writes to is gone.
    fn ended(&mut self, _: &Standing, _: &RunEnded) -> io::Result<()> {
        Ok(())
    }

    /// The comparison is over.
    fn finished(&mut self) {}

    /// Whether it shows how far a comparison is, so that nobody else need.
    fn shows_progress(&self) -> bool {
        false
    }
}

/// All who look on, and how often.
#[derive(Default)]
pub(crate) struct Observers {
    every: Option<Duration>,
    all: RefCell<Vec<Box<dyn Observer>>>,
}

impl Observers {
    /// Observers that are told once in `every`, which documents keep too; `None` when nobody wants to know.
    pub(crate) fn new(every: Option<Duration>, all: Vec<Box<dyn Observer>>) -> Self {
        Self {
            every,
            all: RefCell::new(all),
        }
    }

    /// How often; `None` when nobody wants to know.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.every
    }

    /// Tells all of them of an interval.
    pub(crate) fn tell(&self, standing: &Standing, interval: &Interval) {
        self.each(|observer| observer.interval(standing, interval));
    }

    /// Tells all of them how far the comparison is.
    pub(crate) fn progress(&self, at: &Whereabouts<'_>) {
        self.each(|observer| observer.progress(at));
    }

    /// Tells all of them what a run came to.
    pub(crate) fn ended(&self, standing: &Standing, ended: &RunEnded) {
        self.each(|observer| observer.ended(standing, ended));
    }

    /// Tells all of them that the comparison is over.
    pub(crate) fn finished(&self) {
        self.each(|observer| {
            observer.finished();
            Ok(())
        });
    }

    /// Whether one of them shows how far a comparison is.
    pub(crate) fn show_progress(&self) -> bool {
        self.all.borrow().iter().any(|observer| observer.shows_progress())
    }

    /// One that cannot go on is told nothing more, and this says why: the measurement is worth more than who looks at it.
    fn each(&self, mut tell: impl FnMut(&mut dyn Observer) -> io::Result<()>) {
        let mut errors = Vec::new();
        self.all.borrow_mut().retain_mut(|observer| {
            let told = tell(observer.as_mut());
            told.map_err(|error| errors.push(error)).is_ok()
        });
        // Once those that fail have given back a terminal that they had. Standard error itself may be what is gone.
        for error in errors {
            let _ = writeln!(io::stderr(), "warning: intervals are told no more: {error}");
        }
    }
}

/// What a scenario's operations are.
pub(crate) fn operation(scenario: ScenarioKind) -> &'static str {
    match scenario {
        ScenarioKind::Connect | ScenarioKind::Crr | ScenarioKind::TimeWait | ScenarioKind::SynFlood => {
            "connections"
        }
        ScenarioKind::Teardown => "teardowns",
        ScenarioKind::Rr => "transactions",
        ScenarioKind::Stream => "bytes",
        ScenarioKind::Udp | ScenarioKind::Reorder => "datagrams",
        ScenarioKind::Packets => "packets",
        ScenarioKind::Idle => "nothing",
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::StackKind;
    use crate::measure::counters::{HostInterval, KernelCounters};

    /// The second run of `crr` on the engine.
    pub(crate) fn standing() -> Standing {
        Standing {
            scenario: ScenarioKind::Crr,
            name: "crr".to_owned(),
            stack: Pairing::of(StackKind::Engine),
            path: PathKind::Memory,
            placement: Placement::SameCore,
            connections: 64,
            run: 2,
        }
    }

    /// A second with a thousand connections of 30 µs and one of 2 ms, which waited 70 µs and 3 ms for a place.
    pub(crate) fn interval() -> Interval {
        Interval {
            from: 1.0,
            to: 2.0,
            operations: 1001,
            per_second: 1001.0,
            failed: 3,
            dropped_arrivals: Some(5),
            time_wait: Some(2002),
            latencies: vec![(30_000, 1000), (2_000_000, 1)],
            responses: vec![(100_000, 1000), (5_000_000, 1)],
            kernel: KernelCounters {
                softnet: None,
                hosts: vec![HostInterval {
                    host: "both".to_owned(),
                    nstat: BTreeMap::from([("TcpInSegs".to_owned(), 8008)]),
                    sockstat: BTreeMap::from([("TCP_tw".to_owned(), 2002)]),
                }],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    struct Counting(Rc<RefCell<usize>>, usize);

    impl Observer for Counting {
        fn interval(&mut self, _: &Standing, _: &Interval) -> io::Result<()> {
            *self.0.borrow_mut() += 1;
            if *self.0.borrow() > self.1 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            Ok(())
        }
    }

    #[test]
    fn one_that_fails_is_told_no_more_and_the_others_go_on() {
        let (short, long) = (Rc::new(RefCell::new(0)), Rc::new(RefCell::new(0)));
        let all: Vec<Box<dyn Observer>> = vec![
            Box::new(Counting(short.clone(), 1)),
            Box::new(Counting(long.clone(), 99)),
        ];
        let observers = Observers::new(Some(Duration::from_secs(1)), all);
        for _ in 0..5 {
            observers.tell(&fixtures::standing(), &fixtures::interval());
        }
        assert_eq!((*short.borrow(), *long.borrow()), (2, 5));
    }
}
