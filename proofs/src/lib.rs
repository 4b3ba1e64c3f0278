//! procbench's own locks, checked.
//!
//! The build script compiles the lock sources of `src/procarray/locks/` over each checker's
//! atomics: `sound` as they are, and once for each of the [`PLANTED`] bugs.
//! loom (`tests/loom`) explores all interleavings and memory orders of small programs up to a
//! bound on preemptions, shuttle (`tests/shuttle`) samples interleavings of larger ones,
//! ThreadSanitizer watches a real run (`src/bin/tsan.rs`, run by `tests/tsan.rs`). What is sound
//! must pass, and every planted bug must be caught, by the programs that the sound lock passes.

pub mod jobs;
pub mod native_sync;
pub mod subject;

include!("planted.rs");
