//! All that is on the screen, as far as it has been told.

use std::collections::VecDeque;
use std::time::Instant;

use super::event::{Command, Event, Second};
use super::step::{Step, steps};
use crate::stats::Stretch;

/// So many seconds are drawn.
pub(super) const DRAWN: usize = 60;

/// What is on the screen.
pub(super) struct Scene {
    /// Where the seconds come from.
    pub place: String,
    /// The number of the step, and how many seconds it has, if not a key ends it.
    pub step: Option<(usize, Option<u32>)>,
    /// Since when a server has been starting, if one is.
    pub starting: Option<Instant>,
    /// Seconds of the step that are over.
    pub gone: u32,
    /// The last seconds, with the steps that they belong to; the newest last.
    pub seconds: VecDeque<(usize, Stretch)>,
    /// The newest one, and what it stands beside.
    pub last: Option<Box<Second>>,
    /// What was said last.
    pub said: String,
    /// Whether it waits.
    pub paused: bool,
    /// Whether the keys are explained.
    pub help: bool,
    /// Whether it is about to end.
    pub ending: bool,
    /// Whether there may be colour.
    pub colour: bool,
}

impl Scene {
    /// Before anything is known.
    pub fn new(place: &str, colour: bool) -> Self {
        Scene {
            place: place.to_owned(),
            step: None,
            starting: Some(Instant::now()),
            gone: 0,
            seconds: VecDeque::new(),
            last: None,
            said: String::new(),
            paused: false,
            help: false,
            ending: false,
            colour,
        }
    }

    /// Takes in what was told.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Said(line) => self.said = line,
            Event::Paused(paused) => self.paused = paused,
            Event::Step(step, seconds) => {
                self.step = Some((step, seconds));
                (self.gone, self.paused) = (0, false);
                (self.last, self.starting) = (None, None);
            }
            Event::Starting(what) => {
                (self.last, self.starting) = (None, Some(Instant::now()));
                self.said = what;
            }
            Event::Ending(line) => {
                line.clone_into(&mut self.said);
                self.ending = true;
            }
            Event::Second(second) => {
                self.gone += 1;
                // What was said of a start is over once it runs.
                if self.starting.take().is_some() {
                    self.said.clear();
                }
                let step = self.step.map_or(0, |s| s.0);
                self.seconds.push_back((step, second.now.clone()));
                while self.seconds.len() > DRAWN {
                    self.seconds.pop_front();
                }
                self.last = Some(second);
            }
        }
    }

    /// Takes note of a command. One that has to wait for a start is acknowledged.
    pub fn note(&mut self, command: Command) {
        if self.starting.is_some() {
            self.said = format!("noted: {}, after the start", command.words());
        }
    }

    /// The step that is shown.
    pub fn shown(&self) -> Option<&'static Step> {
        steps().get(self.step?.0)
    }

    /// Seconds until the next step, if they end it.
    pub fn left(&self) -> Option<u32> {
        Some(self.step?.1?.saturating_sub(self.gone))
    }

    /// Points of one quantity: seconds before now, and the value.
    pub fn line(&self, value: impl Fn(&Stretch) -> Option<f64>) -> Vec<(f64, f64)> {
        let newest = self.seconds.len() as f64;
        let points = self.seconds.iter().enumerate();
        points
            .filter_map(|(at, (_, s))| Some((at as f64 + 1.0 - newest, value(s)?)))
            .collect()
    }
}
