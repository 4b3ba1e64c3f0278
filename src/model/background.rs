//! What goes on beside readers and clients, the same in every arm.

use super::backend::{Backend, Subtransactions};
use super::operation_counts::OperationCounts;
use crate::config::Background;
use crate::load::Worker;
use crate::load::thread_loop::ThreadOperation;
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{NoProbe, ProcArray, Snapshot, StatusEntry};
use crate::record::{ErrorClass, Operation, Role};

/// One of the background roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BackgroundKind {
    /// Small writes.
    Committer,
    /// Readings of `pg_stat_activity`.
    Monitor,
    /// Statements that prune.
    Pruner,
    /// Parallel queries of one worker.
    ParallelLeader,
}

impl BackgroundKind {
    const ALL: [Self; 4] = [
        Self::Committer,
        Self::Monitor,
        Self::Pruner,
        Self::ParallelLeader,
    ];

    /// Its role, what it does, and how often per second all of the kind do it together.
    pub(super) fn work(self, background: &Background) -> (Role, Operation, f64) {
        let b = background;
        match self {
            Self::Committer => (Role::Committer, Operation::Commit, b.commit_rate_per_second),
            Self::Monitor => (Role::Monitor, Operation::Monitor, b.monitor_rate_per_second),
            Self::Pruner => (Role::Pruner, Operation::Horizon, b.horizon_rate_per_second),
            Self::ParallelLeader => {
                let rate = b.parallel_workers_per_second;
                (Role::ParallelLeader, Operation::ParallelWorker, rate)
            }
        }
    }

    /// Threads of the kind. Committers are there at a rate of zero as well, as idle
    /// connections: their rate is a factor, the number of connections is not to be one.
    pub(super) fn count(self, background: &Background) -> u32 {
        match self {
            Self::Committer => background.committers,
            _ => u32::from(self.work(background).2 > 0.0),
        }
    }
}

/// The kinds of all background connections, one entry each.
pub(super) fn kinds(background: &Background) -> Vec<BackgroundKind> {
    let each = |kind: BackgroundKind| (0..kind.count(background)).map(move |_| kind);
    BackgroundKind::ALL.into_iter().flat_map(each).collect()
}

/// Slots that the background takes and gives back: those of parallel workers.
pub(super) fn churning(background: &Background) -> u32 {
    BackgroundKind::ParallelLeader.count(background)
}

/// One background role on its connection.
pub(super) struct BackgroundRole<'a, L> {
    array: &'a ProcArray<L>,
    backend: &'a mut Backend,
    kind: BackgroundKind,
    snapshots: u32,
    subtransactions: Subtransactions,
    pub(super) counts: OperationCounts,
    entries: Vec<StatusEntry>,
    /// A parallel worker's, kept between them.
    worker_memory: Option<Snapshot>,
}

impl<'a, L: SharedExclusiveLock> BackgroundRole<'a, L> {
    /// A role whose statements take so many snapshots and whose commits have so many
    /// subtransactions.
    pub(super) fn new(
        array: &'a ProcArray<L>,
        kind: BackgroundKind,
        backend: &'a mut Backend,
        snapshots: u32,
        subtransactions: Subtransactions,
    ) -> Self {
        let max_backends = array.config().max_backends as usize;
        let is = |wanted| kind == wanted;
        BackgroundRole {
            array,
            backend,
            kind,
            snapshots,
            subtransactions,
            counts: OperationCounts::default(),
            // Beforehand: nothing is allocated while it is measured.
            entries: if is(BackgroundKind::Monitor) {
                Vec::with_capacity(max_backends)
            } else {
                Vec::new()
            },
            worker_memory: is(BackgroundKind::ParallelLeader).then(|| array.new_snapshot()),
        }
    }

    /// A statement, then the view row by row.
    fn read_activity(&mut self) {
        let (array, counts) = (self.array, &mut self.counts);
        self.backend.statement(array, self.snapshots, counts);
        array.read_current_status(&mut self.entries);
        for entry in &self.entries {
            array.monitor_row(*entry, &mut NoProbe);
        }
        counts.monitor_rows += self.entries.len() as u64;
    }

    fn run_parallel_query(&mut self) -> Result<(), ErrorClass> {
        let memory = self.worker_memory.take();
        let memory = memory.unwrap_or_else(|| self.array.new_snapshot());
        let ended = self
            .backend
            .launch_parallel_worker(self.array, memory, &mut self.counts);
        let (memory, outcome) = match ended {
            Ok(memory) => (memory, Ok(())),
            Err((class, memory)) => (memory, Err(class)),
        };
        self.worker_memory = Some(memory);
        outcome
    }
}

impl<L: SharedExclusiveLock> ThreadOperation for BackgroundRole<'_, L> {
    fn operate(&mut self, _worker: &mut Worker, _measured: bool) -> Result<(), ErrorClass> {
        let (array, counts) = (self.array, &mut self.counts);
        match self.kind {
            BackgroundKind::Committer => {
                self.backend
                    .commit(array, self.snapshots, self.subtransactions, counts);
            }
            BackgroundKind::Monitor => self.read_activity(),
            BackgroundKind::Pruner => self.backend.prune(array, self.snapshots, counts),
            BackgroundKind::ParallelLeader => return self.run_parallel_query(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committers_stay_connected_at_a_rate_of_zero_and_others_come_with_their_rate() {
        assert_eq!(kinds(&Background::default()), []);
        let background = Background {
            committers: 2,
            parallel_workers_per_second: 1.0,
            ..Background::default()
        };
        let two_and_a_leader = [
            BackgroundKind::Committer,
            BackgroundKind::Committer,
            BackgroundKind::ParallelLeader,
        ];
        assert_eq!(kinds(&background), two_and_a_leader);
        assert_eq!(churning(&background), 1);
    }
}
