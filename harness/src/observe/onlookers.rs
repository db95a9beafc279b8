//! Who is to look on, as the command line says it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::endpoint::Endpoint;
use super::{Observer, Observers, json_lines, live};
use crate::config::quantity::duration;
use crate::run::Plan;

/// How often those who look on are told unless they say.
const USUAL: Duration = Duration::from_secs(1);
/// Below this the looking itself is seen in the figures.
const SHORTEST: Duration = Duration::from_millis(100);

/// Options of those who look on while runs go.
#[derive(Clone, Default, Debug, Args)]
pub(crate) struct Onlookers {
    /// Show rate, latencies, TIME_WAIT and failures while runs go, on standard error: a dashboard on a terminal, else a line for each interval
    #[arg(long)]
    pub(crate) live: bool,
    /// Tell every interval of the measured windows as a line of JSON, on standard error or at the end of FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) json_lines: Option<PathBuf>,
    /// Let Prometheus scrape http://ADDRESS/metrics while runs go, as in 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) metrics: Option<SocketAddr>,
    /// Keep what every interval of this length came to, at least 100ms [default: 1s with --live, --json-lines or --metrics, else none are kept]
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub(crate) interval: Option<Duration>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is no address with a port: write both, as in 127.0.0.1:9464 or [::1]:9464")
    })
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        span if span < SHORTEST => Err(format!(
            "`{text}` is so short that looking on would show in the figures: give at least {SHORTEST:?}"
        )),
        span => Ok(span),
    }
}

impl Onlookers {
    /// Refuses intervals that would not end within a window.
    ///
    /// # Errors
    /// The text names the option and the way out.
    pub(crate) fn check(&self, plans: &[Plan]) -> Result<(), String> {
        let to_standard_error = self.json_lines.as_deref() == Some(Path::new("-"));
        if self.live && to_standard_error {
            return Err(
                "--live and --json-lines both write to standard error: give --json-lines=FILE".to_owned(),
            );
        }
        let Some(every) = self.every() else {
            return Ok(());
        };
        let windows = plans.iter().flat_map(|plan| {
            plan.subjects
                .iter()
                .map(move |subject| (plan, subject.config.duration))
        });
        match windows.min_by_key(|(_, window)| *window) {
            Some((plan, window)) if window < every => Err(format!(
                "the measured window of {} is {window:?}, and an interval {every:?}: none would end in it; give a shorter --interval or a longer --duration",
                plan.name
            )),
            _ => Ok(()),
        }
    }

    /// `None` when nobody wants to know.
    fn every(&self) -> Option<Duration> {
        let looks_on = self.live || self.json_lines.is_some() || self.metrics.is_some();
        self.interval.or(looks_on.then_some(USUAL))
    }

    /// Opens what they write to.
    ///
    /// # Errors
    /// When a file or an address cannot be had; the text says which.
    pub(crate) fn open(&self) -> io::Result<Observers> {
        let mut all: Vec<Box<dyn Observer>> = Vec::new();
        match self.json_lines.as_deref() {
            Some(file) if file == Path::new("-") => all.push(Box::new(json_lines::to_standard_error())),
            Some(file) => {
                let open = json_lines::into_file(file);
                all.push(Box::new(
                    open.map_err(|error| refused("--json-lines", &file.display(), &error))?,
                ));
            }
            None => {}
        }
        if let Some(address) = self.metrics {
            let endpoint = Endpoint::open(address).map_err(|error| refused("--metrics", &address, &error))?;
            note!("metrics at http://{}/metrics", endpoint.address);
            all.push(Box::new(endpoint));
        }
        if self.live {
            all.push(live::open());
        }
        Ok(Observers::new(self.every(), all))
    }
}

fn refused(option: &str, value: &dyn std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("{option} {value} is not possible: {error}; choose another place"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, ScenarioKind};

    #[test]
    fn an_interval_has_to_end_within_the_window() {
        let plans = [Plan::new(
            ScenarioKind::Rr,
            &Options {
                duration: Some(Duration::from_millis(500)),
                ..Options::default()
            },
        )];
        let onlookers = |milliseconds| Onlookers {
            interval: Some(Duration::from_millis(milliseconds)),
            ..Onlookers::default()
        };
        assert!(onlookers(500).check(&plans).is_ok());
        assert!(
            onlookers(501)
                .check(&plans)
                .is_err_and(|error| error.contains("--duration"))
        );
        let told = Onlookers {
            json_lines: Some("-".into()),
            ..Onlookers::default()
        };
        assert!(told.check(&plans).is_err(), "the usual second is too long, too");
        assert!(Onlookers::default().check(&plans).is_ok());
        assert!(interval("99ms").is_err_and(|error| error.contains("100ms")));
    }
}
