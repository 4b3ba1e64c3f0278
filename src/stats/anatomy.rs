//! What a connection's time is made of: its phases at each level, and the server's own account beside them.
//!
//! Phases are recorded for a connection only if all of it went well, so every phase has the same count and
//! the means add up to the mean of the whole, to the histograms' three digits. Percentiles do not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate, Taken, ratio};
use super::contender::ContenderSummary;
use super::guard::{Guard, reasons};
use super::level::LevelSummary;
use super::rounds::Rounds;
use super::statistic::Statistic;
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::{Block, Operation, Phase, Role, Run, SeriesHistogram, SeriesKey, SetupSums};
use crate::seed::derive_seed;

use ConnectionPhase::{
    AfterExchange, Between, Challenge, Disconnect, Exchange, Query, Socket, Startup, Tls, Whole,
};

/// A part of a connection's time as the client's clock sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionPhase {
    /// connect() to connected.
    Socket,
    /// SSLRequest sent to the end of the handshake.
    Tls,
    /// Startup message sent to ReadyForQuery.
    Startup,
    /// Its first part, to the server's first authentication request, where there is one.
    Challenge,
    /// Its second part: that request received to the client's last answer sent.
    Exchange,
    /// Its last part, from there to ReadyForQuery.
    AfterExchange,
    /// The statement.
    Query,
    /// Terminate sent to the close.
    Disconnect,
    /// What lies between these, all of it the client's.
    Between,
    /// All of it.
    Whole,
}

/// Where the client records a phase.
type ClientSeries = Option<(Operation, Phase)>;

/// Every phase in the order of a connection's life, its name in tables and figures, and the client's series
/// that it is recorded in, unless it is a difference of others.
const PHASES: [(ConnectionPhase, &str, ClientSeries); 10] = [
    (Socket, "socket connect", part(Phase::Socket)),
    (Tls, "TLS handshake", part(Phase::Tls)),
    (Startup, "startup to ready", part(Phase::Startup)),
    (Challenge, "startup to challenge", part(Phase::Challenge)),
    (Exchange, "challenge to last answer", part(Phase::Exchange)),
    (AfterExchange, "last answer to ready", None),
    (Query, "query", whole(Operation::Query)),
    (Disconnect, "disconnect", whole(Operation::Disconnect)),
    (Between, "client between phases", None),
    (Whole, "whole connection", whole(Operation::Transaction)),
];

const fn part(of_connect: Phase) -> ClientSeries {
    Some((Operation::Connect, of_connect))
}

const fn whole(operation: Operation) -> ClientSeries {
    Some((operation, Phase::Total))
}

impl ConnectionPhase {
    /// All of them, in the order of a connection's life, the whole last.
    pub(super) fn all() -> impl Iterator<Item = ConnectionPhase> {
        PHASES.iter().map(|row| row.0)
    }

    /// Its name in tables and figures.
    pub fn name(self) -> &'static str {
        PHASES[self as usize].1
    }

    /// The series it is recorded in; `None` for what is a difference of others.
    pub(super) fn key(self) -> Option<SeriesKey> {
        let (operation, phase) = PHASES[self as usize].2?;
        Some(SeriesKey::service(Role::Client, operation, phase))
    }
}

/// One phase at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseTimes {
    /// Which.
    pub phase: ConnectionPhase,
    /// How many connections it was seen in.
    pub samples: u64,
    /// Its mean, with its 95 % interval over blocks.
    pub mean: Estimate,
    /// Median; `None` for what is a difference of means.
    pub p50: Option<Estimate>,
    /// 99th percentile; `None` also with fewer than ten samples above it.
    pub p99: Option<Estimate>,
    /// Whether it is one of the parts that add up to the whole.
    pub adds_up: bool,
}

/// A server's own account of its connections' setup (`log_connections = setup_durations`), means in ns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetupAccount {
    /// Connections it logged.
    pub connections: u64,
    /// accept() to ready for query.
    pub total: Estimate,
    /// The fork.
    pub fork: Estimate,
    /// Authentication, waiting for the client included.
    pub authentication: Estimate,
    /// The rest of the total.
    pub rest: Estimate,
}

/// What connections are made of at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anatomy {
    /// The level.
    pub factors: Factors,
    /// The arm whose connections these are.
    pub arm: Arm,
    /// Its phases, in the order of a connection's life, the whole last.
    pub phases: Vec<PhaseTimes>,
    /// Share of the whole's mean that is startup, 0 to 1.
    pub startup_share: Estimate,
    /// CPU that the server used in the blocks, over the connections, in ns; `None` where it is not known.
    pub server_cpu_ns: Option<f64>,
    /// The server's own account, if it gave one.
    pub server: Option<SetupAccount>,
    /// Why the numbers are not to be quoted, if so.
    pub struck: Option<String>,
    /// Reasons to read them with care.
    pub cautions: Vec<String>,
}

impl Anatomy {
    /// One phase.
    pub fn phase(&self, phase: ConnectionPhase) -> Option<&PhaseTimes> {
        self.phases.iter().find(|p| p.phase == phase)
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.phase(ConnectionPhase::Whole).map_or(0, |p| p.samples)
    }

    /// Mean of one phase.
    pub fn mean(&self, phase: ConnectionPhase) -> Option<Estimate> {
        self.phase(phase).map(|p| p.mean)
    }
}

/// The anatomy at every level, in their order, of every arm that connects for each transaction. The blocks of
/// an A/A twin are counted in.
pub(super) fn anatomies(run: &Run, levels: &[LevelSummary]) -> Vec<Anatomy> {
    let mut found = Vec::new();
    for (place, level) in levels.iter().enumerate() {
        for contender in level.contenders.iter().filter(|c| !c.twin) {
            let mut blocks = run.blocks_of(contender.arm, false, &level.factors);
            blocks.extend(run.blocks_of(contender.arm, true, &level.factors));
            let seed = derive_seed(run.config.seed, &[0x414E_4154, place as u64]);
            found.extend(anatomy(&level.factors, contender, &blocks, seed));
        }
    }
    found
}

fn anatomy(
    factors: &Factors,
    contender: &ContenderSummary,
    blocks: &[&Block],
    seed: u64,
) -> Option<Anatomy> {
    let none = SeriesHistogram::default();
    let rounds = |phase: ConnectionPhase| -> Option<(ConnectionPhase, Rounds)> {
        let key = phase.key()?;
        let series = blocks.iter().map(|b| b.series.get(&key).unwrap_or(&none));
        let rounds = Rounds::new(&series.collect::<Vec<_>>(), None);
        (rounds.sample_count() > 0).then_some((phase, rounds))
    };
    let mut recorded: Recorded = ConnectionPhase::all().filter_map(rounds).collect();
    let in_every_connection = [Startup, Whole, Socket, Query, Disconnect];
    if !in_every_connection.iter().all(|p| recorded.contains_key(p)) {
        return None;
    }
    let connections = recorded[&Startup].sample_count();
    // A phase that only some connections show is no part of their mean.
    let in_all = |phase| {
        let rounds = recorded.get(phase);
        rounds.is_some_and(|r: &Rounds| r.sample_count() == connections)
    };
    let is_asked = [Challenge, Exchange].iter().all(in_all);
    recorded.retain(|phase, _| is_asked || !matches!(phase, Challenge | Exchange));

    let bootstrap = Bootstrap::new(blocks.len(), seed);
    let times = |phase: ConnectionPhase| {
        let rounds = recorded.get(&phase);
        let percentile = |p| rounds?.estimate(&bootstrap, Statistic::Percentile(p));
        Some(PhaseTimes {
            phase,
            samples: rounds.map_or(connections, Rounds::sample_count),
            mean: bootstrap.estimate(|taken| mean(&recorded, phase, taken))?,
            p50: percentile(50.0),
            p99: percentile(99.0),
            adds_up: phase != Whole && (phase != Startup || !is_asked),
        })
    };
    let startup =
        |taken: &[Taken]| Some(mean(&recorded, Startup, taken)? / mean(&recorded, Whole, taken)?);
    let (struck, cautions) = reasons(&contender.guards, concerns);
    Some(Anatomy {
        factors: factors.clone(),
        arm: contender.arm,
        phases: ConnectionPhase::all().filter_map(times).collect(),
        startup_share: bootstrap.estimate(startup)?,
        server_cpu_ns: server_cpu(blocks, connections),
        server: setup_account(blocks, &bootstrap),
        struck,
        cautions,
    })
}

/// The phases that were recorded, each with the blocks' histograms.
type Recorded = BTreeMap<ConnectionPhase, Rounds>;

/// The mean of a phase in these blocks, in ns: of what was recorded, or of what lies between. Differences are
/// below zero only by the histograms' digits.
fn mean(recorded: &Recorded, phase: ConnectionPhase, taken: &[Taken]) -> Option<f64> {
    let of = |phase| recorded.get(&phase)?.statistic(taken, Statistic::Mean);
    Some(match phase {
        AfterExchange => (of(Startup)? - of(Challenge)? - of(Exchange)?).max(0.0),
        Between => {
            let named = [Socket, Startup, Query, Disconnect, Tls].into_iter();
            let named = named.filter(|phase| recorded.contains_key(phase));
            (of(Whole)? - named.map(of).sum::<Option<f64>>()?).max(0.0)
        }
        recorded => of(recorded)?,
    })
}

/// What concerns the readers' percentiles alone is left out.
fn concerns(guard: &Guard) -> bool {
    match guard {
        Guard::FewSamples { .. } | Guard::PacingLate | Guard::Censored => false,
        Guard::AchievedRate { role, .. } | Guard::Errors { role, .. } => *role == Role::Client,
        _ => true,
    }
}

fn server_cpu(blocks: &[&Block], connections: u64) -> Option<f64> {
    let used: Option<u64> = blocks.iter().map(|b| b.cpu.used_ns.get("server")).sum();
    Some(used? as f64 / connections.max(1) as f64)
}

fn setup_account(blocks: &[&Block], bootstrap: &Bootstrap) -> Option<SetupAccount> {
    let of_block = |b: &&Block| SetupSums::of_counters(&b.counters);
    let sums: Vec<SetupSums> = blocks.iter().map(of_block).collect::<Option<_>>()?;
    let mean_ns = |of_us: fn(&SetupSums) -> u64| {
        let pairs: Vec<(u64, u64)> = sums.iter().map(|s| (of_us(s), s.count)).collect();
        bootstrap.estimate(|taken| ratio(&pairs, taken, 1e3))
    };
    Some(SetupAccount {
        connections: sums.iter().map(|s| s.count).sum(),
        total: mean_ns(|s| s.total_us)?,
        fork: mean_ns(|s| s.fork_us)?,
        authentication: mean_ns(|s| s.authentication_us)?,
        rest: mean_ns(|s| s.total_us.saturating_sub(s.fork_us + s.authentication_us))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Answer, analyse};
    use crate::testing::connecting_run;

    fn value(anatomy: &Anatomy, phase: ConnectionPhase) -> f64 {
        anatomy.mean(phase).unwrap().value_ns
    }

    #[test]
    fn the_parts_add_up_to_the_whole_and_the_twins_blocks_are_counted_in() {
        let run = connecting_run();
        let found = analyse(&run, Answer::Phases, None).anatomies;
        let labels: Vec<_> = found
            .iter()
            .map(|a| a.factors.auth.unwrap().name())
            .collect();
        assert_eq!(labels, ["trust", "scram"]);
        for anatomy in &found {
            // 8 blocks of the arm and 8 of its twin, 50 connections each.
            assert_eq!(anatomy.connections(), 16 * 50);
            let whole = value(anatomy, ConnectionPhase::Whole);
            let sum: f64 = anatomy
                .phases
                .iter()
                .filter(|p| p.adds_up)
                .map(|p| p.mean.value_ns)
                .sum();
            assert!((sum - whole).abs() < 1e-9 * whole, "{sum} and {whole}");
            assert!(
                anatomy
                    .phases
                    .iter()
                    .all(|p| p.mean.low_ns <= p.mean.value_ns && p.mean.value_ns <= p.mean.high_ns)
            );
            let share = value(anatomy, ConnectionPhase::Startup) / whole;
            assert_eq!(anatomy.startup_share.value_ns, share);
        }
    }

    #[test]
    fn a_startup_is_split_only_where_every_connection_was_asked() {
        let run = connecting_run();
        let found = analyse(&run, Answer::Phases, None).anatomies;
        let adds_up = |a: &Anatomy, phase| a.phase(phase).map(|p| p.adds_up);
        assert_eq!(adds_up(&found[0], ConnectionPhase::Startup), Some(true));
        assert_eq!(adds_up(&found[0], ConnectionPhase::Challenge), None);
        assert_eq!(adds_up(&found[1], ConnectionPhase::Startup), Some(false));
        let parts = [
            ConnectionPhase::Challenge,
            ConnectionPhase::Exchange,
            ConnectionPhase::AfterExchange,
        ];
        assert!(parts.iter().all(|&p| adds_up(&found[1], p) == Some(true)));
        let sum: f64 = parts.iter().map(|&p| value(&found[1], p)).sum();
        assert!((sum - value(&found[1], ConnectionPhase::Startup)).abs() < 1e-6);
    }

    #[test]
    fn percentiles_need_ten_samples_above_and_differences_have_none() {
        let run = connecting_run();
        let found = analyse(&run, Answer::Phases, None).anatomies;
        let startup = found[0].phase(ConnectionPhase::Startup).unwrap();
        // 800 connections: 8 above p99.
        assert!(startup.p50.is_some() && startup.p99.is_none());
        let between = found[0].phase(ConnectionPhase::Between).unwrap();
        assert!(between.p50.is_none() && between.adds_up);
    }

    #[test]
    fn the_servers_account_is_its_sums_over_its_count() {
        let mut run = connecting_run();
        for block in &mut run.blocks {
            block.counters = SetupSums {
                count: 50,
                total_us: 50 * 1500,
                fork_us: 50 * 400,
                authentication_us: 50 * 100,
            }
            .counters();
        }
        let found = analyse(&run, Answer::Phases, None).anatomies;
        let account = found[0].server.as_ref().unwrap();
        assert_eq!(account.connections, 800);
        assert_eq!(account.total.value_ns, 1_500_000.0);
        assert_eq!(account.rest.value_ns, 1_000_000.0);
        // A block without its log: no account, rather than one of other connections.
        run.blocks[0].counters.clear();
        let found = analyse(&run, Answer::Phases, None).anatomies;
        assert_eq!(found.iter().filter(|a| a.server.is_none()).count(), 1);
    }

    #[test]
    fn arms_that_do_not_connect_have_no_anatomy() {
        let run = crate::testing::sample_run(8);
        assert_eq!(analyse(&run, Answer::Phases, None).anatomies, []);
    }
}
