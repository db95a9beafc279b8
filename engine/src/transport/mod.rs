//! Layer 3: the flow table, ports, timers, UDP and TCP.

pub mod flow;
pub mod flow_table;
pub mod ports;
pub mod tag_index;
pub mod tcp;
pub mod timer_wheel;
pub mod udp;
