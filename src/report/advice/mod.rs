//! The answer for somebody's own server: what a connection costs there, what churn did, how busy it
//! keeps ProcArrayLock by estimate, and whether to pool. Every rule is said with its threshold.

mod answer;

pub use answer::Answer;

use self::answer::{Cost, KnownRate, client_series, decide};
use super::drawings::Summarized;
use super::findings::{clock_word, judgement, place};
use super::format::{count, duration};
use super::summary_text::{certainty, number_table, provenance};
use crate::arm::Arm;
use crate::record::{Between, Operation, Run, Survey};
use crate::record::{percentile_name, samples_above};
use crate::stats::{HoldRange, LevelSummary, Statistic, Verdict, busy_share, holds_ns};

/// Rates of the table where nobody knows the server's own, per second.
const TABLE_RATES: [f64; 3] = [10.0, 100.0, 1000.0];

/// Sentences under headings, the answer last but one.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// In one word.
    pub answer: Answer,
    /// Heading and sentences.
    pub sections: Vec<(&'static str, Vec<String>)>,
}

impl Advice {
    /// For the terminal.
    pub fn text(&self) -> String {
        let section = |(title, lines): &(&str, Vec<String>)| {
            let lines: String = lines.iter().map(|l| format!("  - {l}\n")).collect();
            format!("\n{title}\n{lines}")
        };
        let text: String = self.sections.iter().map(section).collect();
        text.replace("**", "")
    }

    fn markdown(&self) -> String {
        let section = |(title, lines): &(&str, Vec<String>)| {
            let lines: String = lines.iter().map(|l| format!("- {l}\n")).collect();
            format!("## {title}\n\n{lines}\n")
        };
        self.sections.iter().map(section).collect()
    }
}

/// `SUMMARY.md` of a run against somebody's own server; `None` for other runs.
pub fn markdown(item: Summarized<'_>, figures: &[String]) -> Option<String> {
    let advice = advice(&item)?;
    let (run, summary) = item;
    let mut out = format!("# {}: should I pool?\n\n{}", place(run), advice.markdown());
    out += "## How sure this is\n\n";
    for line in certainty(&item) {
        out += &format!("- {line}\n");
    }
    out += "\n## Numbers\n\n";
    out += &number_table(run, summary);
    if !figures.is_empty() {
        out += "## Figures\n\n";
        for figure in figures {
            out += &format!("![{figure}]({figure}.png)\n\n");
        }
    }
    out += "## Where it comes from\n\n";
    Some(out + &provenance(run))
}

/// The advice, for a run against a server that could be looked at.
pub fn advice(item: &Summarized<'_>) -> Option<Advice> {
    let (run, summary) = item;
    let survey = run.provenance.server.as_ref()?.survey.as_ref()?;
    if !summary.is_contrast() {
        return None;
    }
    let level = summary.primary_level();
    let cost = level.and_then(Cost::of);
    let rate = KnownRate::of(run, survey);
    let holds = holds_ns(
        survey.pg_major,
        survey.census.connections,
        survey.has_huge_pages(),
    );
    let (answer, reasons) = decide(run, survey, level, cost.as_ref(), (&rate, holds));
    let sections = vec![
        ("The server, as seen with this role's rights", seen(survey)),
        (
            "What a connection costs its client",
            level.map_or(Vec::new(), |level| cost_lines(level, cost.as_ref())),
        ),
        (
            "What connecting at this rate did to running statements",
            churn_lines(run, level),
        ),
        (
            "How busy connections keep ProcArrayLock: an estimate, not a measurement here",
            lock_lines(survey, &rate, holds),
        ),
        ("Should I pool?", reasons),
        ("With more rights it could add", more_rights(survey)),
    ];
    Some(Advice { answer, sections })
}

fn seen(survey: &Survey) -> Vec<String> {
    let pages = match (survey.huge_pages_status.as_deref(), survey.has_huge_pages()) {
        (Some(status), _) => format!("{}, in effect {status}", survey.huge_pages),
        (None, Some(_)) => survey.huge_pages.clone(),
        (None, None) => format!(
            "{}, of which this version does not tell what it came to",
            survey.huge_pages
        ),
    };
    let census = survey.census;
    let states = if census.state_visible < census.connections {
        format!(
            "; the state of {} of them is visible, {} idle",
            census.state_visible, census.idle
        )
    } else {
        format!(", {} idle", census.idle)
    };
    let mut lines = vec![format!(
        "PostgreSQL {}: {} other connections{states}; max_connections {}, shared_buffers {}, huge_pages {pages}.",
        survey.pg_major,
        count(census.connections),
        count(survey.max_connections),
        survey.shared_buffers
    )];
    lines.push(match &survey.between {
        Between::Nothing => "The address is the server's own: nothing stands in between.".to_owned(),
        Between::Relay => "Something passes the bytes on (address translation, a proxy, a tunnel): its time is in every number. A pooler was not recognised.".to_owned(),
        Between::Pooler { mode, evidence } => format!(
            "The address is a pooler's, in {mode} mode ({evidence}). `unpooled` therefore means connecting to the pooler, `fork-only` a socket that it accepts: nothing here says what a connection to the server itself costs."
        ),
    });
    lines
}

fn cost_lines(level: &LevelSummary, cost: Option<&Cost>) -> Vec<String> {
    let Some(connects) = client_series(level, Arm::Unpooled, Operation::Connect) else {
        return vec!["No connection was measured (arm unpooled).".to_owned()];
    };
    let percentiles: Vec<String> = [50.0, 90.0, 99.0, 99.9]
        .into_iter()
        .filter(|&p| samples_above(p, connects.len()) >= 10)
        .filter_map(|p| {
            let ns = connects.percentile_ns(p)? as f64;
            Some(format!("{} {}", percentile_name(p), duration(ns)))
        })
        .collect();
    let longest = connects.percentile_ns(100.0).unwrap_or(0) as f64;
    let mut lines = vec![format!(
        "From nothing to the server's first ReadyForQuery, over {} connections: {}; the longest took {}. A percentile with fewer than ten samples above it is not given: a longer --duration gives more.",
        count(connects.len()),
        if percentiles.is_empty() {
            "too few to say".to_owned()
        } else {
            percentiles.join(", ")
        },
        duration(longest)
    )];
    if let Some(cost) = cost {
        lines.push(format!(
            "The transaction itself took {} (median) on a connection that was kept open, and {} longer as the first on a new one. Reconnecting adds {} to it.",
            duration(cost.kept),
            duration(cost.first_statement),
            duration(cost.added())
        ));
    }
    lines
}

fn churn_lines(run: &Run, level: Option<&LevelSummary>) -> Vec<String> {
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    let Some(level) = level else {
        return vec!["Nothing was measured.".to_owned()];
    };
    let rate = run
        .client_rate_per_second
        .map_or("a closed loop".to_owned(), |r| format!("{r} a second"));
    let mut lines = Vec::new();
    for (first, second) in [
        (Arm::Unpooled, Arm::KeptOpen),
        (Arm::ForkOnly, Arm::KeptOpen),
        (Arm::Unpooled, Arm::ForkOnly),
    ] {
        let Some((contrast, verdict)) = level.effect(first, second).and_then(|e| e.at(quoted))
        else {
            continue;
        };
        let told = judgement(contrast, *verdict, level.noise_floor_ns(quoted));
        let cannot_show = match verdict {
            Verdict::NoDifferenceShown | Verdict::WithinNoiseFloor => {
                " This rate cannot show a smaller effect, and says nothing about higher rates."
            }
            _ => "",
        };
        lines.push(format!(
            "{first} minus {second} at {rate}, {quoted} {} time of running statements: {told}.{cannot_show}",
            clock_word(level)
        ));
    }
    if lines.is_empty() {
        lines.push(format!(
            "Too few samples for {quoted}, or an arm is missing: no contrast."
        ));
    }
    lines
}

/// A share in per cent: never zero where it is not.
fn per_cent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0 %".to_owned(),
        p if p < 0.001 => "below 0.001 %".to_owned(),
        p if p < 0.1 => format!("{p:.3} %"),
        p if p < 10.0 => format!("{p:.2} %"),
        p => format!("{p:.0} %"),
    }
}

fn a_second(rate: f64) -> String {
    if rate < 10.0 {
        format!("{rate:.2}")
    } else {
        count(rate.round() as u64)
    }
}

fn lock_lines(survey: &Survey, rate: &KnownRate, holds: HoldRange) -> Vec<String> {
    let pages = match survey.has_huge_pages() {
        Some(true) => "huge pages",
        Some(false) => "4 kB pages",
        None => "4 kB or huge pages",
    };
    let mut lines = vec![format!(
        "One connection takes it exclusively twice, to join and to leave, for {} in all if new connections find slots behind the {} standing ones and {} if in front of them (PostgreSQL {}, {pages}; holds measured on another machine). Which of the two it is cannot be seen from outside.",
        duration(holds.low),
        count(survey.census.connections),
        duration(holds.high),
        survey.pg_major
    )];
    let shares = |rates: &[f64]| -> String {
        rates
            .iter()
            .map(|&r| {
                let share = busy_share(holds, r);
                let (low, high) = (per_cent(share.low), per_cent(share.high));
                let range = if low == high {
                    high
                } else {
                    format!("{low} to {high}")
                };
                format!("at {} a second {range} of the time", a_second(r))
            })
            .collect::<Vec<_>>()
            .join("; ")
    };
    let to = if survey.is_pooler() {
        " (for connections to the server itself, not to the pooler)"
    } else {
        ""
    };
    match (rate, survey.others) {
        (KnownRate::Given(given), _) => lines.push(format!(
            "Rate times hold{to}: {} (the rate that was given, and ten times that).",
            shares(&[*given, 10.0 * given])
        )),
        (KnownRate::Counted(counted), Some(others)) => {
            let whose = if others.without_ours {
                "procbench's own taken off"
            } else {
                "those of the pooler included"
            };
            lines.push(format!(
                "During the run the server counted {} sessions in {:.0} s ({whose}; all databases; failed logins and parallel workers are not among them).",
                count(others.count),
                others.over_s
            ));
            let rates = if *counted > 0.0 {
                vec![*counted, 10.0 * counted]
            } else {
                TABLE_RATES.to_vec()
            };
            lines.push(format!("Rate times hold{to}: {}.", shares(&rates)));
        }
        _ => lines.push(format!(
            "How many connections its users make is not known here (versions before 14 do not count them): give --their-rate. Rate times hold{to}: {}.",
            shares(&TABLE_RATES)
        )),
    }
    lines
}

fn more_rights(survey: &Survey) -> Vec<String> {
    let waits = "what running statements wait for (`pg_stat_activity.wait_event`: `ProcArray`, in 17.0 to 17.2 `ProcArrayLock`), and which of the standing connections are idle";
    let mut lines = vec![if survey.reads_all_stats {
        format!(
            "This role may read everybody's activity. A watch for {waits} is left out all the same: each reading takes ProcArrayLock once a row."
        )
    } else {
        format!("With pg_monitor: {waits}.")
    }];
    lines.push("With root on the server's host: page faults and time inside ProcArrayAdd, and waits for ProcArrayLock (perf or bpftrace on the server's own process), in place of the estimate; CPU of postmaster and backends, so that CPU and lock can be told apart.".to_owned());
    if survey.has_huge_pages().is_none() {
        lines.push("With root on the server's host: whether huge_pages = try got huge pages, which narrows the estimate.".to_owned());
    }
    lines.push("With a server of the same version to itself (`procbench server --server docker` or `local`): the slot order, arranged (`--slot-order front,behind`), standing connections by number, and rates that would be rude here.".to_owned());
    lines
}

#[cfg(test)]
mod tests;
