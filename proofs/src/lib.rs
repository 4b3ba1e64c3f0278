//! procbench's own locks, its lock-free reuse check and its group clear, checked.
//!
//! The build script compiles their sources in `src/procarray/` over each checker's atomics:
//! `sound` as they are, and once for each of the [`PLANTED`] bugs.
//! loom (`tests/loom`) explores all interleavings and memory orders of small programs up to a
//! bound on preemptions, shuttle (`tests/shuttle`) samples interleavings of larger ones,
//! ThreadSanitizer watches a real run (`src/bin/tsan.rs`, run by `tests/tsan.rs`). What is sound
//! must pass, and every planted bug must be caught, by the programs that the sound sources pass.
//!
//! What this does not show: orders with more preemptions than the bound, more threads than the
//! programs have, and what loom takes for more order than C11 gives: to it a sequentially
//! consistent fence makes all that went before an earlier one happen before, and a failed
//! `compare_exchange_weak` is never spurious.

pub mod jobs;
pub mod native_sync;
pub mod subject;

include!("planted.rs");
