//! System calls that no safe crate offers.
#![allow(unsafe_code)]

pub(super) mod bpf;
pub(super) mod hearing;
pub(super) mod interface;
mod mapped;
pub(super) mod mmsg;
pub(super) mod option;
pub(super) mod packet;
mod share;
pub(super) mod tun;
pub(super) mod xdp;
