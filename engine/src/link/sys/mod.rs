//! System calls that no safe crate offers.
#![allow(unsafe_code)]

pub(super) mod mmsg;
pub(super) mod option;
