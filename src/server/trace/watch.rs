//! One start's trace: attached or not, and whose processes are whose.

use std::cell::{Cell, RefCell};

use super::account::{Account, Roles};
use super::tracer::{TraceError, Tracer};
use crate::clock::{Clock, MonotonicClock};
use crate::config::Tracing;
use crate::load::Window;
use crate::procfs;
use crate::record::BlockRecord;

/// Who the processes of a server are, and its trace once there is one.
pub(in crate::server) struct Watch {
    postmaster: Option<u32>,
    roles: Roles,
    tracer: RefCell<Option<Tracer>>,
    /// It could not be attached, which may have taken half a minute: once per start is enough.
    gave_up: Cell<bool>,
}

impl Watch {
    /// Of a server to which nobody has connected yet.
    pub(in crate::server) fn of(postmaster: Option<u32>) -> Self {
        let children = postmaster.and_then(procfs::children);
        Watch {
            postmaster,
            roles: Roles {
                auxiliary: children.into_iter().flatten().collect(),
                ..Roles::default()
            },
            tracer: RefCell::new(None),
            gave_up: Cell::new(false),
        }
    }

    /// To be called when the readers have connected, and nobody else.
    pub(in crate::server) fn note_readers(&mut self) {
        let children = self.postmaster.and_then(procfs::children);
        let new = children.into_iter().flatten();
        let auxiliary = &self.roles.auxiliary;
        self.roles.readers = new.filter(|pid| !auxiliary.contains(pid)).collect();
    }

    /// Attaches; until this is dropped every block is traced.
    ///
    /// # Errors
    /// What is missing, or what bpftrace said.
    pub(in crate::server) fn attach(&self, tracing: Tracing) -> Result<(), TraceError> {
        let postmaster = self.postmaster.ok_or(TraceError::NotOurs)?;
        let tracer = Tracer::attach(postmaster, &self.roles.readers, tracing);
        self.gave_up.set(tracer.is_err());
        self.tracer.replace(Some(tracer?));
        Ok(())
    }

    /// Whether attaching failed.
    pub(in crate::server) fn gave_up(&self) -> bool {
        self.gave_up.get()
    }

    /// Takes the probes away.
    pub(in crate::server) fn detach(&self) {
        self.tracer.take();
    }

    /// Whether blocks are traced now.
    pub(in crate::server) fn is_attached(&self) -> bool {
        self.tracer.borrow().is_some()
    }

    /// What readers and clients did with the locks from the start of a block's load until now, and where the readers'
    /// statements spent their time, the slow ones apart where a threshold is known; `None` where nothing is traced.
    ///
    /// # Errors
    /// When the trace is not whole.
    pub(in crate::server) fn account(
        &self,
        window: &Window,
        record: &BlockRecord,
        slow_over_ns: Option<u64>,
    ) -> Option<Result<Account, TraceError>> {
        let mut tracer = self.tracer.borrow_mut();
        let tracer = tracer.as_mut()?;
        let tracing = tracer.tracing;
        let events = tracer.events(window.start_ns, MonotonicClock.now_ns());
        Some(events.map(|events| {
            let mut account = Account::of(&events, &self.roles, tracing);
            account.split(&events, &record.statements, slow_over_ns);
            account
        }))
    }
}
