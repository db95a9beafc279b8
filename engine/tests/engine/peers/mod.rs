//! The engine against real peers: the kernel's stack over every device, and programs that people use, in namespaces of the test's own.
//!
//! The thread of a test is on the kernel's host, so that sockets and programs are there without further ado; where the engine's end of a
//! cable is an interface, that lies in a namespace without addresses, of which the kernel has nothing to say.
//!
//! In passing a megabyte goes each way in each row of the matrix, and programs meet a sample of the devices. `HANDFAST_PEERS_MEGABYTES=100`
//! says otherwise: that much goes, and in one row of each device a gigabyte, ten thousand connections follow each other, a thousand are open at
//! once from either end, long packets are captured, too, and programs meet every device.

mod captures;
mod crowds;
mod detour;
mod faults;
mod forward;
mod idle;
mod lines;
mod many;
mod matrix;
mod programs;
