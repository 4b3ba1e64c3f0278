//! What goes on beside readers and clients, the same in every arm.

use super::backend::{Backend, Connection};
use super::operation_counts::OperationCounts;
use super::worker_thread::{Finished, RoleContext, Work, repeat};
use crate::config::Background;
use crate::factor::OfferedRate;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{Operation, Role};

/// A background role, what it does, and how often per second all of its threads do it together.
type Row = (Role, Operation, fn(&Background) -> f64);

const ROLES: [Row; 4] = [
    (Role::Committer, Operation::Commit, |b| {
        b.commit_rate_per_second
    }),
    (Role::Monitor, Operation::Monitor, |b| {
        b.monitor_rate_per_second
    }),
    (Role::Pruner, Operation::Horizon, |b| {
        b.horizon_rate_per_second
    }),
    (Role::ParallelLeader, Operation::ParallelWorker, |b| {
        b.parallel_workers_per_second
    }),
];

/// What is done on each background connection. Committers are there at a rate of zero as well, as idle
/// connections: their rate is a factor, the number of connections is not to be one.
pub(super) fn works(background: &Background) -> Vec<Work> {
    let work = |(role, operation, rate): Row| {
        let rate = rate(background);
        let threads = match role {
            Role::Committer => background.committers,
            _ => u32::from(rate > 0.0),
        };
        let rate = OfferedRate::PerSecond(rate);
        Work {
            role,
            operation,
            rate,
            threads,
        }
        .on_each_thread()
    };
    ROLES.into_iter().flat_map(work).collect()
}

/// Slots that the background takes and gives back: those of parallel workers.
pub(super) fn churning(background: &Background) -> u32 {
    u32::from(background.parallel_workers_per_second > 0.0)
}

/// Small writes.
pub(super) fn commit<L: SharedExclusiveLock>(context: RoleContext<'_, L>) -> Finished {
    context.persistent(None, |backend, config| {
        backend.commit(config.snapshots_per_statement, &config.background);
    })
}

/// Readings of `pg_stat_activity`.
pub(super) fn monitor<L: SharedExclusiveLock>(context: RoleContext<'_, L>) -> Finished {
    // Beforehand: nothing is allocated while it is measured.
    let mut entries = Vec::with_capacity(context.array.config().max_backends as usize);
    context.persistent(None, |backend, config| {
        backend.read_activity(config.snapshots_per_statement, &mut entries);
    })
}

/// Statements that prune.
pub(super) fn prune<L: SharedExclusiveLock>(context: RoleContext<'_, L>) -> Finished {
    context.persistent(None, |backend, config| {
        backend.prune(config.snapshots_per_statement);
    })
}

/// Parallel queries of one worker.
pub(super) fn lead_parallel_workers<L: SharedExclusiveLock>(
    context: RoleContext<'_, L>,
) -> Finished {
    let mut counts = OperationCounts::default();
    let mut workers_memory = context.array.new_snapshot();
    let Connection { slot, snapshot } = context.connection;
    let mut leader = Backend::new(context.array, *slot, snapshot, &mut counts);
    let finished = repeat(context.worker, context.stop, None, |_, _| {
        leader.launch_parallel_worker(&mut workers_memory)
    });
    Finished { counts, ..finished }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committers_stay_connected_at_a_rate_of_zero_and_others_come_with_their_rate() {
        assert!(works(&Background::default()).is_empty());
        let background = Background {
            committers: 2,
            parallel_workers_per_second: 1.0,
            ..Background::default()
        };
        let roles: Vec<Role> = works(&background).iter().map(|work| work.role).collect();
        assert_eq!(
            roles,
            [Role::Committer, Role::Committer, Role::ParallelLeader]
        );
        assert_eq!(churning(&background), 1);
    }
}
