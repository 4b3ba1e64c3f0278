//! The order of everything: starts of a server (or a fresh array), rounds in a
//! start, blocks in a round. Seeded, interleaved, fixed before the first block.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use crate::arm::Arm;
use crate::config::Config;
use crate::factor::Factors;
use crate::seed::derive_seed;

/// One block to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSpec {
    /// Position in the whole run.
    pub index: u32,
    /// The arm.
    pub arm: Arm,
    /// The A/A twin of the baseline arm: same load, own label, gives the noise floor.
    pub twin: bool,
    /// The level.
    pub factors: Factors,
    /// Round among those of the same level; the blocks of one round were run
    /// next to each other and are compared in pairs.
    pub round: u32,
    /// Which start (fresh server or array) the block belongs to.
    pub start: u32,
}

impl BlockSpec {
    /// What tells the block's arrivals from those of others: they are common to all blocks of a round (common random
    /// numbers), so that arms which are compared meet the same due instants.
    pub fn arrivals_path(&self) -> u64 {
        derive_seed(0x524F_554E, &[u64::from(self.start), u64::from(self.round)])
    }
}

/// A stretch of blocks on one freshly started server (or array).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStart {
    /// Number of the start, from 0.
    pub index: u32,
    /// The level, the same throughout the start.
    pub factors: Factors,
    /// The blocks, in order.
    pub blocks: Vec<BlockSpec>,
}

/// The whole order of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The starts, in order.
    pub starts: Vec<PlannedStart>,
}

impl Plan {
    /// Lays out a run of these arms (without twins) at these levels. Each cycle takes every level once, in random order;
    /// rounds are spread evenly over the cycles; each round holds every arm and
    /// the baseline's twin once, in random order.
    pub fn new(config: &Config, arms: &[Arm], levels: &[Factors]) -> Self {
        let mut rng = Pcg64::seed_from_u64(derive_seed(config.seed, &[0x504C_414E]));
        let cycles = config.starts.clamp(1, config.blocks.max(1));
        let mut contenders: Vec<(Arm, bool)> = arms.iter().map(|&a| (a, false)).collect();
        contenders.extend(Arm::baseline(arms).map(|a| (a, true)));

        let mut plan = Plan { starts: Vec::new() };
        let mut index = 0;
        let mut next_round = 0;
        for cycle in 0..cycles {
            let rounds = config.blocks / cycles + u32::from(cycle < config.blocks % cycles);
            let mut levels = levels.to_vec();
            levels.shuffle(&mut rng);
            for factors in levels {
                let start = plan.starts.len() as u32;
                let mut blocks = Vec::new();
                for round in next_round..next_round + rounds {
                    contenders.shuffle(&mut rng);
                    for &(arm, twin) in &contenders {
                        blocks.push(BlockSpec {
                            index,
                            arm,
                            twin,
                            factors: factors.clone(),
                            round,
                            start,
                        });
                        index += 1;
                    }
                }
                plan.starts.push(PlannedStart {
                    index: start,
                    factors,
                    blocks,
                });
            }
            next_round += rounds;
        }
        plan
    }

    /// The same order without the blocks of these arms at these levels.
    #[must_use]
    pub fn without(mut self, left_out: &[(Arm, Factors)]) -> Self {
        for start in &mut self.starts {
            let goes = |b: &BlockSpec| {
                left_out
                    .iter()
                    .any(|(arm, f)| (*arm, f) == (b.arm, &b.factors))
            };
            start.blocks.retain(|b| !goes(b));
        }
        self.starts.retain(|start| !start.blocks.is_empty());
        for (start, index) in self.starts.iter_mut().zip(0..) {
            start.index = index;
            start.blocks.iter_mut().for_each(|b| b.start = index);
        }
        let blocks = self.starts.iter_mut().flat_map(|s| &mut s.blocks);
        blocks
            .zip(0..)
            .for_each(|(block, index)| block.index = index);
        self
    }

    /// Number of blocks in all.
    pub fn block_count(&self) -> usize {
        self.starts.iter().map(|v| v.blocks.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_config;
    use std::collections::BTreeMap;

    fn shape(arms: &[Arm], seed: u64) -> Plan {
        let config = Config {
            blocks: 8,
            starts: 3,
            seed,
            ..sample_config()
        };
        Plan::new(&config, arms, &[0, 500].map(Factors::standing))
    }

    #[test]
    fn every_round_holds_every_arm_and_the_twin_once() {
        let plan = shape(Arm::ALL, 1);
        assert_eq!(plan.starts.len(), 6);
        let all = 2 * 8 * (Arm::ALL.len() + 1);
        assert_eq!(plan.block_count(), all);
        let mut rounds: BTreeMap<(Factors, u32), Vec<(Arm, bool)>> = BTreeMap::new();
        let mut starts_of_round: BTreeMap<(Factors, u32), u32> = BTreeMap::new();
        for start in &plan.starts {
            for b in &start.blocks {
                assert_eq!((&b.factors, b.start), (&start.factors, start.index));
                rounds
                    .entry((b.factors.clone(), b.round))
                    .or_default()
                    .push((b.arm, b.twin));
                assert_eq!(
                    *starts_of_round
                        .entry((b.factors.clone(), b.round))
                        .or_insert(b.start),
                    b.start
                );
            }
        }
        assert_eq!(rounds.len(), 16);
        for mut arms in rounds.into_values() {
            arms.sort();
            let mut expected: Vec<_> = Arm::ALL.iter().map(|&a| (a, false)).collect();
            expected.push((Arm::KeptOpen, true));
            expected.sort();
            assert_eq!(arms, expected);
        }
        let indices: Vec<u32> = plan
            .starts
            .iter()
            .flat_map(|v| v.blocks.iter().map(|b| b.index))
            .collect();
        assert_eq!(indices, (0..all as u32).collect::<Vec<_>>());
    }

    #[test]
    fn arrivals_are_common_to_a_round_and_to_nothing_else() {
        let plan = shape(Arm::ALL, 1);
        let mut rounds: BTreeMap<u64, Vec<(u32, u32)>> = BTreeMap::new();
        for block in plan.starts.iter().flat_map(|s| &s.blocks) {
            let of = rounds.entry(block.arrivals_path()).or_default();
            of.push((block.start, block.round));
        }
        // Two levels of eight rounds, each of every arm and the twin.
        assert_eq!(rounds.len(), 16);
        for of in rounds.into_values() {
            assert_eq!(of, vec![of[0]; Arm::ALL.len() + 1]);
        }
    }

    #[test]
    fn what_is_left_out_leaves_the_order_of_the_others() {
        let gone = |arm, standing| (arm, Factors::standing(standing));
        let left_out = [gone(Arm::Unpooled, 500), gone(Arm::Quiet, 0)];
        let (all, plan) = (shape(Arm::ALL, 1), shape(Arm::ALL, 1).without(&left_out));
        let order = |plan: &Plan| -> Vec<(Arm, bool, Factors, u32)> {
            let blocks = plan.starts.iter().flat_map(|s| s.blocks.clone());
            let named = blocks.map(|b| (b.arm, b.twin, b.factors, b.round));
            named
                .filter(|b| !left_out.contains(&(b.0, b.2.clone())))
                .collect()
        };
        assert_eq!(order(&plan), order(&all));
        assert_eq!(plan.block_count(), all.block_count() - 2 * 8);
        let indices = plan
            .starts
            .iter()
            .flat_map(|s| s.blocks.iter().map(|b| b.index));
        assert!(indices.eq(0..plan.block_count() as u32));
        // A start that has nothing left is not begun.
        let only = shape(&[Arm::Unpooled], 1).without(&left_out);
        assert_eq!(only.starts.len(), 3);
        for (start, index) in only.starts.iter().zip(0..) {
            assert!(start.index == index && start.blocks.iter().all(|b| b.start == index));
        }
    }

    #[test]
    fn the_seed_fixes_the_order_and_another_seed_changes_it() {
        assert_eq!(shape(Arm::ALL, 1), shape(Arm::ALL, 1));
        assert_ne!(shape(Arm::ALL, 1), shape(Arm::ALL, 2));
    }

    #[test]
    fn no_arm_owns_a_place_in_the_round() {
        // An arm that always ran first would own every slow start.
        let mut firsts: BTreeMap<(Arm, bool), u32> = BTreeMap::new();
        for seed in 0..50 {
            for start in shape(&[Arm::KeptOpen, Arm::Unpooled], seed).starts {
                for round in start.blocks.chunks(3) {
                    *firsts.entry((round[0].arm, round[0].twin)).or_default() += 1;
                }
            }
        }
        // 800 rounds, 267 expected for each of three, standard deviation 13.
        for (arm, count) in firsts {
            assert!(
                (200..334).contains(&count),
                "{arm:?} came first {count} times"
            );
        }
    }
}
