//! What is recorded: histograms, counts, and the run file that keeps them.

mod block_cpu;
mod file;
mod histogram;
mod key;
mod provenance;
mod recorder;
mod run;
mod setup;
mod statement_part;
mod survey;
mod tally;

pub use block_cpu::CpuGroup;
pub(crate) use block_cpu::{BlockCpu, CpuAccount, Throttling};
pub(crate) use file::{RUN_FILE_NAME, RunFileError, files_named, find_runs, read_json, write_json};
pub use file::{read_run, write_atomically, write_run};
pub use histogram::{MERGED_MAX_NS, SeriesHistogram, WorkerHistogram};
pub(crate) use histogram::{percentile_name, percentile_of_buckets, rank_of, samples_above};
pub use key::{ClockKind, Operation, Phase, Role, SeriesKey};
pub(crate) use provenance::{Provenance, ServerProvenance, ServerSource};
pub use recorder::Recorder;
pub(crate) use recorder::{BlockRecord, SeriesId};
pub(crate) use run::{
    AbsentArm, AbsentLevel, Calibration, RunHead, SCHEMA_VERSION, SLOTS_VERIFIED, arm_label,
    levels_side_by_side,
};
pub use run::{Block, Run, RunStatus};
pub use setup::SetupSums;
pub use statement_part::{StatementClass, StatementPart};
pub use survey::{Between, PoolMode, Survey};
pub(crate) use survey::{Census, OthersConnections, Seen, ServerSettings};
pub use tally::{ErrorClass, RoleTally};
