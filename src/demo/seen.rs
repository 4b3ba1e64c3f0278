//! The seconds so far, step by step, and apart for each setting; the calm among them.

use super::step::Step;
use crate::factor::ClientRate;
use crate::record::{Block, Run};
use crate::stats::{Stretch, quoted_series};

/// From fewer statements no threshold is taken.
const ENOUGH_STATEMENTS: u64 = 500;

/// Standing connections, and what the clients are asked for.
type Settings = (u32, Option<ClientRate>);

/// Seconds of one step at the same settings, with the quoted series alone.
struct Part {
    step: usize,
    settings: Settings,
    blocks: Vec<Block>,
    /// The calm, which stays what it was: later seconds of its step are another part.
    is_calm: bool,
}

impl Part {
    fn stretch(&self, slow_over_ns: Option<u64>) -> Option<Stretch> {
        let blocks: Vec<&Block> = self.blocks.iter().collect();
        Stretch::of(&blocks, slow_over_ns)
    }
}

/// All parts, in the order in which they began.
#[derive(Default)]
pub(super) struct Seen {
    parts: Vec<Part>,
    /// The p99 of the calm.
    pub slow_over_ns: Option<u64>,
}

impl Seen {
    /// Takes note that `step` begins. The first step is left for the first time: as it began it is the calm.
    pub fn enter(&mut self, step: usize) {
        if step == 0 || self.slow_over_ns.is_some() {
            return;
        }
        for part in self.parts.iter_mut().filter(|p| p.step == 0) {
            let stretch = part.stretch(None);
            let p99_ns = stretch.filter(|s| s.statements >= ENOUGH_STATEMENTS);
            if let Some(p99_ns) = p99_ns.and_then(|s| s.p99_ns) {
                (self.slow_over_ns, part.is_calm) = (Some(p99_ns), true);
                return;
            }
        }
    }

    /// Takes in a second of `step`. Returns the number of its part.
    pub fn add(&mut self, step: usize, mut block: Block) -> usize {
        let quoted = quoted_series(&[&block]);
        block.series.retain(|key, _| *key == quoted);
        let settings = (block.factors.standing, block.factors.client_rate);
        let same = |p: &Part| p.step == step && p.settings == settings && !p.is_calm;
        let at = self.parts.iter().position(same).unwrap_or_else(|| {
            self.parts.push(Part {
                step,
                settings,
                blocks: Vec::new(),
                is_calm: false,
            });
            self.parts.len() - 1
        });
        self.parts[at].blocks.push(block);
        at
    }

    /// What a part came to so far.
    pub fn stretch(&self, part: usize) -> Option<Stretch> {
        self.parts.get(part)?.stretch(self.slow_over_ns)
    }

    /// What the calm came to.
    pub fn calm(&self) -> Option<Stretch> {
        let calm = self.parts.iter().find(|p| p.is_calm);
        calm?.stretch(self.slow_over_ns)
    }
}

/// The rows of a run's table: the steps in order, each setting and a return to the first step apart.
#[must_use]
pub fn steps_taken(run: &Run) -> Vec<Stretch> {
    let mut seen = Seen::default();
    for block in &run.blocks {
        if let Some(step) = Step::of(block) {
            seen.enter(step);
            seen.add(step, block.clone());
        }
    }
    seen.parts.sort_by_key(|p| p.step);
    let stretches = seen.parts.iter().map(|p| p.stretch(run.slow_over_ns));
    stretches.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::factor::{Factors, OfferedRate};
    use crate::load::plan::BlockSpec;
    use crate::testing::{sample_block, sample_run};

    /// A second of an arm at so many transactions per second.
    fn second(arm: Arm, rate: f64) -> Block {
        let spec = BlockSpec {
            index: 0,
            arm,
            twin: false,
            factors: Factors {
                client_rate: Some(ClientRate::Given(OfferedRate::PerSecond(rate))),
                ..Factors::standing(0)
            },
            round: 0,
            start: 0,
        };
        sample_block(&spec, 1)
    }

    #[test]
    fn each_setting_has_a_row_and_the_calm_stays_what_it_was() {
        let (calm, churn) = (Arm::KeptOpen, Arm::Unpooled);
        let seconds = [
            (calm, 80.0),
            (calm, 80.0),
            (calm, 160.0),
            (churn, 80.0),
            (churn, 320.0),
            (churn, 80.0),
            (calm, 80.0),
        ];
        let mut run = sample_run(1);
        run.blocks = seconds.iter().map(|s| second(s.0, s.1)).collect();
        let rows = steps_taken(&run);
        let statements: Vec<(Arm, u64)> = rows.iter().map(|r| (r.arm, r.statements)).collect();
        assert_eq!(
            statements,
            [
                (calm, 1_000),
                (calm, 500),
                (calm, 500),
                (churn, 1_000),
                (churn, 500)
            ]
        );
        let mut seen = Seen::default();
        for block in &run.blocks {
            let step = Step::of(block).unwrap();
            seen.enter(step);
            seen.add(step, block.clone());
        }
        let kept = seen.calm().unwrap();
        assert_eq!(kept.statements, 1_000);
        assert_eq!(kept.p99_ns, seen.slow_over_ns);
    }
}
