//! Attacks that are known to have brought stacks down or connections into wrong hands, one test each. In all of them a connection that was
//! there before goes on, and memory stays what it was.

mod acknowledgments;
mod blind;
mod established;
mod flood;
mod listener;
mod low_rate;
mod old_segments;
mod time_wait;
mod victim;
