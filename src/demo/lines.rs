//! A demonstration without a terminal: a line per second.

use super::event::{Event, Second};
use super::step::steps;
use crate::record::CpuGroup;
use crate::report::format::{duration, rate, share};

/// Turns what is told into lines.
#[derive(Debug, Default)]
pub struct Lines {
    gone: u32,
}

impl Lines {
    /// The lines of one event, each with its line break.
    pub fn of(&mut self, event: &Event) -> String {
        match event {
            Event::Said(line) | Event::Starting(line) => format!("{line}\n"),
            Event::Paused(_) | Event::Ending(_) => String::new(),
            Event::Step(step, seconds) => {
                self.gone = 0;
                let seconds = seconds.map_or_else(String::new, |s| format!(", {s} s"));
                let (number, all) = (step + 1, steps().len());
                let step = &steps()[*step];
                format!(
                    "\nStep {number} of {all}{seconds}: {}\n  Look: {}\n  But:  {}\n",
                    step.title, step.look, step.beware
                )
            }
            Event::Second(second) => {
                self.gone += 1;
                let words = words(second);
                format!("  {:>3} s  {words}\n", self.gone)
            }
        }
    }
}

fn words(Second { now, .. }: &Second) -> String {
    let time = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), |ns| duration(ns as f64));
    let slow = now.slow_share.map_or_else(|| "-".to_owned(), share);
    let of_server = [CpuGroup::Postmaster, CpuGroup::Backends, CpuGroup::Pooler];
    let used: f64 = of_server.iter().filter_map(|g| now.cores.get(g)).sum();
    format!(
        "{} transactions/s, {} connections/s, p50 {}, p99 {}, slow {slow}, server's CPU {:.0} %",
        rate(now.transactions_per_second),
        rate(now.connections_per_second),
        time(now.p50_ns),
        time(now.p99_ns),
        100.0 * used
    )
}
