//! Connections of one client, one after the other.

use super::client::Client;
use super::lock_times::LockTimes;
use super::session::{Forking, Session, SessionError, Steps, in_child, in_thread};
use crate::clock::{Clock, MonotonicClock};
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{MappingKind, Snapshot};
use crate::record::{ErrorClass, Operation, Role};

/// Makes connections in the client's thread or, with `--mapping forked`, in forked children.
pub(super) struct Connector<L> {
    add: LockTimes,
    remove: LockTimes,
    /// The memory of a snapshot, which goes from one new backend to the next.
    memory: Option<Snapshot>,
    forking: Option<Forking<L>>,
}

impl<L: SharedExclusiveLock> Connector<L> {
    pub(super) fn new(client: &Client<'_, L>, worker: &mut Worker) -> Self {
        let forks = client.array.config().mapping == MappingKind::Forked;
        Self {
            add: LockTimes::declare(worker, Role::Client, Operation::ProcArrayAdd),
            remove: LockTimes::declare(worker, Role::Client, Operation::ProcArrayRemove),
            memory: None,
            // Without memory for them no child can be heard: every connection then is an error.
            forking: forks.then(|| Forking::new(client.array)).flatten(),
        }
    }

    /// One connection: joins the array, goes through `steps` and leaves. The CPU of a fork is burnt
    /// in front of it, or is that of a real one. Returns when it began and ended, and its session.
    ///
    /// # Errors
    /// The class of the failure.
    pub(super) fn connection(
        &mut self,
        client: &mut Client<'_, L>,
        worker: &mut Worker,
        measured: bool,
        steps: Steps,
    ) -> Result<(u64, Session, u64), ErrorClass> {
        let array = client.array;
        let memory = self.memory.take();
        let memory = memory.unwrap_or_else(|| array.new_snapshot());
        let began_ns = MonotonicClock.now_ns();
        let (session, memory, outcome) = match &mut self.forking {
            Some(forking) => in_child(array, memory, steps, forking),
            None if array.config().mapping == MappingKind::Forked => {
                self.memory = Some(memory);
                return Err(ErrorClass::new("no-mapping"));
            }
            None => in_thread(array, memory, steps, client.config.fork_cpu_ns),
        };
        self.memory = Some(memory);
        client.counts += session.counts;
        match outcome {
            Ok(()) => {}
            Err(SessionError::Connection(class)) => return Err(class),
            Err(SessionError::ProcArrayLock(failure)) => {
                client.lock_loss.report(format!(
                    "{failure} where it may have held ProcArrayLock, which nobody can get any more (a PostgreSQL server would restart)"
                ));
                return Err(ErrorClass::new("child"));
            }
        }
        // In a forked mapping: when the parent knows that the child is gone.
        let ended_ns = MonotonicClock.now_ns();
        if measured {
            self.add.record(worker, &session.add, session.added_ns);
            self.remove
                .record(worker, &session.remove, session.removed_ns);
        }
        Ok((began_ns, session, ended_ns))
    }
}
