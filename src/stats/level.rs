//! One level in numbers: its contenders, the noise floor, and the arms' effects.

use serde::Serialize;

use super::contender::{ContenderSummary, summarize_contender};
use super::contrast::{Cell, Contrast, contrasts};
use super::guard::Guard;
use super::guards::findings;
use super::statistic::{Statistic, quoted_series};
use super::verdict::{ERROR_RATE, Rule, Verdict};
use crate::arm::Arm;
use crate::config::Config;
use crate::factor::Factors;
use crate::record::{Block, CpuGroup, Run, SeriesHistogram, SeriesKey};

/// Everything at one level.
#[derive(Debug, Clone, Serialize)]
pub struct LevelSummary {
    /// The level.
    pub factors: Factors,
    /// The contenders, in order of presentation, the A/A twin last.
    pub contenders: Vec<ContenderSummary>,
    /// The baseline minus its own A/A twin: a check of the test, not part of a verdict.
    pub noise: Vec<Contrast>,
    /// Each arm minus the baseline, and the pairs of arms that tell the causes apart.
    pub effects: Vec<Effect>,
    /// `unpooled` minus the baseline in service time.
    pub service: Vec<(Contrast, Verdict)>,
    /// CPU of an operation of `cpu-burn` over what a transaction of `unpooled` costs the server.
    pub burn_ratio: Option<f64>,
}

/// A contrast and what it lets one say; `None` where it was not measured.
pub type Found = Option<(Contrast, Verdict)>;

/// One contender minus another, at one level.
#[derive(Debug, Clone, Serialize)]
pub struct Effect {
    /// First contender.
    pub first: Arm,
    /// Second contender.
    pub second: Arm,
    /// Contrasts with their verdicts, one a statistic.
    pub contrasts: Vec<(Contrast, Verdict)>,
}

impl Effect {
    /// The contrast of one statistic.
    pub fn at(&self, statistic: Statistic) -> Option<&(Contrast, Verdict)> {
        self.contrasts.iter().find(|c| c.0.statistic == statistic)
    }
}

impl LevelSummary {
    /// The run's rule here: without the bound where the threshold of slow statements is too high.
    pub(super) fn rule(&self, rule: Rule) -> Rule {
        let guards = self.contenders.iter().flat_map(|c| &c.guards);
        let mut too_high = guards.filter(|g| matches!(g, Guard::ThresholdTooHigh { .. }));
        Rule {
            smaller_than: rule.smaller_than.filter(|_| too_high.next().is_none()),
            ..rule
        }
    }

    /// The A/A check of one statistic.
    pub fn check(&self, statistic: Statistic) -> Option<&Contrast> {
        self.noise.iter().find(|c| c.statistic == statistic)
    }

    /// The p-value of that check where it is in alarm: two sets of blocks of one arm differ.
    pub fn alarm(&self, statistic: Statistic) -> Option<f64> {
        let p_value = self.check(statistic)?.p_value;
        p_value.filter(|p| *p <= ERROR_RATE)
    }

    /// One contender.
    pub fn contender(&self, arm: Arm, twin: bool) -> Option<&ContenderSummary> {
        self.contenders
            .iter()
            .find(|c| c.arm == arm && c.twin == twin)
    }

    /// Whether an arm's blocks are struck out; absent ones are not.
    pub fn is_struck(&self, arm: Arm) -> bool {
        self.contender(arm, false)
            .is_some_and(|c| c.struck().is_some())
    }

    /// Whether an arm's A/A twin is absent or struck out: it gives no noise floor.
    pub fn is_twin_struck(&self, arm: Arm) -> bool {
        self.contender(arm, true)
            .is_none_or(|twin| twin.struck().is_some())
    }

    /// `unpooled` minus the baseline in service time.
    pub fn service_at(&self, statistic: Statistic) -> Found {
        let mut service = self.service.iter();
        service.find(|c| c.0.statistic == statistic).copied()
    }

    /// What a transaction of each contender costs, less what `quiet` says of the readers.
    fn cpu_costs(&mut self) {
        let quiet = self.contender(Arm::Quiet, false).map(|q| q.cpu.clone());
        for contender in &mut self.contenders {
            contender.cpu_cost = contender.cpu.per_transaction(quiet.as_ref());
        }
        let cost = |arm| self.contender(arm, false)?.cpu_cost.as_ref();
        let ratio = cost(Arm::Unpooled)
            .filter(|c| c.net_of_readers)
            .and_then(|c| c.server_ns())
            .and_then(|server| Some(cost(Arm::CpuBurn)?.ns.get(&CpuGroup::Burner)? / server));
        self.burn_ratio = ratio;
    }

    /// The contrast of one arm with another at a statistic.
    pub fn found(&self, first: Arm, second: Arm, statistic: Statistic) -> Found {
        self.effect(first, second)?.at(statistic).copied()
    }

    /// The effect of one arm against another.
    pub fn effect(&self, first: Arm, second: Arm) -> Option<&Effect> {
        self.effects
            .iter()
            .find(|e| e.first == first && e.second == second)
    }
}

/// Where the primary outcome is read: the level that the others depart from, or the first with the largest number
/// of standing connections.
pub(super) fn primary_level<'l>(
    config: &Config,
    levels: &'l [LevelSummary],
) -> Option<&'l LevelSummary> {
    if config.has_departures() {
        let first = config.levels().into_iter().next()?;
        return levels.iter().find(|l| l.factors.agrees_with(&first));
    }
    let largest = levels.iter().map(|l| l.factors.standing).max()?;
    levels.iter().find(|l| l.factors.standing == largest)
}

pub(super) fn summarize_level(run: &Run, factors: &Factors, rule: Rule) -> LevelSummary {
    let summary = |(arm, twin)| {
        let blocks = run.blocks_of(arm, twin, factors);
        (!blocks.is_empty()).then(|| summarize_contender(run, arm, twin, &blocks))
    };
    let contenders = run.contenders().into_iter().filter_map(summary).collect();
    let mut level = LevelSummary {
        factors: factors.clone(),
        contenders,
        noise: Vec::new(),
        effects: Vec::new(),
        service: Vec::new(),
        burn_ratio: None,
    };
    level.cpu_costs();
    for contender in &mut level.contenders {
        contender.guards = findings(run, factors, contender, level.burn_ratio);
    }
    let Some(base) = Arm::baseline(&run.config.arms) else {
        return level;
    };
    let rule = level.rule(rule);
    let between = |first, second| paired_contrasts(run, factors, first, second);
    let judged = |first: Side, second: Side| -> Vec<(Contrast, Verdict)> {
        let struck = level.is_struck(first.0) || level.is_struck(second.0);
        let contrasts = between(first, second).into_iter();
        contrasts.map(|c| (c, rule.judge(&c, struck))).collect()
    };
    let service = Some(SeriesKey::READER_SERVICE);
    let noise = match level.is_twin_struck(base) {
        true => Vec::new(),
        false => between((base, false, None), (base, true, None)),
    };
    let service = judged((Arm::Unpooled, false, service), (base, false, service));
    let arms = run.config.arms.iter().filter(|&&arm| arm != base);
    let mut pairs: Vec<(Arm, Arm)> = arms.map(|&arm| (arm, base)).collect();
    for pair in CAUSES {
        if !pairs.contains(&pair) && pair.0 != base {
            pairs.push(pair);
        }
    }
    let effects = pairs.into_iter().map(|(first, second)| Effect {
        first,
        second,
        contrasts: judged((first, false, None), (second, false, None)),
    });
    let effects = effects.filter(|e| !e.contrasts.is_empty()).collect();
    level.noise = noise;
    level.effects = effects;
    level.service = service;
    level
}

/// What tells the causes apart: CPU, the lock's part at equal work, what a patch could gain, the rest.
const CAUSES: [(Arm, Arm); 7] = [
    (Arm::Unpooled, Arm::ForkOnly),
    (Arm::Unpooled, Arm::CpuBurn),
    (Arm::Unpooled, Arm::Quiet),
    (Arm::Unpooled, Arm::Premapped),
    (Arm::Unpooled, Arm::PremappedFew),
    (Arm::Premapped, Arm::ForkOnly),
    (Arm::CpuBurn, Arm::ForkOnly),
];

/// One side of a contrast: the arm, whether it is its A/A twin, and the series (`None`: the quoted one).
pub type Side = (Arm, bool, Option<SeriesKey>);

/// Contrasts of the rounds that both sides have, leaving out percentiles that the smaller side cannot
/// carry.
pub fn paired_contrasts(run: &Run, level: &Factors, first: Side, second: Side) -> Vec<Contrast> {
    let cell = cell(run, level, first, second);
    let least = cell.least_samples();
    let statistics = run.statistics();
    let carried: Vec<Statistic> = statistics.filter(|s| s.is_carried_by(least)).collect();
    contrasts(&cell, &carried, run.config.seed)
}

/// The rounds that both sides have.
pub(super) fn cell(run: &Run, level: &Factors, first: Side, second: Side) -> Cell {
    fn series(block: &Block, side: Side) -> Option<&SeriesHistogram> {
        let key = side.2.unwrap_or_else(|| quoted_series(&[block]));
        block.series.get(&key)
    }
    let blocks = |side: Side| run.blocks_of(side.0, side.1, level);
    let (firsts, others) = (blocks(first), blocks(second));
    let (mut sides, mut starts) = ((Vec::new(), Vec::new()), Vec::new());
    for block in firsts {
        let Some(other) = others.iter().find(|b| b.round == block.round) else {
            continue;
        };
        if let (Some(a), Some(b)) = (series(block, first), series(other, second)) {
            sides.0.push(a);
            sides.1.push(b);
            starts.push(block.start);
        }
    }
    Cell::new(&sides.0, &sides.1, starts, run.slow_over_ns)
}
