//! Seconds of a stored demonstration.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::conduct::Source;
use super::event::Command;
use super::seen::Seen;
use super::step::Step;
use crate::load::Cancel;
use crate::load::driver::Failure;
use crate::record::{Block, Run};

/// The slowest and the fastest that it plays.
const SPEEDS: (f64, f64) = (0.25, 32.0);

/// A demonstration that was recorded.
pub struct Replay<'a> {
    run: &'a Run,
    by_step: BTreeMap<usize, Vec<&'a Block>>,
    /// Seconds of the record for each second; none plays without waiting.
    speed: Option<f64>,
    cancel: Cancel,
}

impl<'a> Replay<'a> {
    /// Plays `run`, in its own time or without waiting.
    #[must_use]
    pub fn new(run: &'a Run, in_its_time: bool, cancel: Cancel) -> Self {
        let mut by_step: BTreeMap<usize, Vec<&Block>> = BTreeMap::new();
        let mut seen = Seen::default();
        for block in &run.blocks {
            if let Some(step) = Step::of(block) {
                seen.enter(step);
                // What was seen of the first step later is no part of the calm.
                if step > 0 || seen.slow_over_ns.is_none() {
                    by_step.entry(step).or_default().push(block);
                }
                seen.add(step, block.clone());
            }
        }
        Replay {
            run,
            by_step,
            speed: in_its_time.then_some(1.0),
            cancel,
        }
    }
}

impl Source for Replay<'_> {
    fn steps(&self) -> Vec<usize> {
        self.by_step.keys().copied().collect()
    }

    fn seconds(&self, step: usize) -> Option<u32> {
        let blocks = self.by_step.get(&step);
        Some(blocks.map_or(0, |blocks| blocks.len() as u32))
    }

    fn second(&mut self, step: usize, second: u32) -> Result<Option<Block>, Failure> {
        let blocks = self.by_step.get(&step);
        let Some(block) = blocks.and_then(|b| b.get(second as usize)) else {
            return Ok(None);
        };
        if let Some(speed) = self.speed {
            let until = Instant::now() + Duration::from_secs_f64(1.0 / speed);
            while Instant::now() < until && !self.cancel.is_cancelled() {
                let left = until.saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(Duration::from_millis(50)));
            }
        }
        Ok(Some((*block).clone()))
    }

    fn change(&mut self, _step: usize, command: Command) -> Result<String, String> {
        let factor = match command {
            Command::Faster => 2.0,
            Command::Slower => 0.5,
            _ => {
                return Err(
                    "a stored run has the connections that it has: + and - change its speed"
                        .to_owned(),
                );
            }
        };
        let speed = self.speed.unwrap_or(1.0) * factor;
        let speed = speed.clamp(SPEEDS.0, SPEEDS.1);
        self.speed = Some(speed);
        Ok(match speed {
            1.0 => "plays at its own speed".to_owned(),
            _ => format!("plays at {speed} times its speed"),
        })
    }

    fn set_slow_over(&mut self, _slow_over_ns: u64) {}

    fn open_connections(&self, block: &Block) -> u32 {
        let config = &self.run.config;
        config.persistent_connections(&config.arms) + block.factors.standing
    }

    fn cores(&self) -> usize {
        self.run.provenance.cores
    }
}
