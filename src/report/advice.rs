//! The answer for somebody's own server: what a connection costs there, what churn did, how busy it
//! keeps ProcArrayLock by estimate, and whether to pool. Every rule is said with its threshold.

use super::drawings::Summarized;
use super::findings::{clock_word, judgement, place};
use super::format::{count, duration};
use super::summary_text::{certainty, number_table, provenance};
use crate::arm::Arm;
use crate::experiment::is_contrast;
use crate::record::{Between, Operation, Phase, Role, Run, SeriesHistogram, SeriesKey, Survey};
use crate::stats::{
    HoldRange, LevelSummary, Statistic, Verdict, busy_share, holds_ns, percentile_name,
    samples_above,
};

/// From this share of a transaction's time on, the connection is worth saving for the client's own sake.
const WORTH_SAVING: f64 = 0.10;
/// From this share of time on (high end), holding ProcArrayLock is counted as a part of the reason.
const LOCK_MATTERS: f64 = 0.01;
/// Below this many connections per second there is nothing to save.
const HARDLY_ANY: f64 = 1.0;
/// Rates of the table where nobody knows the server's own, per second.
const TABLE_RATES: [f64; 3] = [10.0, 100.0, 1000.0];

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The address is a pooler's.
    AlreadyPooled,
    /// Too little was measured.
    NoAnswer,
    /// There are reasons to.
    Yes,
    /// There are hardly any connections to save.
    NotNow,
    /// Nothing speaks for it.
    NoReasonShown,
}

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
        self.sections.iter().map(section).collect()
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
    if !is_contrast(run) {
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

/// What a connection costs, in ns.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    /// Median from nothing to ReadyForQuery.
    connect: f64,
    /// Median of the first statement on it, beyond the same one on a kept connection.
    first_statement: f64,
    /// Median of the transaction on a kept connection.
    kept: f64,
}

impl Cost {
    fn of(level: &LevelSummary) -> Option<Self> {
        let median = |arm, operation| {
            let series = client_series(level, arm, operation)?;
            Some(series.percentile_ns(50.0)? as f64)
        };
        let kept = median(Arm::KeptOpen, Operation::Query)?;
        Some(Cost {
            connect: median(Arm::Unpooled, Operation::Connect)?,
            first_statement: (median(Arm::Unpooled, Operation::Query)? - kept).max(0.0),
            kept,
        })
    }

    /// What reconnecting adds to each transaction.
    fn added(&self) -> f64 {
        self.connect + self.first_statement
    }

    /// Its share of the time of a transaction that reconnects, 0 to 1.
    fn share(&self) -> f64 {
        self.added() / (self.added() + self.kept)
    }
}

fn client_series(level: &LevelSummary, arm: Arm, operation: Operation) -> Option<&SeriesHistogram> {
    let key = SeriesKey::service(Role::Client, operation, Phase::Total);
    level.contender(arm, false)?.merged.get(&key)
}

/// Connections per second of the server's users, as far as known.
enum KnownRate {
    Given(f64),
    Counted(f64),
    Unknown,
}

impl KnownRate {
    fn of(run: &Run, survey: &Survey) -> Self {
        let given = run.config.server.as_ref().and_then(|s| s.own.their_rate);
        match (given, survey.others) {
            (Some(rate), _) => KnownRate::Given(rate),
            (None, Some(others)) => KnownRate::Counted(others.per_second()),
            (None, None) => KnownRate::Unknown,
        }
    }

    fn per_second(&self) -> Option<f64> {
        match self {
            KnownRate::Given(rate) | KnownRate::Counted(rate) => Some(*rate),
            KnownRate::Unknown => None,
        }
    }
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

fn decide(
    run: &Run,
    survey: &Survey,
    level: Option<&LevelSummary>,
    cost: Option<&Cost>,
    (rate, holds): (&KnownRate, HoldRange),
) -> (Answer, Vec<String>) {
    if let Between::Pooler { mode, .. } = &survey.between {
        let mut lines = vec![format!(
            "**You already do**: this address is a pooler's, in {mode} mode. What was measured is what reconnecting to it costs."
        )];
        if let Some(cost) = cost {
            lines.push(format!(
                "Reconnecting to the pooler adds {} to each transaction; connections that clients keep open to it add nothing. To see what it saves, run the same against the server's own address.",
                duration(cost.added())
            ));
        }
        return (Answer::AlreadyPooled, lines);
    }
    let struck = |level: &LevelSummary| {
        [Arm::Unpooled, Arm::KeptOpen]
            .iter()
            .find_map(|&arm| Some(level.contender(arm, false)?.struck()?.to_string()))
    };
    let (Some(level), Some(cost)) = (level.filter(|l| struck(l).is_none()), cost) else {
        let why = match level.and_then(struck) {
            Some(guard) => format!("a guard struck out what it would rest on: {guard}"),
            None => "`unpooled` and `kept-open` were not both measured".to_owned(),
        };
        return (Answer::NoAnswer, vec![format!("**No answer**: {why}.")]);
    };
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    let verdict = |second| Some(level.effect(Arm::Unpooled, second)?.at(quoted)?.1);
    let slower = verdict(Arm::KeptOpen) == Some(Verdict::Higher)
        && verdict(Arm::Quiet).is_none_or(|v| v == Verdict::Higher);
    let known = rate.per_second();
    let lock_share = known.map(|r| busy_share(holds, r).high);
    let lock_matters = lock_share.is_some_and(|s| s > LOCK_MATTERS);
    let worth_saving = cost.share() > WORTH_SAVING;
    let answer = match known {
        _ if slower || lock_matters => Answer::Yes,
        Some(r) if r < HARDLY_ANY => Answer::NotNow,
        _ if worth_saving => Answer::Yes,
        _ => Answer::NoReasonShown,
    };
    let mut lines = vec![match answer {
        Answer::Yes => "**Yes, for whoever reconnects for each transaction**: keep connections open, in the application or through a pooler.".to_owned(),
        Answer::NotNow => format!(
            "**Not for the connections that were seen**: {} a second, under {HARDLY_ANY}, are hardly worth a pooler's own cost. What follows is what each of them pays.",
            a_second(known.unwrap_or(0.0))
        ),
        _ => "**No reason was shown.**".to_owned(),
    }];
    lines.push(format!(
        "For the client's own sake: reconnecting takes {} of the time of a transaction like the measured one (threshold {}). It takes less than that only of transactions longer than {}.",
        per_cent(cost.share()),
        per_cent(WORTH_SAVING),
        duration(cost.added() * (1.0 / WORTH_SAVING - 1.0))
    ));
    lines.push(if slower {
        "For the others' sake: running statements became slower already at the rate of this run, see above.".to_owned()
    } else {
        "For the others' sake: not shown at the rate of this run, which is gentle on purpose; that is no evidence against it at a higher one.".to_owned()
    });
    lines.push(match lock_share {
        Some(share) if share > LOCK_MATTERS => format!(
            "ProcArrayLock may be a part of it: held exclusively for up to {} of the time at the users' rate, by the estimate (threshold {}).",
            per_cent(share),
            per_cent(LOCK_MATTERS)
        ),
        Some(share) => format!(
            "ProcArrayLock is not the reason at the users' rate: held exclusively for {} of the time at most, by the estimate (threshold {}). The CPU that a connection costs comes first.",
            per_cent(share),
            per_cent(LOCK_MATTERS)
        ),
        None => format!(
            "Whether ProcArrayLock is a part of it depends on the users' rate, which is not known: by the estimate's high end it takes {} connections a second to hold it for {} of the time.",
            a_second(LOCK_MATTERS * 1e9 / holds.high),
            per_cent(LOCK_MATTERS)
        ),
    });
    (answer, lines)
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
#[path = "advice_tests.rs"]
mod tests;
