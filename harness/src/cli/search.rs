//! The verb `search`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::config::Options;
use crate::config::quantity::{duration, percent, positive};
use crate::output;
use crate::report::page;
use crate::report::{Shelf, one_line, unwritable, write_atomically};
use crate::run;
use crate::search::bisection::Ended;
use crate::search::{Asked, Bounds, Quantity, Search, Slo, carry_out, table};
use crate::session::Exit;

pub(super) const AFTER_HELP: &str = "The rate is doubled until it fails, or halved until it holds; then the mean of the two is tried, until they are close. A run holds when \
     it keeps what --slo asks for, and counts: it achieved 99 % of what was offered, in a steady state, and the generator kept up. A run that \
     others disturbed is void, and made again, as is one whose generator was late, unless three in a row are. --runs is how many runs have to agree on a rate (2 unless given; so many less one \
     may disagree), --duration how long each takes (1s).\n\n\
     --slo: fail<=N (operations that failed, were dropped or lost), loss<=N (datagrams), either as a percentage too; p50, p99, p999<=TIME (of the \
     response time, from when an operation was to start). All that are given, with commas between them, have to be kept.\n\n\
     Every run is in search.json and on its page, report.html. Exit status: 0 found, 1 no rate holds, 2 usage, 3 not finished within its bounds, \
     5 the environment lacks something, 130 interrupted";

/// Runs that have to agree unless told otherwise.
const AGREE: u32 = 2;
/// Operations that a run needs for a verdict.
const FEWEST: f64 = 100.0;

#[derive(Debug, Args)]
pub(super) struct SearchArguments {
    /// Of what
    #[arg(value_name = "WHAT", value_enum)]
    quantity: Quantity,
    /// What has to be kept, as in 'fail<=0,p99<=5ms' [default: fail<=0; loss<=0 for pps]
    #[arg(long, value_name = "CONDITIONS")]
    slo: Option<Slo>,
    /// The rate that is tried first
    #[arg(long, value_name = "RATE", value_parser = positive, default_value = "2k")]
    from: u32,
    /// The highest rate that is tried
    #[arg(long, value_name = "RATE", value_parser = positive, default_value = "100M")]
    to: u32,
    /// How far apart the answer and the lowest rate that fails may be
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "5%")]
    precision: f64,
    /// Runs of each stack at most
    #[arg(long, value_name = "N", value_parser = positive, default_value = "60")]
    most_runs: u32,
    /// Time of each stack after which no further run begins
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    at_most: Duration,
    #[command(flatten)]
    options: Options,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Write search.json and report.html here [default: results/TIME-search-WHAT-ID]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn main(arguments: SearchArguments) -> ExitCode {
    let (json, out) = (arguments.json, arguments.out.clone());
    match asked(arguments) {
        Ok(asked) => match search(&asked, json, out) {
            Ok(exit) => exit.into(),
            Err(error) => {
                note!("error: {error}");
                Exit::Environment.into()
            }
        },
        Err(error) => {
            note!("error: {error}");
            Exit::Usage.into()
        }
    }
}

/// What the arguments ask for.
pub(super) fn asked(arguments: SearchArguments) -> Result<Asked, String> {
    let SearchArguments {
        quantity,
        slo,
        from,
        to,
        precision,
        most_runs,
        at_most,
        mut options,
        ..
    } = arguments;
    if options.arrivals.rate.is_some() {
        return Err("--rate is what is searched for: say with --from where to begin".to_owned());
    }
    options.arrivals.rate = Some(from);
    options
        .check(quantity.scenario())
        .map_err(|misfit| misfit.to_string())?;
    let run = *options.duration.get_or_insert(Duration::from_secs(1));
    let least = (FEWEST / run.as_secs_f64()).ceil().max(1.0) as u32;
    if to < from || to < least {
        return Err(format!(
            "--to {to} is below the first rate: give at least {}",
            from.max(least)
        ));
    }
    let slo = match slo {
        Some(slo) => slo,
        None => quantity.usual_slo().parse()?,
    };
    let agree = options.runs.unwrap_or(AGREE);
    if agree > most_runs {
        return Err(format!(
            "--runs {agree} have to agree on a rate, and --most-runs lets {most_runs} be made: give more of these, or fewer of those"
        ));
    }
    let bounds = Bounds {
        from,
        least,
        to,
        precision,
        agree,
    };
    Ok(Asked {
        quantity,
        slo,
        bounds,
        most_runs,
        at_most,
        options,
    })
}

fn search(asked: &Asked, json: bool, out: Option<PathBuf>) -> io::Result<Exit> {
    let shelf = Shelf::new(out, false);
    let name = format!("search-{:?}", asked.quantity).to_lowercase();
    let file = shelf.directory(&name).join("search.json");
    shelf.reserve(&name).map_err(|error| {
        let text = format!(
            "cannot write to {}: {error}; choose another place with --out",
            file.display()
        );
        io::Error::new(error.kind(), text)
    })?;
    run::stop_on_signals().map_err(io::Error::other)?;
    let found = carry_out(asked);
    let document = one_line(&found)?;
    let written = write_atomically(&file, document.as_bytes());
    let page = file.with_file_name("report.html");
    let shown = shown(&document).and_then(|html| write_atomically(&page, html.as_bytes()));
    let text = if json { document } else { table::table(&found) };
    shelf.release(&name);
    output::print(&text)?;
    written.map_err(|error| unwritable(&file, &error))?;
    shown.map_err(|error| unwritable(&page, &error))?;
    note!("written to {}", file.display());
    Ok(verdict(&found))
}

/// The page of a document.
fn shown(document: &str) -> io::Result<String> {
    page::report(&page::documents(document.as_bytes()).map_err(io::Error::other)?)
}

fn verdict(search: &Search) -> Exit {
    let any = |ended: &[Ended]| search.results.iter().any(|found| ended.contains(&found.ended));
    if search.interrupted {
        Exit::Interrupted
    } else if any(&[Ended::OutOfBounds, Ended::Disturbed]) {
        Exit::Inconclusive
    } else if any(&[Ended::LowestFails]) {
        Exit::Failed
    } else {
        Exit::Ok
    }
}
