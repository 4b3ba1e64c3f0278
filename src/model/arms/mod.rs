//! The arms in the model: the table that picks one, those that need nothing of their own, and one file for
//! each that does.

mod failed_login;
mod pool;
mod unpooled;

use super::client::{Client, ClientArm, run};
use super::worker_thread::Finished;
use crate::arm::Arm;
use crate::clock::burn_cpu;
use crate::load::{Cancel, Worker};
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation};

/// Does a client's part of a block on the calling thread.
pub(super) type RunClient<L> = fn(Worker, &Cancel, Client<'_, L>) -> Finished;

/// What the clients of `arm` do; none where it has no clients in the model.
pub(super) fn client_of<L: SharedExclusiveLock>(arm: Arm) -> Option<RunClient<L>> {
    match arm {
        Arm::Quiet | Arm::Pgbouncer | Arm::PgbouncerKept => None,
        Arm::KeptOpen => Some(run::<L, KeptOpen>),
        Arm::Unpooled => Some(run::<L, unpooled::Unpooled<L>>),
        Arm::Pool => Some(run::<L, pool::Pooled>),
        Arm::ForkOnly => Some(run::<L, ForkOnly>),
        Arm::FailedLogin => Some(run::<L, failed_login::FailedLogin<L>>),
        Arm::Vacuum => Some(run::<L, Vacuum>),
        Arm::Commit => Some(run::<L, Commit>),
        Arm::CpuBurn => Some(run::<L, CpuBurn>),
    }
}

/// Arms that do the same thing again and again, with nothing kept between two transactions.
macro_rules! plain_arms {
    ($(
        $(#[$doc:meta])*
        $arm:ident { $(const $name:ident: $type:ty = $value:expr;)* } = |$client:ident| $transaction:expr;
    )+) => {$(
        $(#[$doc])*
        struct $arm;

        impl<L: SharedExclusiveLock> ClientArm<L> for $arm {
            $(const $name: $type = $value;)*

            fn new(_: &Client<'_, L>, _: &mut Worker) -> Self {
                Self
            }

            #[inline]
            fn transaction(
                &mut self,
                $client: &mut Client<'_, L>,
                _: &mut Worker,
                _: bool,
            ) -> Result<(), ErrorClass> {
                $transaction;
                Ok(())
            }
        }
    )+};
}

plain_arms! {
    /// Statements on a persistent connection.
    KeptOpen { const IS_SHORT: bool = true; } = |client| {
        let snapshots = client.config.snapshots_per_statement;
        client.backend.statement(client.array, snapshots, &mut client.counts);
    };

    /// Small writes on a persistent connection.
    Commit {
        const IS_SHORT: bool = true;
        const RECORDED_AS: Option<Operation> = Some(Operation::Commit);
    } = |client| {
        let snapshots = client.config.snapshots_per_statement;
        let subtransactions = (&client.config.background).into();
        client.backend.commit(client.array, snapshots, subtransactions, &mut client.counts);
    };

    /// VACUUMs of an empty table on a persistent connection.
    Vacuum {
        const IS_SHORT: bool = true;
        const RECORDED_AS: Option<Operation> = Some(Operation::Vacuum);
    } = |client| client.backend.vacuum(client.array, &mut client.counts);

    /// The CPU of a fork, and no ProcArray.
    ForkOnly {} = |client| burn_cpu(client.config.fork_cpu_ns);

    /// The CPU of a whole connection, and no ProcArray.
    CpuBurn {} = |client| burn_cpu(client.config.fork_cpu_ns + client.config.session_cpu_ns);
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
