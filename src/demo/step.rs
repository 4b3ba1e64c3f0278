//! The steps of a demonstration, and the configuration that they share.

use crate::arm::Arm;
use crate::config::Config;
use crate::experiment::{self, Scale};
use crate::factor::{ClientRate, OfferedRate};
use crate::record::Block;

/// What is shown for some seconds.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// What the clients do.
    pub title: &'static str,
    /// What to look at, in one sentence.
    pub look: &'static str,
    /// What not to conclude, in one sentence.
    pub beware: &'static str,
    /// The arm.
    pub arm: Arm,
    /// Whether it is beside the standing connections.
    pub crowded: bool,
}

static STEPS: [Step; 7] = [
    Step {
        title: "Connections stay open",
        look: "The calm: every transaction finds its connection open. These numbers stay drawn as the calm line.",
        beware: "Not how fast this server can be: load and server share one machine, and the rate is given.",
        arm: Arm::KeptOpen,
        crowded: false,
    },
    Step {
        title: "Reconnecting for each transaction",
        look: "The same transactions per second, each on a new connection: CPU, and the p99 of clients that never reconnect.",
        beware: "Not yet the lock: forks are in it. Why p50 may fall was not measured.",
        arm: Arm::Unpooled,
        crowded: false,
    },
    Step {
        title: "Through a pool in the client",
        look: "The same transactions on a few connections that stay open: everything is back at the calm line.",
        beware: "Not that any size will do: a pool that is too small makes its own clients wait.",
        arm: Arm::Pool,
        crowded: false,
    },
    Step {
        title: "Reconnecting, but to PgBouncer",
        look: "Clients reconnect as before, but to PgBouncer: connections/s counts only those to the server, and the forks are gone.",
        beware: "Not that it is free: PgBouncer uses CPU of its own, and adds a hop.",
        arm: Arm::Pgbouncer,
        crowded: false,
    },
    Step {
        title: "Forks only",
        look: "As many forks, but the socket closes before the backend joins the ProcArray: so much of step 2 was only that.",
        beware: "Not a whole connection without its lock: authentication and the catalogue are missing as well.",
        arm: Arm::ForkOnly,
        crowded: false,
    },
    Step {
        title: "Reconnecting beside standing connections",
        look: "Each new backend touches the entries of those before it while it holds ProcArrayLock: watch the slow share.",
        beware: "Not that idle connections cost running queries much: it takes somebody who connects.",
        arm: Arm::Unpooled,
        crowded: true,
    },
    Step {
        title: "The same, page faults taken out of the lock",
        look: "The same connections and faults, but before they take ProcArrayLock: what falls here was the lock's part.",
        beware: "Not a setting: a small library of procbench's own does it, in a server that it starts.",
        arm: Arm::Premapped,
        crowded: true,
    },
];

/// All steps, in order.
pub fn steps() -> &'static [Step] {
    &STEPS
}

/// Measured length of a block, and warm-up before it, in ns: what is seen moves once a second.
const BLOCK_NS: (u64, u64) = (900_000_000, 50_000_000);
/// Transactions per second, where nothing else is asked for: far below what any arm sustains.
const CLIENT_RATE: f64 = 80.0;
/// Standing connections of the crowded steps, where nothing else is asked for.
const CROWD: u32 = 2_000;

/// What a demonstration asks of its server.
pub fn config() -> Result<Config, String> {
    let churn_tail = experiment::find("churn-tail").map_err(|e| e.to_string())?;
    let mut config = churn_tail.config(crate::arm::Mode::Server, Scale::Quick);
    let mut arms: Vec<Arm> = STEPS.iter().map(|s| s.arm).collect();
    arms.sort();
    arms.dedup();
    config.arms = arms;
    config.factors.standing = vec![0, CROWD];
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(CLIENT_RATE));
    (config.duration_ns, config.warmup_ns) = BLOCK_NS;
    (config.blocks, config.starts) = (1, 1);
    Ok(config)
}

impl Step {
    /// The number of a block's step among all.
    pub(super) fn of(block: &Block) -> Option<usize> {
        let crowded = block.factors.standing > 0;
        let of_arm = |s: &Step| s.arm == block.arm;
        let exact = STEPS.iter().position(|s| of_arm(s) && s.crowded == crowded);
        exact.or_else(|| STEPS.iter().position(of_arm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_sound_and_has_every_step() {
        let config = config().unwrap();
        config.validate().unwrap();
        for step in steps() {
            assert!(config.arms.contains(&step.arm));
            assert_eq!(
                config.leaves_out(step.arm, &config.levels()[1], Some(15)),
                None
            );
        }
        assert_eq!(steps()[0].arm, Arm::KeptOpen);
    }

    #[test]
    fn sentences_are_one_each_and_fit_two_lines_of_eighty() {
        for step in steps() {
            for text in [step.look, step.beware] {
                assert!(text.ends_with('.') && text.len() <= 140, "{text}");
            }
            assert!(step.title.len() <= 50, "{}", step.title);
        }
    }
}
