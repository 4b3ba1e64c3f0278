//! `unpooled`: connect, statement, disconnect, each time (postinit.c `InitPostgres`, ipc.c `proc_exit`);
//! `premapped`, `premapped-few`: so, in forked children that map the PGPROC array before they join;
//! `failed-login`: a role that does not exist joins the array, is looked for, and leaves.

use super::super::lock_times::LockTimes;
use super::super::operation_counts::OperationCounts;
use super::super::session::{Forking, SessionError, Steps, in_child, in_thread};
use super::super::worker_thread::{Finished, RoleContext, declare, repeat};
use crate::clock::{Clock, MonotonicClock};
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{MappingKind, Premapping};
use crate::record::{ErrorClass, Operation, Phase};

/// Does a client's part of a block of `unpooled`, or of an arm with `premapping`.
pub(super) fn run<L: SharedExclusiveLock>(
    client: RoleContext<'_, L>,
    premapping: Option<Premapping>,
) -> Finished {
    let version = client.array.config().profile.version();
    let steps = Steps {
        fork_cpu_ns: client.config.fork_cpu_ns,
        session_cpu_ns: client.config.session_cpu_ns,
        at_login: version.snapshots_per_connect,
        statement: Some(client.config.snapshots_per_statement),
        premapping,
    };
    let phases = [Operation::Connect, Operation::Query, Operation::Disconnect];
    connect_again_and_again(client, steps, None, &phases)
}

/// Does a client's part of a block of `failed-login`.
pub(super) fn fail_login<L: SharedExclusiveLock>(client: RoleContext<'_, L>) -> Finished {
    let version = client.array.config().profile.version();
    let steps = Steps {
        fork_cpu_ns: client.config.fork_cpu_ns,
        session_cpu_ns: 0,
        at_login: version.snapshots_per_failed_login,
        statement: None,
        premapping: None,
    };
    connect_again_and_again(client, steps, Some(Operation::FailedLogin), &[])
}

/// One connection after the other: joins the array, goes through `steps` and leaves, in the client's thread
/// or, with `--mapping forked`, in forked children. `phases` are the names of those that are recorded.
fn connect_again_and_again<L: SharedExclusiveLock>(
    client: RoleContext<'_, L>,
    steps: Steps,
    recorded_as: Option<Operation>,
    phases: &[Operation],
) -> Finished {
    let RoleContext {
        array,
        lock_loss,
        mut worker,
        ..
    } = client;
    let mut declare = |phase: &Operation| declare(&mut worker, *phase, Phase::Total);
    let phases: Vec<_> = phases.iter().map(&mut declare).collect();
    let add = LockTimes::declare(&mut worker, Operation::ProcArrayAdd);
    let remove = LockTimes::declare(&mut worker, Operation::ProcArrayRemove);
    let forks = array.config().mapping == MappingKind::Forked;
    // Without memory for them no child can be heard: every connection then is an error.
    let mut forking = forks.then(|| Forking::new(array)).flatten();
    // Goes from one new backend to the next.
    let mut memory = array.new_snapshot();
    let mut counts = OperationCounts::default();
    let finished = repeat(worker, client.stop, recorded_as, |worker, measured| {
        let began_ns = MonotonicClock.now_ns();
        let outcome = match &mut forking {
            Some(forking) => in_child(array, &mut memory, &mut counts, steps, forking),
            None if forks => return Err(ErrorClass::new("no-mapping")),
            None => in_thread(array, &mut memory, &mut counts, steps),
        };
        let session = outcome.map_err(|error| match error {
            SessionError::Connection(class) => class,
            SessionError::ProcArrayLock(failure) => {
                lock_loss.report(format!(
                    "{failure} where it may have held ProcArrayLock, which nobody can get any more (a PostgreSQL server would restart)"
                ));
                ErrorClass::new("child")
            }
        })?;
        // In a forked mapping: when the parent knows that the child is gone.
        let ended_ns = MonotonicClock.now_ns();
        if measured {
            add.record(worker, &session.add, session.added_ns);
            remove.record(worker, &session.remove, session.removed_ns);
            let instants = [began_ns, session.connected_ns, session.queried_ns, ended_ns];
            for (phase, ends) in phases.iter().zip(instants.windows(2)) {
                worker.recorder().record(*phase, ends[1] - ends[0]);
            }
        }
        Ok(())
    });
    Finished { counts, ..finished }
}
