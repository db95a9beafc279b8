//! Documents as a web page: one file that needs no network, whose every figure is there without its script.

#[cfg(test)]
mod baseline_tests;
mod chart;
mod cost;
mod counts;
mod headline;
mod index;
mod intervals;
mod inventory;
mod latency;
mod modes;
mod numbers;
mod occupancy;
mod ratios;
mod reading;
mod search;
mod section;
mod table;
#[cfg(test)]
mod tests;

use std::io;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use self::chart::Chart;
pub(crate) use self::index::{index, places};
pub(crate) use self::reading::{Documents, documents};
use self::search::SearchSection;
use self::section::{Section, section};

const UPLOT: &str = include_str!("../../../assets/uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("../../../assets/uplot/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("../../../assets/uplot/LICENSE");
const SCRIPT: &str = include_str!("../../../assets/report/charts.js");
const STYLE: &str = include_str!("../../../assets/report/style.css");
/// The name ends in `.html`, which is what makes the templates escape what they are given.
const TEMPLATES: [(&str, &str); 5] = [
    ("page.html", include_str!("../../../assets/report/page.html")),
    ("index.html", include_str!("../../../assets/report/index.html")),
    ("parts.html", include_str!("../../../assets/report/parts.html")),
    ("report.html", include_str!("../../../assets/report/report.html")),
    ("search.html", include_str!("../../../assets/report/search.html")),
];

/// A page that shows all of `documents`, one after the other.
///
/// # Errors
/// Never in practice: the templates are part of the program, and tested.
pub(crate) fn report(documents: &Documents) -> io::Result<String> {
    let sections: Vec<Section> = documents
        .runs
        .iter()
        .enumerate()
        .map(|(number, document)| section(document, number))
        .collect();
    let searches: Vec<SearchSection> = documents
        .searches
        .iter()
        .enumerate()
        .map(|(number, document)| search::section(document, number))
        .collect();
    let titles = sections.iter().map(|section| section.scenario.as_str());
    let titles: Vec<&str> = titles
        .chain(searches.iter().map(|section| section.title.as_str()))
        .collect();
    let drawn = sections.iter().flat_map(|section| &section.charts);
    let charts: Vec<&Chart> = drawn
        .chain(searches.iter().flat_map(SearchSection::charts))
        .map(|drawn| &drawn.chart)
        .collect();
    render(
        "report.html",
        context! { title => titles.join(", "), sections => Serde(&sections), searches => Serde(&searches) },
        &charts,
    )
}

fn render(template: &str, own: Value, charts: &impl Serialize) -> io::Result<String> {
    let mut templates = Environment::new();
    for (name, text) in TEMPLATES {
        templates.add_template(name, text).map_err(io::Error::other)?;
    }
    let page = context! {
        charts => Serde(charts),
        style => [UPLOT_STYLE, STYLE].concat(),
        script => [UPLOT, SCRIPT].join("\n"),
        uplot_licence => UPLOT_LICENCE,
        version => env!("CARGO_PKG_VERSION"),
        ..own
    };
    let template = templates.get_template(template).map_err(io::Error::other)?;
    template.render(page).map_err(io::Error::other)
}
