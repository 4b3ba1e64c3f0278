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

pub use block_cpu::{BlockCpu, CpuAccount, CpuGroup, Throttling};
pub use file::{
    RUN_FILE_NAME, RunFileError, files_named, find_runs, read_json, read_run, write_atomically,
    write_json, write_run,
};
pub use histogram::{
    MERGED_MAX_NS, SeriesHistogram, WorkerHistogram, percentile_name, rank_of, samples_above,
};
pub use key::{ClockKind, Operation, Phase, Role, SeriesKey};
pub use provenance::{Provenance, ServerProvenance, ServerSource};
pub use recorder::{BlockRecord, Recorder, SeriesId};
pub use run::{
    AbsentArm, AbsentLevel, Block, Calibration, Run, RunHead, RunStatus, SCHEMA_VERSION,
    SLOTS_VERIFIED, arm_label, levels_side_by_side,
};
pub use setup::SetupSums;
pub use statement_part::{StatementClass, StatementPart};
pub use survey::{Between, Census, OthersConnections, PoolMode, Seen, ServerSettings, Survey};
pub use tally::{ErrorClass, RoleTally};
