//! Layer 4: what an application holds: handles, readiness events, streams.
