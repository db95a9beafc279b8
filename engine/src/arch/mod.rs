//! What needs the processor: each item a safe function with a portable twin, chosen once.
#![allow(unsafe_code)]

pub mod byte_match;
pub mod checksum;
pub mod huge_pages;
pub mod prefetch;
pub mod tuple_hash;
pub mod tuple_prf;
