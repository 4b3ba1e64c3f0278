//! The answer on one screen: the question, at most three sentences, one small table, the caution that matters.

use itertools::Itertools;

use super::argument::verdicts;
use super::arm_table::guard_notes;
use super::brief_table::brief_table;
use super::findings::{of_100, place};
use super::format::{detectable, duration, filled, interval_95, quantity};
use super::lock_witness;
use super::prediction;
use super::section::{MOST_ROWS_OF_ANSWER, Section};
use crate::arm::{Arm, Mode};
use crate::experiment::{Experiment, find};
use crate::names::counted;
use crate::stats::{
    Analysis, Answer, Cells, Claim, Contrast, Guard, Pooled, Primary, Statistic, Unit, Verdict,
};

/// What fits on one screen.
pub const COLUMNS: usize = 80;
/// Its lines.
pub const LINES: usize = 24;
/// The experiment that the chapter's own question is put to.
pub(super) const CHURN: &str = "churn-tail";
/// The experiment that says what pooling saves.
const POOL: &str = "pool";
/// Sentences of the answer: each of its parts is one.
const SENTENCES: usize = 3;

/// One experiment's runs on one screen.
pub struct Brief {
    pub(crate) title: String,
    pub(crate) question: String,
    pub(crate) answer: Vec<String>,
    pub(crate) table: Option<Section>,
    pub(crate) caution: Option<String>,
    /// Where the answer does not say it.
    pub(crate) what_to_do: Option<&'static str>,
}

impl Brief {
    /// Of runs of one experiment, or of a free run (`None`); the server's answer stands before the model's.
    pub fn of(experiment: Option<&Experiment>, items: &[&Analysis]) -> Self {
        let free = "What does connection churn do to running queries?";
        let of = |mode| items.iter().filter(move |a| a.run.mode == mode);
        let modelled = of(Mode::Model)
            .flat_map(|a| sentences(a))
            .map(|said| format!("Model: {said}"));
        let mut answer = of(Mode::Server).flat_map(|a| sentences(a)).collect_vec();
        // One screen: beside a server the model has one sentence.
        answer.truncate(
            SENTENCES - usize::from(of(Mode::Model).next().is_some() && !answer.is_empty()),
        );
        answer.extend(modelled);
        answer.truncate(SENTENCES);
        let names = items.iter().map(|a| place(&a.run)).unique().join(" and ");
        let first = items.first();
        Brief {
            title: match first {
                Some(a) => format!("{}, {names}", a.run.experiment),
                None => "nothing was measured".to_owned(),
            },
            question: experiment.map_or(free, |e| e.question).to_owned(),
            answer,
            table: first.and_then(|a| brief_table(a)).map(Section::shortened),
            caution: items.iter().find_map(|a| caution(a)),
            what_to_do: experiment.map(|e| e.what_to_do),
        }
    }

    /// Of a chapter's runs: what churn did to running statements, what pooling saves, and the argument sentence by
    /// sentence.
    pub fn of_chapter(runs: &[&Analysis]) -> Self {
        let of = |name| {
            let of_name = runs
                .iter()
                .copied()
                .filter(move |a| a.run.experiment == name);
            Brief::of(find(name).ok(), &of_name.collect_vec())
        };
        let mut whole = of(CHURN);
        let pooled = of(POOL).answer.into_iter().next();
        whole
            .answer
            .truncate(SENTENCES - usize::from(pooled.is_some()));
        whole.answer.extend(pooled);
        Brief {
            title: "chapter".to_owned(),
            table: Some(verdicts(runs)),
            ..whole
        }
    }

    /// The line of what to do, as pages have it.
    pub(super) fn advice(&self) -> Option<String> {
        Some(format!("**What to do.** {}", self.what_to_do?))
    }

    /// The answer and what to do.
    pub(crate) fn paragraphs(&self) -> Vec<String> {
        self.answer.iter().cloned().chain(self.advice()).collect()
    }

    /// The caution without its first word and its full stop: a page sets both.
    pub(crate) fn bare_caution(&self) -> Option<&str> {
        let caution = self.caution.as_deref()?;
        let bare = caution.strip_prefix("Caution: ").unwrap_or(caution);
        Some(bare.trim_end_matches('.'))
    }

    /// For the terminal; `rest` says where everything else is.
    pub fn terminal(&self, rest: &str) -> String {
        let wrapped = |text: &str| filled(text, COLUMNS);
        let mut parts = vec![wrapped(&format!("{}. {}", self.title, self.question))];
        parts.push(self.answer.iter().map(|said| wrapped(said)).join("\n"));
        let end = self.caution.clone().into_iter().chain(self.advice());
        let end = end.chain([rest.to_owned()]);
        let end = end.map(|line| wrapped(&line)).join("\n");
        let lines = |text: &str| text.lines().count() + 1;
        let taken: usize = parts.iter().map(|p| lines(p)).sum::<usize>() + end.lines().count();
        if let Some(table) = &self.table {
            let lines = LINES.saturating_sub(taken + 1);
            parts.push(table.fitting(COLUMNS, lines, MOST_ROWS_OF_ANSWER));
        }
        parts.push(end);
        parts.join("\n\n").replace("**", "") + "\n"
    }
}

/// The most telling first.
fn sentences(analysis: &Analysis) -> Vec<String> {
    let of_lock = lock_witness::sentence(analysis);
    match &analysis.primary {
        Some(primary) if analysis.is_contrast() && analysis.run.mode == Mode::Server => {
            let mut all = vec![of_churn(analysis, primary)];
            all.extend(of_the_lock(primary));
            all.extend(by_trace(analysis));
            all.extend(over_cells(analysis));
            all
        }
        _ if analysis.is_contrast() => of_lock.into_iter().collect(),
        _ => prediction::short_parts(analysis),
    }
}

/// `+2.70 pp (95 % +1.31 to +4.48), shown`.
fn by(c: &Contrast, verdict: Verdict) -> String {
    by_with("", c, verdict)
}

/// The same, with more words between the interval and the verdict.
fn by_with(more: &str, c: &Contrast, verdict: Verdict) -> String {
    let by = interval_95(c.difference, |value| quantity(value, c.unit)) + more;
    match verdict {
        Verdict::Higher | Verdict::Lower => format!("{by}, shown"),
        Verdict::CannotTell => format!(
            "{by}; the smallest effect it could have shown is {}",
            detectable(c)
        ),
        other => format!("{by}: {}", other.words()),
    }
}

/// Of somebody's own server, the A/A check in alarm: one short run has only this one.
pub(super) fn alarm(analysis: &Analysis) -> Option<String> {
    let quoted = analysis.run.quoted_statistic();
    let level = analysis.pooling.as_ref().and(analysis.primary_level())?;
    let p = level.alarm(quoted)?;
    Some(format!(
        "the A/A check is in alarm, two sets of blocks of one arm differ at {quoted} (p = {p:.3})"
    ))
}

/// What churn did to running statements.
pub(super) fn of_churn(analysis: &Analysis, primary: &Primary) -> String {
    let claim = match primary.claim {
        Claim::Slower if analysis.pooling.is_some() => {
            "At this gentle rate running queries became slower, which decides nothing in one short run"
        }
        Claim::Slower => "Yes, churn makes running queries slower here",
        Claim::NotSlowerThanQuiet => {
            "No conclusion, since running queries were slower than beside kept connections, but not shown to be slower than without any clients"
        }
        Claim::Faster => {
            "Running queries were faster under churn, which needs a cause before it is believed"
        }
        Claim::Small => "No, what churn does to running queries is smaller than the declared bound",
        Claim::CannotTell => "This run cannot tell whether churn makes running queries slower",
        Claim::NoConclusion => "No conclusion about churn",
    };
    let c = &primary.contrast;
    let p = analysis.pooling.as_ref().and(c.p_value);
    let p = p.map_or(String::new(), |p| format!(", p = {p:.3}"));
    if primary.verdict.is_shown()
        && let Some(alarm) = alarm(analysis)
    {
        let by = interval_95(c.difference, |value| quantity(value, c.unit));
        return format!(
            "No conclusion about churn: {alarm}; {} changes by {by}{p}.",
            c.statistic
        );
    }
    let by = by_with(&p, c, primary.verdict);
    let how_slow = match primary.claim {
        Claim::Slower => how_slow(analysis, primary).unwrap_or_default(),
        _ => String::new(),
    };
    match of_100(analysis, primary) {
        Some(of_100) => format!(
            "{claim}: {}, {by}{how_slow}.",
            of_100.replacen("Of", "of", 1)
        ),
        None => format!("{claim}: {} changes by {by}{how_slow}.", c.statistic),
    }
}

/// `; the p99 goes from 106 us to 1.9 ms`.
fn how_slow(analysis: &Analysis, primary: &Primary) -> Option<String> {
    let level = analysis.level(&primary.factors)?;
    let quoted = Statistic::Percentile(analysis.run.config.quoted_percentile);
    let of = |arm| Some(level.contender(arm, false)?.estimate(quoted)?.value_ns);
    let [without, with] = [of(Arm::KeptOpen)?, of(Arm::Unpooled)?].map(duration);
    Some(format!("; the {quoted} goes from {without} to {with}"))
}

fn of_the_lock(primary: &Primary) -> Option<String> {
    let (contrast, verdict) = primary.lock_part?;
    let by = by(&contrast, verdict);
    let whole = primary.contrast.difference;
    // Both are estimates, and either may be off.
    let is_all = contrast.difference.value_ns >= whole.value_ns;
    let part = match is_all {
        true => "All of that is ProcArrayLock's part, as far as the intervals tell:",
        false => "ProcArrayLock's part of that is",
    };
    Some(match verdict {
        Verdict::Higher => format!(
            "{part} {by}: so much is gone once connections take their page faults before the lock, not under it."
        ),
        Verdict::CannotTell => format!("ProcArrayLock's part is unknown: {by}."),
        _ => format!("ProcArrayLock's part: {by}."),
    })
}

/// What the trace says of the lock's part, where statements were traced.
fn by_trace(analysis: &Analysis) -> Option<String> {
    let primary = analysis.primary.as_ref()?;
    let mut parts = analysis.lock_parts.iter();
    let part = parts.find(|p| p.factors == primary.factors)?;
    let by = interval_95(part.by_trace?, |share| {
        quantity(share, Unit::ShareDifference)
    });
    let agree = match part.agrees()? {
        true => "both agree",
        false => "the two disagree",
    };
    Some(format!(
        "What readers were seen to wait for the lock explains {by}: {agree}."
    ))
}

/// The lock's part over all levels that have page faults under it, and over those that have none.
fn over_cells(analysis: &Analysis) -> Option<String> {
    let quoted = analysis.run.quoted_statistic();
    let of = |cells, levels: &str| {
        let mut pooled = analysis.pooled.iter();
        let is_it = |p: &&Pooled| p.cells == cells && p.second == Arm::Premapped;
        let pooled = pooled.find(is_it)?;
        let (contrast, verdict) = pooled.contrasts.iter().find(|c| c.0.statistic == quoted)?;
        let by = by(contrast, *verdict);
        let lack = match &pooled.lack[..] {
            [] => String::new(),
            lack => format!(" ({})", lack.join(", ")),
        };
        let over = counted(pooled.levels, "level");
        Some(format!("over {over} {levels}{lack} is {by}"))
    };
    let with = of(Cells::WithFaults, "with page faults under the lock")?;
    let without = of(Cells::Placebo, "without")?;
    Some(format!("The lock's part {with}; {without}."))
}

/// A partial run before all; else the guard that concerns the most arms and levels.
pub(super) fn caution(analysis: &Analysis) -> Option<String> {
    let partial = analysis.run.partial_reason();
    let all = analysis.contenders().count();
    let worst = || {
        // Nobody starts somebody's own server anew.
        let is_own = analysis.pooling.is_some();
        let is_costs = analysis.answer == Answer::Costs;
        let concerns = |guard: &Guard| !is_costs || guard.concerns_clients();
        let notes = guard_notes(analysis, concerns).into_iter();
        let notes = notes.filter(|(text, _)| !(is_own && text.contains("fresh start")));
        let (text, about) = notes.max_by_key(|note| note.1)?;
        let text = text.replacen("Struck out:", "Struck out, not to be quoted:", 1);
        Some(format!("{text} ({about} of {all} arms and levels)."))
    };
    partial
        .map(|why| format!("Caution: the run is partial: {why}."))
        .or_else(|| Some(format!("Caution: {}.", alarm(analysis)?)))
        .or_else(worst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{analyse, registry};
    use crate::record::RunStatus;
    use crate::testing::{sample_run, sample_run_with_versions};

    fn assert_fits(text: &str) {
        assert!(text.lines().count() <= LINES, "{text}");
        assert!(text.lines().all(|l| l.chars().count() <= COLUMNS), "{text}");
    }

    fn sentences_in(brief: &Brief) -> usize {
        let answer = brief.answer.join(" ") + " ";
        let parts = answer.split(". ").skip(1);
        let begins = |part: &&str| part.is_empty() || part.starts_with(char::is_uppercase);
        parts.filter(begins).count()
    }

    #[test]
    fn every_experiments_answer_fits_one_screen() {
        let versions = sample_run_with_versions(&["13", "14", "15", "16", "17", "18"]);
        for experiment in registry() {
            for &mode in experiment.modes {
                // Many levels where they make the table long.
                let mut run = match experiment.name {
                    CHURN | "accounting" => versions.clone(),
                    _ => sample_run(2),
                };
                run.experiment = experiment.name.to_owned();
                run.mode = mode;
                let analysis = analyse(&run);
                let brief = Brief::of(Some(experiment), &[&analysis]);
                let text = brief.terminal("The rest: here.");
                assert_fits(&text);
                assert!(text.ends_with("The rest: here.\n"), "{text}");
                assert!(text.starts_with(experiment.name), "{text}");
                assert!(sentences_in(&brief) <= SENTENCES, "{text}");
            }
        }
        assert_fits(&Brief::of_chapter(&[]).terminal("The rest: here."));
    }

    #[test]
    fn a_chapter_says_what_pooling_saves_and_what_to_do() {
        let named = |name: &str| {
            let mut run = sample_run(12);
            run.experiment = name.to_owned();
            run.mode = Mode::Server;
            analyse(&run)
        };
        let (churn, pool) = (named(CHURN), named(POOL));
        let brief = Brief::of_chapter(&[&churn, &pool]);
        let of_pool = Brief::of(find(POOL).ok(), &[&pool]);
        assert_eq!(brief.answer.last(), of_pool.answer.first());
        assert!(brief.answer.len() <= SENTENCES, "{:?}", brief.answer);
        let screen = brief.terminal("The rest: here.");
        assert_fits(&screen);
        assert!(
            screen.contains("What to do. Keep connections open"),
            "{screen}"
        );
    }

    #[test]
    fn the_server_answers_before_the_model_and_a_partial_run_says_so() {
        let mut server = sample_run(12);
        server.mode = Mode::Server;
        server.status = RunStatus::Partial {
            reason: "interrupted".to_owned(),
        };
        let items = [analyse(&sample_run(12)), analyse(&server)];
        let brief = Brief::of(find(CHURN).ok(), &[&items[0], &items[1]]);
        assert!(
            brief.answer[0].starts_with("Yes, churn makes running queries slower"),
            "{:?}",
            brief.answer
        );
        assert!(sentences_in(&brief) <= SENTENCES, "{:?}", brief.answer);
        let caution = brief.caution.unwrap();
        assert!(caution.contains("partial"), "{caution}");
    }
}
