//! CPU of a connection, taken from a server run, for the model to burn.

use crate::arm::Arm;
use crate::stats::Analysis;

/// CPU that the server was seen to use for one connection, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCpu {
    /// For a bare fork and exit.
    pub fork_ns: u64,
    /// For the rest: authentication, catalogue loading, the statement, exit.
    pub session_ns: u64,
}

/// The server's CPU for a connection at the smallest number of standing
/// connections: `fork-only` minus `quiet`, and `unpooled` minus `fork-only`,
/// over the connections offered. `None` where it was not counted, or where the
/// differences make no sense.
pub fn connection_cpu(analysis: &Analysis) -> Option<ConnectionCpu> {
    let run = &analysis.run;
    let rate = run.client_rate_per_second?;
    let level = analysis.levels.first()?;
    let cores = |arm| {
        let contender = level.contender(arm, false)?;
        // A debug build is struck for its times; CPU counts all the same.
        if contender.struck().is_some() && !run.provenance.debug_build {
            return None;
        }
        contender.cpu_cores.get("server").copied()
    };
    let fork = (cores(Arm::ForkOnly)? - cores(Arm::Quiet)?) / rate * 1e9;
    let session = (cores(Arm::Unpooled)? - cores(Arm::ForkOnly)?) / rate * 1e9;
    (fork > 0.0 && session > 0.0).then_some(ConnectionCpu {
        fork_ns: fork as u64,
        session_ns: session as u64,
    })
}
