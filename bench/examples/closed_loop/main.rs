//! A closed loop over the kernel's sockets that shares no code with the harness, to hold its figures against: non-blocking sockets behind
//! epoll, as servers have them.
//!
//! `closed_loop serve ADDRESS` echoes until it is ended. `closed_loop rr|crr ADDRESS BYTES SECONDS` sends messages of that size to it, over
//! one connection or a new one each, and prints operations per second and the median time of one in microseconds.
//!
//! `closed_loop read ADDRESS [checked]` reads one connection to its end. `closed_loop stream ADDRESS BYTES SECONDS [made]` writes to it, that
//! many bytes at a time, and prints Gbit/s and the bytes. The words make every byte before it is written, and check every byte that was read.
//!
//! `closed_loop receive ADDRESS` takes datagrams until it is ended. `closed_loop udp ADDRESS BYTES SECONDS` sends them to it, and prints how
//! many a second came, and how many at all.

use std::error::Error;
use std::io::{self, ErrorKind};

mod datagrams;
mod requests;
mod stream;
mod watched;

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: closed_loop serve ADDRESS, closed_loop rr|crr ADDRESS BYTES SECONDS, closed_loop read ADDRESS [checked], \
                     closed_loop stream ADDRESS BYTES SECONDS [made], closed_loop receive ADDRESS, \
                     or closed_loop udp ADDRESS BYTES SECONDS";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["serve", address] => requests::serve(address.parse()?),
        ["rr", address, bytes, seconds] => requests::rr(address.parse()?, bytes.parse()?, seconds.parse()?),
        ["crr", address, bytes, seconds] => requests::crr(address.parse()?, bytes.parse()?, seconds.parse()?),
        ["read", address] => stream::read(address.parse()?, false),
        ["read", address, "checked"] => stream::read(address.parse()?, true),
        ["stream", address, bytes, seconds] => {
            stream::write(address.parse()?, bytes.parse()?, seconds.parse()?, false)
        }
        ["stream", address, bytes, seconds, "made"] => {
            stream::write(address.parse()?, bytes.parse()?, seconds.parse()?, true)
        }
        ["receive", address] => datagrams::receive(address.parse()?),
        ["udp", address, bytes, seconds] => {
            datagrams::send(address.parse()?, bytes.parse()?, seconds.parse()?)
        }
        _ => Err(USAGE.into()),
    }
}

fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
