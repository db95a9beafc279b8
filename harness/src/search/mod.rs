//! The highest rate at which a stack keeps what is asked of it, as the maximum connection rate of RFC 3511 section 5.3: offered rates are
//! tried until the highest that holds and the lowest that fails are close together.

pub(crate) mod bisection;
pub(crate) mod document;
mod probe;
pub(crate) mod slo;
pub(crate) mod table;

pub(crate) use self::bisection::Bounds;
pub(crate) use self::document::{Quantity, Search};
pub(crate) use self::probe::{Asked, carry_out};
pub(crate) use self::slo::Slo;
