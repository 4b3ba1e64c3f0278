//! The arms in the model: the table that picks one, with those that need nothing of their own in it.

mod pool;
mod unpooled;

use super::worker_thread::{Finished, RoleContext, RunRole, repeat};
use crate::arm::Arm;
use crate::clock::burn_cpu;
use crate::config::ModelConfig;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::Operation;

/// What the clients of `arm` do; none where it has no clients in the model.
pub(super) fn client_of<L: SharedExclusiveLock>(arm: Arm) -> Option<RunRole<L>> {
    let run: RunRole<L> = match arm {
        Arm::Quiet | Arm::Pgbouncer | Arm::PgbouncerKept => return None,
        // Statements on a persistent connection.
        Arm::KeptOpen => |client| {
            client.persistent(None, |backend, config| {
                backend.statement(config.snapshots_per_statement);
            })
        },
        // Small writes on a persistent connection.
        Arm::Commit => |client| {
            client.persistent(Some(Operation::Commit), |backend, config| {
                backend.commit(config.snapshots_per_statement, &config.background);
            })
        },
        // VACUUMs of an empty table on a persistent connection.
        Arm::Vacuum => {
            |client| client.persistent(Some(Operation::Vacuum), |backend, _| backend.vacuum())
        }
        Arm::Pool => pool::run,
        Arm::Unpooled => |client| unpooled::run(client, None),
        Arm::Premapped => |client| unpooled::run(client, Arm::Premapped.premapping()),
        Arm::PremappedFew => |client| unpooled::run(client, Arm::PremappedFew.premapping()),
        Arm::FailedLogin => unpooled::fail_login,
        // The CPU of a fork, and no ProcArray.
        Arm::ForkOnly => |client| burn(client, |config| config.fork_cpu_ns),
        // The CPU of a whole connection, and no ProcArray.
        Arm::CpuBurn => |client| burn(client, |c| c.fork_cpu_ns + c.session_cpu_ns),
    };
    Some(run)
}

/// Burns so much CPU again and again.
fn burn<L>(client: RoleContext<'_, L>, cpu_ns: fn(&ModelConfig) -> u64) -> Finished {
    let cpu_ns = cpu_ns(client.config);
    repeat(client.worker, client.stop, None, |_, _| {
        burn_cpu(cpu_ns);
        Ok(())
    })
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
        for &arm in Arm::ALL {
            let expected = arm.exists_in(Mode::Model) && arm != Arm::Quiet;
            let has = LockKind::default().visit(HasClients(arm));
            assert_eq!(has, expected, "{arm}");
        }
    }
}
