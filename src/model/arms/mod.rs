//! The arms in the model: one file per arm, and the table that picks one.

mod commit;
mod cpu_burn;
mod failed_login;
mod fork_only;
mod kept_open;
mod pool;
mod unpooled;
mod vacuum;

use super::client::{Client, run};
use super::worker_thread::Finished;
use crate::arm::Arm;
use crate::load::{Cancel, Worker};
use crate::procarray::locks::SharedExclusiveLock;

/// Does a client's part of a block on the calling thread.
pub(super) type RunClient<L> = fn(Worker, &Cancel, Client<'_, L>) -> Finished;

/// What the clients of `arm` do; none where it has no clients in the model.
pub(super) fn client_of<L: SharedExclusiveLock>(arm: Arm) -> Option<RunClient<L>> {
    match arm {
        Arm::Quiet | Arm::Pgbouncer | Arm::PgbouncerKept => None,
        Arm::KeptOpen => Some(run::<L, kept_open::KeptOpen>),
        Arm::Unpooled => Some(run::<L, unpooled::Unpooled<L>>),
        Arm::Pool => Some(run::<L, pool::Pooled>),
        Arm::ForkOnly => Some(run::<L, fork_only::ForkOnly>),
        Arm::FailedLogin => Some(run::<L, failed_login::FailedLogin<L>>),
        Arm::Vacuum => Some(run::<L, vacuum::Vacuum>),
        Arm::Commit => Some(run::<L, commit::Commit>),
        Arm::CpuBurn => Some(run::<L, cpu_burn::CpuBurn>),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::procarray::locks::{LockKind, LockVisitor};

    struct HasClients(Arm);
    impl LockVisitor for HasClients {
        type Output = bool;
        fn visit<L: SharedExclusiveLock>(self) -> bool {
            client_of::<L>(self.0).is_some()
        }
    }

    #[test]
    fn every_arm_of_the_model_but_quiet_has_clients() {
        for arm in Arm::all() {
            let expected = arm.exists_in(Mode::Model) && arm != Arm::Quiet;
            let has = LockKind::default().visit(HasClients(arm));
            assert_eq!(has, expected, "{arm}");
        }
    }
}
