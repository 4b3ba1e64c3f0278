//! Goes through the steps, second by second, and does what is asked meanwhile.

use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use super::event::{Command, Event, Second};
use super::seen::Seen;
use super::step::steps;
use crate::load::Cancel;
use crate::load::driver::Failure;
use crate::record::Block;
use crate::report::step_table::disturbance;
use crate::stats::Stretch;

/// How often a demonstration that waits looks up.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Where the seconds come from.
pub trait Source {
    /// The numbers of the steps that it has, in order.
    fn steps(&self) -> Vec<usize>;

    /// How many seconds a step has; none where a key ends it.
    fn seconds(&self, step: usize) -> Option<u32>;

    /// What has to be started before the next second of a step, in words; none where nothing has.
    fn to_start(&self, _step: usize) -> Option<String> {
        None
    }

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

    /// Cores of the machine.
    fn cores(&self) -> usize;
}

/// Goes through all steps. If it `waits`, a step that has no more seconds waits for a key.
///
/// # Errors
/// What ended it early: a request to stop, or the loss of the server.
pub fn conduct(
    source: &mut dyn Source,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    (cancel, waits): (&Cancel, bool),
) -> Result<(), Failure> {
    let all = source.steps();
    // Whoever shows it may have gone; then nobody can be told.
    let say = |event| drop(events.send(event));
    let mut seen = Seen::default();
    let mut at = 0;
    while let Some(&step) = all.get(at) {
        seen.enter(step);
        seen.slow_over_ns
            .into_iter()
            .for_each(|ns| source.set_slow_over(ns));
        say(Event::Step(step, source.seconds(step)));
        let mut second = 0;
        at = loop {
            if let Some(next) = obey(source, (step, at), commands, &say, (cancel, false))? {
                break next;
            }
            if let Some(start) = source.to_start(step) {
                say(Event::Starting(start));
            }
            let block = match source.second(step, second) {
                Ok(Some(block)) => block,
                Ok(None) if waits => {
                    say(Event::Paused(true));
                    let next = obey(source, (step, at), commands, &say, (cancel, true))?;
                    break next.unwrap_or(at + 1);
                }
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
            let part = seen.add(step, block);
            if let Some((now, so_far)) = now.zip(seen.stretch(part)) {
                say(Event::Second(Box::new(Second {
                    now,
                    caution: disturbance(&[&so_far], source.cores()),
                    step: so_far,
                    calm: seen.calm(),
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
    (cancel, mut paused): (&Cancel, bool),
) -> Result<Option<usize>, Failure> {
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
