//! The model of PostgreSQL's ProcArray (storage/ipc/procarray.c, storage/lmgr/proc.c,
//! access/transam/varsup.c), as PostgreSQL 15 has it.
//!
//! [`ProcArray`] holds what PostgreSQL keeps in shared memory: the PGPROC slots,
//! the array of slots in use sorted by slot number, the dense arrays that
//! snapshots scan, the transaction counters and the two locks, ProcArrayLock
//! and XidGenLock. Its operations carry PostgreSQL's names and take the same
//! locks in the same order. They never read a clock: a caller who wants
//! wait and hold times passes a [`LockProbe`] that does. Only ProcArrayLock itself, where it
//! counts how it is taken, reads one around its exclusive holds.
//!
//! Left out: two-phase transactions, hot standby, database and role checks, the
//! horizon scan, transaction-id wraparound limits (`xidStopLimit`), and group clearing
//! of xids at commit (a committer that finds the lock busy queues for it, as
//! PostgreSQL did until 9.5). Threads share page tables, so renumbering pays no
//! page faults here; PostgreSQL's freshly forked backends do.

mod ablations;
mod array;
mod dense;
mod faults;
mod freelist;
mod invariants;
pub mod locks;
mod mapping;
mod membership;
mod pgproc;
mod probe;
mod profile;
mod reuse_check;
mod shared_memory;
mod slot_order;
mod snapshot;
mod transaction;
mod transam;
mod view;
mod xid;

#[cfg(test)]
mod concurrency_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod reference_tests;

pub use ablations::{Ablations, UnknownMechanism};
pub use array::{ConfigError, ProcArray, ProcArrayConfig, ProcArrayCounts};
pub use faults::FaultMeter;
pub use invariants::InvariantViolation;
pub use mapping::{MappingKind, PageSize, UnknownMapping, UnknownPageSize};
pub use pgproc::{MAX_BACKENDS, PGPROC_MAX_CACHED_SUBXIDS, ProcNumber};
pub use probe::{LockName, LockProbe, NoProbe};
pub use profile::{PgProfile, UnknownProfile};
pub use shared_memory::SharedMemoryError;
pub use slot_order::{SlotOrder, UnknownSlotOrder};
pub use snapshot::{Snapshot, SnapshotSource};
pub use view::View;
pub use xid::{FullTransactionId, TransactionId};
