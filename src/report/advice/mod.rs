//! The answer for somebody's own server: whether to pool, what a connection costs there, what churn did,
//! how busy it keeps ProcArrayLock by estimate. Every rule is said with its threshold.

mod for_programs;
mod reasons;
mod short;

use itertools::Itertools;

use self::reasons::reasons;
use super::brief::alarm;
use super::findings::{judgement, place};
use super::format::{count, duration, rate, share};
use super::one_page::page_of;
use super::section::Section;
use super::summary_text::{certainty, page};
use crate::arm::Arm;
use crate::record::{Between, RunHead, Survey, percentile_name};
use crate::stats::{Analysis, KnownRate, Pooling, TRACED_ON, Verdict};

pub(crate) use self::for_programs::for_programs;
pub(crate) use self::short::brief;

/// `SUMMARY.md` of a run against somebody's own server; `None` for other runs.
pub fn one_page(analysis: &Analysis, figures: &[String]) -> Option<String> {
    let limits = [
        "Not other rates: this load is gentle on purpose.",
        "Not other transactions: the measured one is short.",
        "Not this server's holds of ProcArrayLock: they are estimated from servers that were traced.",
    ];
    let limits = limits.map(str::to_owned).to_vec();
    let brief = brief(analysis)?;
    let title = title(&analysis.run);
    Some(page_of(&title, &brief, limits, &[analysis], figures))
}

/// `DETAILS.md` of such a run.
pub fn details(analysis: &Analysis, figures: &[String]) -> Option<String> {
    let mut sections = advice(analysis)?;
    sections.push(Section::list("How sure this is", certainty(&[analysis])));
    let title = title(&analysis.run);
    Some(page(&title, &sections, &[analysis], figures))
}

/// The title, and below it which server it was, and when: `me@db.example:5432/app`.
fn title(run: &RunHead) -> String {
    let server = run.provenance.server.as_ref();
    let because = server.map_or("", |s| s.chosen_because.as_str());
    let (at, _) = because
        .split_once(": given by URL")
        .unwrap_or((because, ""));
    let at = at.split_once(" at ").map_or(at, |(_, at)| at);
    format!(
        "{0}: should I pool?\n\n**Server.** {0} at {at}; measured {1}.",
        place(run),
        run.started_at
    )
}

/// The advice, its answer first, for a run against a server that could be looked at.
pub fn advice(analysis: &Analysis) -> Option<Vec<Section>> {
    let pooling = analysis.pooling.as_ref()?;
    let survey = analysis.run.provenance.server.as_ref()?.survey.as_ref()?;
    Some(vec![
        Section::list("Should I pool?", reasons(pooling, survey)),
        Section::list("What a connection costs its client", cost_lines(pooling)),
        Section::list(
            "What connecting at this rate did to running statements",
            churn_lines(analysis),
        ),
        Section::list(
            "How busy connections keep ProcArrayLock: an estimate, not a measurement here",
            lock_lines(survey, pooling),
        ),
        Section::list("The server, as seen with this role's rights", seen(survey)),
        Section::list("With more rights it could add", more_rights(survey)),
    ])
}

fn seen(survey: &Survey) -> Vec<String> {
    let version = survey.pg_major;
    let what = match &survey.standby {
        Ok(true) => format!("PostgreSQL {version}, a hot standby"),
        Ok(false) => format!("PostgreSQL {version}"),
        Err(why) => format!("PostgreSQL {version} (whether it is a standby is not known: {why})"),
    };
    let settings = match &survey.settings {
        Ok(settings) => {
            let asked = &settings.huge_pages;
            let pages = match (&settings.huge_pages_status, survey.has_huge_pages()) {
                (Some(status), _) => format!("{asked}, in effect {status}"),
                (None, Some(_)) => asked.clone(),
                (None, None) => {
                    format!("{asked} (this version does not say whether there were any)")
                }
            };
            let (most, buffers) = (count(settings.max_connections), &settings.shared_buffers);
            format!("max_connections {most}, shared_buffers {buffers}, huge_pages {pages}")
        }
        Err(why) => format!("settings not known: {why}"),
    };
    let there = match &survey.census {
        Ok(census) => {
            let states = match census.state_visible {
                visible if visible < census.connections => {
                    format!("; the state of {visible} of them is visible")
                }
                _ => String::new(),
            };
            let (others, idle) = (count(census.connections), census.idle);
            let noun = match census.connections {
                1 => "connection",
                _ => "connections",
            };
            format!("{others} other {noun}{states}, {idle} idle")
        }
        Err(why) => format!("who is connected is not known: {why}"),
    };
    let address = match &survey.between {
        Ok(Between::Nothing) => "The address is the server's own: nothing stands in between.".to_owned(),
        Ok(Between::Relay) => "Something passes the bytes on (address translation, a proxy, a tunnel): its time is in every number. A pooler was not recognised.".to_owned(),
        Ok(Between::Pooler { mode, evidence }) => format!(
            "The address is a pooler's, in {mode} mode ({evidence}). `unpooled` therefore means connecting to the pooler, `fork-only` a socket that it accepts: nothing here says what a connection to the server itself costs."
        ),
        Err(why) => format!("What stands in between is not known: {why}."),
    };
    vec![format!("{what}: {there}; {settings}."), address]
}

fn cost_lines(pooling: &Pooling) -> Vec<String> {
    let Some(connects) = &pooling.connects else {
        return vec!["No connection was measured (arm unpooled).".to_owned()];
    };
    let (n, longest) = (count(connects.samples), duration(connects.longest));
    let percentiles = connects.percentiles.iter();
    let percentiles =
        percentiles.map(|(p, ns)| format!("{} {}", percentile_name(*p), duration(*ns)));
    let percentiles = match &percentiles.collect_vec()[..] {
        [] => "too few to say".to_owned(),
        told => told.join(", "),
    };
    let mut lines = vec![format!(
        "From nothing to the server's first ReadyForQuery, over {n} connections: {percentiles}; the longest took {longest}. A percentile with fewer than ten samples above it is not given: a longer --duration gives more."
    )];
    lines.extend(pooling.cost.map(|cost| {
        let [kept, first, added] = [cost.kept, cost.first_statement, cost.added].map(duration);
        format!("The transaction itself took {kept} (median) on a connection that was kept open, and {first} longer as the first on a new one. Reconnecting adds {added} to it.")
    }));
    lines
}

fn churn_lines(analysis: &Analysis) -> Vec<String> {
    let run = &analysis.run;
    let quoted = run.quoted_statistic();
    let Some(level) = analysis.primary_level() else {
        return vec!["Nothing was measured.".to_owned()];
    };
    let at = match run.client_rate_per_second {
        Some(rate) => format!("{rate} per second"),
        None => "a closed loop".to_owned(),
    };
    let contrast = |(first, second): (Arm, Arm)| {
        let (contrast, verdict) = level.found(first, second, quoted)?;
        let told = judgement(&contrast, verdict);
        let cannot_show = match verdict {
            Verdict::CannotTell => {
                " This rate cannot show a smaller effect, and says nothing about higher rates."
            }
            _ => "",
        };
        let times = format!("{quoted} {} time of running statements", analysis.clock());
        Some(format!(
            "{first} minus {second} at {at}, {times}: {told}.{cannot_show}"
        ))
    };
    let pairs = [
        (Arm::Unpooled, Arm::KeptOpen),
        (Arm::ForkOnly, Arm::KeptOpen),
        (Arm::Unpooled, Arm::ForkOnly),
    ];
    let mut lines = pairs.into_iter().filter_map(contrast).collect_vec();
    if lines.is_empty() {
        lines = vec![format!(
            "Too few samples for {quoted}, or an arm is missing: no contrast."
        )];
    }
    let alarm = alarm(analysis);
    lines.extend(alarm.map(|alarm| format!("Nothing of this is to be believed: {alarm}.")));
    lines
}

fn lock_lines(survey: &Survey, pooling: &Pooling) -> Vec<String> {
    let census = match &survey.census {
        Ok(census) => census,
        Err(why) => {
            return vec![format!(
                "Not known: it depends on how many are connected ({why})."
            )];
        }
    };
    let Some(holds) = pooling.holds_ns else {
        return Vec::new();
    };
    let pages = match survey.has_huge_pages() {
        Some(true) => "huge pages",
        Some(false) => "4 kB pages",
        None => "4 kB or huge pages",
    };
    let (behind, in_front) = (duration(holds.low), duration(holds.high));
    let (standing, version) = (count(census.connections), survey.pg_major);
    let mut lines = vec![format!(
        "One connection takes it exclusively twice, to join and to leave, for {behind} in all if new connections find slots behind the {standing} standing ones and {in_front} if in front of them (PostgreSQL {version}, {pages}; holds traced in {TRACED_ON}, not in this server). Which of the two it is cannot be seen from outside."
    )];
    let shares = pooling.busy.iter().map(|&(per_second, busy)| {
        let range = match (share(busy.low), share(busy.high)) {
            (low, high) if low == high => high,
            (low, high) => format!("{low} to {high}"),
        };
        format!("at {} per second {range} of the time", rate(per_second))
    });
    let shares = shares.collect_vec().join("; ");
    let to = match survey.is_pooler() {
        true => " (for connections to the server itself, not to the pooler)",
        false => "",
    };
    match (pooling.rate, &survey.others) {
        (KnownRate::Given(_), _) => lines.push(format!(
            "Rate times hold{to}: {shares} (the rate that was given, and ten times that)."
        )),
        (KnownRate::Counted(_), Ok(others)) => {
            let whose = match others.without_ours {
                true => "procbench's own taken off",
                false => "those of the pooler included",
            };
            let (n, seconds) = (count(others.count), others.over_s);
            lines.push(format!("During the run the server counted {n} sessions in {seconds:.0} s ({whose}; all databases; failed logins and parallel workers are not among them)."));
            lines.push(format!("Rate times hold{to}: {shares}."));
        }
        (_, others) => {
            let why = others.as_ref().err().map_or("", String::as_str);
            lines.push(format!(
                "How many connections its users make is not known: {why}. Give --their-rate N. Rate times hold{to}: {shares}."
            ));
        }
    }
    lines
}

fn more_rights(survey: &Survey) -> Vec<String> {
    let waits = "what running statements wait for (`pg_stat_activity.wait_event`: `ProcArray`, in 17.0 to 17.2 `ProcArrayLock`), and which of the standing connections are idle";
    let mut lines = vec![if survey.reads_all_stats == Ok(true) {
        format!(
            "This role may read everybody's activity. A watch for {waits} is left out all the same: each reading takes ProcArrayLock once per row."
        )
    } else {
        format!("With pg_monitor: {waits}.")
    }];
    lines.push("With root on the server's host: page faults and time inside ProcArrayAdd, and waits for ProcArrayLock (perf or bpftrace on the server's own process), in place of the estimate; CPU of postmaster and backends, so that CPU and lock can be told apart.".to_owned());
    if survey.has_huge_pages().is_none() {
        lines.push("With root on the server's host: whether huge_pages = try got huge pages, which narrows the estimate.".to_owned());
    }
    lines.push("With a server of the same version to itself (`procbench server --server docker` or `local`): the slot order, arranged (`--slot-order front,behind`), standing connections by number, and rates that are too high for a server that others use.".to_owned());
    lines
}

#[cfg(test)]
mod tests;
