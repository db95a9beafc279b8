//! Documents: what runs found, summed up, as JSON and as a table.

pub(crate) mod document;
mod metrics;
mod summary;
mod table;
mod units;
mod writer;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod schema_tests;

pub(crate) use self::document::{Document, Suite};
pub(crate) use self::summary::summarise;
pub(crate) use self::table::{comparison, headlines};
pub(crate) use self::writer::{Shelf, one_line};
