//! CPU of a connection, taken from a server run, for the model to burn.

use super::analysis::Analysis;
use crate::arm::Arm;

/// CPU that the server was seen to use for one connection, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCpu {
    /// For a bare fork and exit.
    pub fork_ns: u64,
    /// For the rest: authentication, catalogue loading, the statement, exit.
    pub session_ns: u64,
}

/// The server's CPU for a connection at the smallest number of standing connections, without what the
/// readers cost: that of `fork-only`, and `unpooled` minus `fork-only`. `None` where it was not counted,
/// or where the differences make no sense.
pub fn connection_cpu(analysis: &Analysis) -> Option<ConnectionCpu> {
    let level = analysis.levels.first()?;
    let server_ns = |arm| {
        let contender = level.contender(arm, false)?;
        // A debug build is struck for its times; CPU counts all the same.
        if contender.struck().is_some() && !analysis.run.provenance.debug_build {
            return None;
        }
        let cost = contender.cpu_cost.as_ref().filter(|c| c.net_of_readers)?;
        cost.server_ns()
    };
    let fork_ns = server_ns(Arm::ForkOnly)?;
    let session_ns = server_ns(Arm::Unpooled)? - fork_ns;
    (fork_ns > 0.0 && session_ns > 0.0).then_some(ConnectionCpu {
        fork_ns: fork_ns as u64,
        session_ns: session_ns as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::CpuGroup;
    use crate::stats::{Answer, analyse};
    use crate::testing::sample_run_with_cpu;

    /// Per transaction 20 us in `fork-only` and 50 us in `unpooled`, without the readers' part.
    #[test]
    fn it_is_what_the_table_of_costs_shows() {
        let mut run = sample_run_with_cpu();
        for arm in &mut run.head.config.arms {
            *arm = if *arm == Arm::KeptOpen {
                Arm::ForkOnly
            } else {
                *arm
            };
        }
        for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::KeptOpen) {
            block.arm = Arm::ForkOnly;
            let backends = block.cpu.groups.get_mut(&CpuGroup::Backends).unwrap();
            backends.used_ns -= 60 * 30_000;
        }
        let analysis = analyse(&run, Answer::Contrast, None);
        let expected = ConnectionCpu {
            fork_ns: 20_000,
            session_ns: 30_000,
        };
        assert_eq!(connection_cpu(&analysis), Some(expected));
        run.blocks.retain(|block| block.arm != Arm::Quiet);
        let without_quiet = analyse(&run, Answer::Contrast, None);
        assert_eq!(connection_cpu(&without_quiet), None);
    }
}
