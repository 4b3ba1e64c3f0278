//! Goes through the steps, second by second, and does what is asked meanwhile.

use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use super::event::{Command, Event, Second};
use super::step::steps;
use crate::load::Cancel;
use crate::load::driver::Failure;
use crate::record::Block;
use crate::stats::{Stretch, quoted_series};

/// From fewer statements no threshold is taken.
const ENOUGH_STATEMENTS: u64 = 500;
/// How often a demonstration that waits looks up.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Where the seconds come from.
pub trait Source {
    /// The numbers of the steps that it has, in order.
    fn steps(&self) -> Vec<usize>;

    /// How many seconds a step has.
    fn seconds(&self, step: usize) -> u32;

    /// Measures or plays second `second` of a step; none where there is no more.
    ///
    /// # Errors
    /// [`Failure::ArmLost`] ends the step, anything else the demonstration.
    fn second(&mut self, step: usize, second: u32) -> Result<Option<Block>, Failure>;

    /// Does what is asked beside going from step to step. Returns what is so from now on.
    ///
    /// # Errors
    /// Why it cannot be, in one line.
    fn change(&mut self, step: usize, command: Command) -> Result<String, String>;

    /// Takes note of the threshold of the slow share, in ns.
    fn set_slow_over(&mut self, slow_over_ns: u64);

    /// Connections to the server that stay open while a block is measured.
    fn open_connections(&self, block: &Block) -> u32;
}

/// The blocks of each step so far, with the quoted series alone.
#[derive(Default)]
struct Seen {
    by_step: Vec<Vec<Block>>,
    slow_over_ns: Option<u64>,
}

impl Seen {
    fn stretch(&self, step: usize) -> Option<Stretch> {
        let blocks: Vec<&Block> = self.by_step.get(step)?.iter().collect();
        Stretch::of(&blocks, self.slow_over_ns)
    }

    fn add(&mut self, step: usize, mut block: Block) {
        let quoted = quoted_series(&[&block]);
        block.series.retain(|key, _| *key == quoted);
        let most = self.by_step.len().max(step + 1);
        self.by_step.resize_with(most, Vec::new);
        self.by_step[step].push(block);
    }

    /// The p99 of the calm, if it has enough statements.
    fn threshold_ns(&self) -> Option<u64> {
        let calm = self.stretch(0)?;
        calm.p99_ns.filter(|_| calm.statements >= ENOUGH_STATEMENTS)
    }
}

/// Goes through all steps.
///
/// # Errors
/// What ended it early: a request to stop, or the loss of the server.
pub fn conduct(
    source: &mut dyn Source,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    cancel: &Cancel,
) -> Result<(), Failure> {
    let all = source.steps();
    // Whoever shows it may have gone; then nobody can be told.
    let say = |event| drop(events.send(event));
    let mut seen = Seen::default();
    let mut at = 0;
    while let Some(&step) = all.get(at) {
        if step > 0 && seen.slow_over_ns.is_none() {
            seen.slow_over_ns = seen.threshold_ns();
            seen.slow_over_ns
                .into_iter()
                .for_each(|ns| source.set_slow_over(ns));
        }
        say(Event::Step(step, source.seconds(step)));
        let mut second = 0;
        at = loop {
            if let Some(next) = obey(source, (step, at), commands, &say, cancel)? {
                break next.min(all.len());
            }
            let block = match source.second(step, second) {
                Ok(Some(block)) => block,
                Ok(None) => break at + 1,
                Err(Failure::ArmLost(reason)) => {
                    say(Event::Said(format!("{}: {reason}", steps()[step].title)));
                    break at + 1;
                }
                Err(failure) => return Err(failure.or_interrupted(cancel)),
            };
            if cancel.is_cancelled() {
                return Err(Failure::Interrupted);
            }
            second += 1;
            let open_connections = source.open_connections(&block);
            let now = Stretch::of(&[&block], seen.slow_over_ns);
            seen.add(step, block);
            let so_far = now.zip(seen.stretch(step));
            if let Some((now, so_far)) = so_far {
                say(Event::Second(Box::new(Second {
                    now,
                    step: so_far,
                    calm: seen.slow_over_ns.and_then(|_| seen.stretch(0)),
                    open_connections,
                })));
            }
        };
    }
    Ok(())
}

/// Does what was asked since the last second; waits while it is paused. Returns the step to go to, if any.
fn obey(
    source: &mut dyn Source,
    (step, at): (usize, usize),
    commands: &Receiver<Command>,
    say: &dyn Fn(Event),
    cancel: &Cancel,
) -> Result<Option<usize>, Failure> {
    let mut paused = false;
    loop {
        if cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        match commands.try_recv() {
            Ok(Command::Next) => return Ok(Some(at + 1)),
            Ok(Command::Back) => return Ok(Some(at.saturating_sub(1))),
            Ok(Command::Pause) => {
                paused = !paused;
                say(Event::Paused(paused));
            }
            Ok(change) => {
                let said = source.change(step, change);
                say(Event::Said(said.unwrap_or_else(|refusal| refusal)));
            }
            Err(TryRecvError::Disconnected) => return Err(Failure::Interrupted),
            Err(TryRecvError::Empty) if paused => std::thread::sleep(LOOK_UP),
            Err(TryRecvError::Empty) => return Ok(None),
        }
    }
}

#[cfg(test)]
#[path = "conduct_tests.rs"]
mod tests;
