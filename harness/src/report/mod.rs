//! Documents: what runs found, summed up, as JSON, as a table and as a page.

pub(crate) mod compare;
mod data;
pub(crate) mod document;
pub(crate) mod list;
mod metrics;
pub(crate) mod page;
pub(crate) mod replay;
mod summary;
mod table;
mod time;
pub(crate) mod units;
mod writer;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod schema_tests;

pub(crate) use self::document::{Document, Suite};
pub(crate) use self::metrics::headline as metrics_compared;
pub(crate) use self::metrics::{PERCENTILES, percentile_of, required};
pub(crate) use self::summary::{is_counted, metrics as metrics_of, summarise};
pub(crate) use self::table::{comparison, headlines};
pub(crate) use self::time::now_utc;
pub(crate) use self::writer::{
    Shelf, make_writable, one_line, stream_atomically, unwritable, write_atomically,
};
