//! Layer 1: what carries packets.
