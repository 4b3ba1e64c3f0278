//! The phases of connections, estimated at each level.
//!
//! Phases are recorded for a connection only if all of it went well, so every phase has the same count and
//! the means add up to the mean of the whole, to the histograms' three digits. Percentiles do not.

use super::anatomy::{Anatomy, ConnectionPhase, PhaseTimes, SetupAccount};
use super::contender::ContenderSummary;
use super::contrast::{Estimate, estimates, interval, resamplings};
use super::guard::{Guard, reasons};
use super::level::LevelSummary;
use super::rounds::Rounds;
use super::statistic::Statistic;
use crate::factor::Factors;
use crate::record::{Block, Role, Run, SeriesHistogram, SetupSums};
use crate::seed::derive_seed;

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

/// The blocks' histograms of one phase, an empty one where a block has none.
struct Series<'a> {
    blocks: Vec<&'a SeriesHistogram>,
    rounds: Rounds,
}

impl<'a> Series<'a> {
    fn of(phase: ConnectionPhase, blocks: &[&'a Block], none: &'a SeriesHistogram) -> Option<Self> {
        let key = phase.key()?;
        let blocks: Vec<_> = blocks
            .iter()
            .map(|b| b.series.get(&key).unwrap_or(none))
            .collect();
        let rounds = Rounds::new(&blocks);
        (rounds.sample_count() > 0).then_some(Series { blocks, rounds })
    }

    fn mean(&self, weights: &[u32]) -> Option<f64> {
        self.rounds.statistics(weights, &[Statistic::Mean])[0]
    }

    fn percentile(&self, p: f64, seed: u64) -> Option<Estimate> {
        let statistic = Statistic::Percentile(p);
        if !statistic.is_carried_by(self.rounds.sample_count()) {
            return None;
        }
        estimates(&self.blocks, &[statistic], seed)[0]
    }
}

/// Multiplicities of the blocks: every quantity of a level is resampled by the same ones.
struct Resampled {
    once: Vec<u32>,
    weights: Vec<Vec<u32>>,
}

impl Resampled {
    fn new(blocks: usize, seed: u64) -> Self {
        Resampled {
            once: vec![1; blocks],
            weights: resamplings(blocks, seed).collect(),
        }
    }

    /// A quantity with its 95 % interval; `None` if it is not there.
    fn estimate(&self, of: &dyn Fn(&[u32]) -> Option<f64>) -> Option<Estimate> {
        let resampled = self.weights.iter().filter_map(|w| of(w)).collect();
        Some(interval(of(&self.once)?, resampled))
    }
}

fn anatomy(
    factors: &Factors,
    contender: &ContenderSummary,
    blocks: &[&Block],
    seed: u64,
) -> Option<Anatomy> {
    let none = SeriesHistogram::new();
    let series = |phase| Series::of(phase, blocks, &none);
    let [startup, whole] = [
        series(ConnectionPhase::Startup)?,
        series(ConnectionPhase::Whole)?,
    ];
    let [socket, query, disconnect] = [
        series(ConnectionPhase::Socket)?,
        series(ConnectionPhase::Query)?,
        series(ConnectionPhase::Disconnect)?,
    ];
    let connections = startup.rounds.sample_count();
    // A phase that only some connections show is no part of their mean.
    let in_all = |s: &Series<'_>| s.rounds.sample_count() == connections;
    let asked = series(ConnectionPhase::Challenge)
        .filter(in_all)
        .zip(series(ConnectionPhase::Exchange).filter(in_all));

    let resampled = Resampled::new(blocks.len(), seed);
    let estimate = |of: &dyn Fn(&[u32]) -> Option<f64>| resampled.estimate(of);
    let recorded = |phase, s: &Series<'_>, adds_up| -> Option<PhaseTimes> {
        Some(PhaseTimes {
            phase,
            samples: s.rounds.sample_count(),
            mean: estimate(&|w| s.mean(w))?,
            p50: s.percentile(50.0, seed),
            p99: s.percentile(99.0, seed),
            adds_up,
        })
    };
    let difference = |phase, of: &dyn Fn(&[u32]) -> Option<f64>| -> Option<PhaseTimes> {
        Some(PhaseTimes {
            phase,
            samples: connections,
            // Below zero only by the histograms' digits.
            mean: estimate(&|w| Some(of(w)?.max(0.0)))?,
            p50: None,
            p99: None,
            adds_up: true,
        })
    };
    let tls = series(ConnectionPhase::Tls);
    let mut phases = vec![recorded(ConnectionPhase::Socket, &socket, true)?];
    if let Some(tls) = &tls {
        phases.extend(recorded(ConnectionPhase::Tls, tls, true));
    }
    phases.extend(recorded(
        ConnectionPhase::Startup,
        &startup,
        asked.is_none(),
    ));
    if let Some((challenge, exchange)) = &asked {
        phases.extend(recorded(ConnectionPhase::Challenge, challenge, true));
        phases.extend(recorded(ConnectionPhase::Exchange, exchange, true));
        phases.extend(difference(ConnectionPhase::AfterExchange, &|w| {
            Some(startup.mean(w)? - challenge.mean(w)? - exchange.mean(w)?)
        }));
    }
    phases.extend([
        recorded(ConnectionPhase::Query, &query, true)?,
        recorded(ConnectionPhase::Disconnect, &disconnect, true)?,
        difference(ConnectionPhase::Between, &|w| {
            let named = [&socket, &startup, &query, &disconnect].into_iter();
            let sum: Option<f64> = named.chain(&tls).map(|s| s.mean(w)).sum();
            Some(whole.mean(w)? - sum?)
        })?,
        recorded(ConnectionPhase::Whole, &whole, false)?,
    ]);
    let (struck, cautions) = reasons(&contender.guards, concerns);
    Some(Anatomy {
        factors: factors.clone(),
        arm: contender.arm,
        phases,
        startup_share: estimate(&|w| Some(startup.mean(w)? / whole.mean(w)?))?,
        server_cpu_ns: server_cpu(blocks, connections),
        server: setup_account(blocks, &resampled),
        struck,
        cautions,
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

fn setup_account(blocks: &[&Block], resampled: &Resampled) -> Option<SetupAccount> {
    let sums: Option<Vec<SetupSums>> = blocks
        .iter()
        .map(|b| SetupSums::of_counters(&b.counters))
        .collect();
    let sums = sums?;
    let mean_ns = |of: fn(&SetupSums) -> u64| {
        resampled.estimate(&|weights| {
            let weighted = |of: &dyn Fn(&SetupSums) -> u64| -> f64 {
                let pairs = sums.iter().zip(weights);
                pairs.map(|(s, w)| of(s) as f64 * f64::from(*w)).sum()
            };
            let over = weighted(&|s| s.count);
            (over > 0.0).then(|| 1e3 * weighted(&of) / over)
        })
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
        let found = analyse(&run, Answer::Phases).anatomies;
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
        let found = analyse(&run, Answer::Phases).anatomies;
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
        let found = analyse(&run, Answer::Phases).anatomies;
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
        let found = analyse(&run, Answer::Phases).anatomies;
        let account = found[0].server.as_ref().unwrap();
        assert_eq!(account.connections, 800);
        assert_eq!(account.total.value_ns, 1_500_000.0);
        assert_eq!(account.rest.value_ns, 1_000_000.0);
        // A block without its log: no account, rather than one of other connections.
        run.blocks[0].counters.clear();
        let found = analyse(&run, Answer::Phases).anatomies;
        assert_eq!(found.iter().filter(|a| a.server.is_none()).count(), 1);
    }

    #[test]
    fn arms_that_do_not_connect_have_no_anatomy() {
        let run = crate::testing::sample_run(8);
        assert_eq!(analyse(&run, Answer::Phases).anatomies, []);
    }
}
