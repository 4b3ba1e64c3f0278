//! The model of PostgreSQL's ProcArray (storage/ipc/procarray.c, storage/lmgr/proc.c,
//! access/transam/varsup.c), as PostgreSQL 13, 15, 16, 17 and 18 have it ([`PgProfile`]).
//!
//! [`ProcArray`] holds what PostgreSQL keeps in shared memory: the PGPROC slots,
//! the array of slots in use sorted by slot number, the dense arrays that
//! snapshots scan, the transaction counters and the two locks, ProcArrayLock
//! and XidGenLock. Its operations carry PostgreSQL's names and take the same
//! locks in the same order. They never read a clock: a caller who wants wait and hold times of joining,
//! leaving or a snapshot passes a [`LockProbe`] that does. Only ProcArrayLock itself, where it
//! counts how it is taken, reads one around its exclusive holds.
//!
//! The methods of [`ProcArray`] stand in one file per mechanism; `array.rs` makes it and imports the types of its
//! fields and arguments from them.
//!
//! The shared memory is a memfd ([`View`] is what one mapping of it shows), so that a connection
//! can see it through a mapping of its own, or from a forked child, and pays the page faults
//! that PostgreSQL's backends pay.
//!
//! A committer that finds ProcArrayLock busy joins a group; savepoints roll back; horizons are
//! computed, `pg_stat_activity` is read and parallel workers take over an xmin, each under the locks
//! that PostgreSQL takes for it.
//!
//! Left out: two-phase transactions, hot standby, database and role checks, replication slots,
//! transaction-id wraparound limits (`xidStopLimit`).

mod ablations;
mod array;
mod dense;
pub(crate) mod faults;
pub(crate) mod forked;
mod freelist;
mod group_clear;
#[cfg(test)]
mod group_clear_tests;
mod group_list;
mod horizon;
#[cfg(test)]
mod invariants_testing;
pub mod locks;
mod mapping;
mod membership;
mod monitor;
mod parallel_worker;
mod pgproc;
mod probe;
mod profile;
#[cfg(test)]
mod reuse_check_tests;
mod reuse_protocol;
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

pub(crate) use ablations::Ablations;
pub(crate) use array::ProcArrayCounts;
pub use array::{ProcArray, ProcArrayConfig};
pub(crate) use faults::FaultMeter;
pub(crate) use mapping::PageSize;
pub use mapping::{MappingKind, Premapping};
pub(crate) use monitor::StatusEntry;
#[cfg(test)]
pub(crate) use pgproc::MAX_BACKENDS;
pub(crate) use pgproc::ProcNumber;
pub(crate) use probe::{LockProbe, NoProbe};
pub use profile::PgProfile;
pub use slot_order::SlotOrder;
pub(crate) use snapshot::Snapshot;
pub use snapshot::SnapshotSource;
pub(crate) use transaction::TransactionEnd;
pub(crate) use view::View;
pub use xid::TransactionId;
