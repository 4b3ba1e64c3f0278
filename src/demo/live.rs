//! Seconds that are measured while they are shown.

use super::conduct::Source;
use super::event::Command;
use super::step::{Step, steps};
use crate::config::Config;
use crate::execute::Session;
use crate::factor::{ClientRate, Factors, OfferedRate};
use crate::load::driver::Failure;
use crate::record::{Block, Run};
use crate::report::format::{count, rate as per_second};
use crate::stats::Stretch;

/// The first standing connections of a server of ours, and of one that is not.
const FEWEST: (u32, u32) = (500, 10);

/// A demonstration on a server.
pub struct Live<'a> {
    session: Session<'a>,
    config: Config,
    /// Everything of the level but standing connections.
    level: Factors,
    /// Transactions per second.
    rate: f64,
    /// Standing connections of steps that are not crowded, and of those that are.
    standing: [u32; 2],
    /// Transactions per second that were done in the last second.
    done: Option<f64>,
    seconds: Option<u32>,
}

impl<'a> Live<'a> {
    /// Begins a session that has `seconds` for each step, or goes on until a key ends it.
    #[must_use]
    pub fn new(session: Session<'a>, config: &Config, seconds: Option<u32>) -> Self {
        let rate = match config.client_rate {
            ClientRate::Given(rate) => rate.per_second(),
            ClientRate::Auto | ClientRate::Share(_) => None,
        };
        let levels = config.levels();
        Live {
            session,
            config: config.clone(),
            level: levels.into_iter().next().unwrap_or_default(),
            rate: rate.unwrap_or(1.0),
            standing: [0, config.largest_standing()],
            done: None,
            seconds,
        }
    }

    /// Ends the session.
    #[must_use]
    pub fn end(self, outcome: Result<(), Failure>, remarks: Vec<String>) -> Run {
        self.session.end(outcome, remarks)
    }

    fn standing(&mut self, step: &Step) -> &mut u32 {
        &mut self.standing[usize::from(step.crowded)]
    }

    fn level(&self, step: &Step) -> Factors {
        Factors {
            standing: self.standing[usize::from(step.crowded)],
            ..self.level.clone()
        }
    }
}

impl Source for Live<'_> {
    fn steps(&self) -> Vec<usize> {
        let has = |s: &Step| {
            self.config.arms.contains(&s.arm)
                && self.session.absent(s.arm).is_none()
                && (!s.crowded || self.config.largest_standing() > 0)
        };
        let all = steps().iter().enumerate();
        all.filter(|(_, s)| has(s)).map(|(n, _)| n).collect()
    }

    fn seconds(&self, _step: usize) -> Option<u32> {
        self.seconds
    }

    fn to_start(&self, step: usize) -> Option<String> {
        let level = self.level(&steps()[step]);
        self.session
            .starts_anew(&level)
            .then(|| match level.standing {
                0 => "a fresh server starts".to_owned(),
                standing => format!(
                    "a fresh server starts, with {} standing connections: up to two minutes",
                    count(u64::from(standing))
                ),
            })
    }

    fn second(&mut self, step: usize, second: u32) -> Result<Option<Block>, Failure> {
        if self.seconds.is_some_and(|all| second >= all) {
            return Ok(None);
        }
        let step = &steps()[step];
        let level = self.level(step);
        let rate = OfferedRate::PerSecond(self.rate);
        let block = self.session.block(step.arm, &level, rate)?.clone();
        self.done = Stretch::of(&[&block], None).map(|s| s.transactions_per_second);
        Ok(Some(block))
    }

    fn change(&mut self, step: usize, command: Command) -> Result<String, String> {
        let step = &steps()[step];
        let is_url = self.config.server.as_ref().is_some_and(|s| s.is_url());
        let fewest = if is_url { FEWEST.1 } else { FEWEST.0 };
        let now = *self.standing(step);
        // What the clients do not reach is not raised further.
        if let Some(done) = self.done.filter(|done| 2.0 * done < self.rate)
            && command == Command::Faster
        {
            return Err(format!(
                "{} transactions per second were done of {} asked for: no more are asked for",
                per_second(done),
                per_second(self.rate)
            ));
        }
        let (rate, standing) = match command {
            Command::Faster => (self.rate * 2.0, now),
            Command::Slower => ((self.rate / 2.0).max(1.0), now),
            Command::More => (self.rate, (now * 2).max(fewest)),
            Command::Fewer if now <= fewest => (self.rate, 0),
            Command::Fewer => (self.rate, now / 2),
            Command::Next | Command::Back | Command::Pause => (self.rate, now),
        };
        let mut asked = self.config.clone();
        asked.client_rate = ClientRate::Given(OfferedRate::PerSecond(rate));
        asked.factors.standing = vec![standing];
        asked.validate().map_err(|e| e.to_string())?;
        (self.rate, self.done) = (rate, None);
        *self.standing(step) = standing;
        Ok(if standing == now {
            format!("{} transactions per second are asked for", per_second(rate))
        } else {
            let standing = count(u64::from(standing));
            format!("{standing} standing connections: a fresh start")
        })
    }

    fn set_slow_over(&mut self, slow_over_ns: u64) {
        self.session.set_slow_over(slow_over_ns);
    }

    fn open_connections(&self, block: &Block) -> u32 {
        self.config.persistent_connections(&self.config.arms) + block.factors.standing
    }

    fn cores(&self) -> usize {
        self.session.cores()
    }
}
