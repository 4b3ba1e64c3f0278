//! The advice on one screen: the answer, what reconnecting costs, what it did to others, a table, a caution.

use itertools::Itertools;

use super::reasons::reasons;
use crate::record::{Between, Survey, percentile_name};
use crate::report::brief::{Brief, caution, of_churn};
use crate::report::findings::place;
use crate::report::format::{count, duration, in_unit_of, rate, share};
use crate::report::section::{Section, Table};
use crate::stats::{Analysis, KnownRate, PoolerCost, Pooling, ReconnectCost};

/// Of a run against a server that could be looked at.
pub fn brief(analysis: &Analysis) -> Option<Brief> {
    let pooling = analysis.pooling.as_ref()?;
    let survey = analysis.run.provenance.server.as_ref()?.survey.as_ref()?;
    let mut answer = reasons(pooling, survey);
    answer.truncate(1);
    answer.extend(pooling.cost.as_ref().map(cost));
    answer.extend(analysis.primary.as_ref().map(|p| of_churn(analysis, p)));
    let relayed = survey.between == Ok(Between::Relay);
    let relay = relayed.then(|| {
        "Caution: something passes the bytes on (a proxy, a tunnel): its time is in every number."
            .to_owned()
    });
    let partial = analysis.run.partial_reason().is_some();
    let worst = caution(analysis);
    Some(Brief {
        title: place(&analysis.run),
        question: "Should I pool?".to_owned(),
        answer,
        table: Section::table(
            "What was seen with this role's rights",
            seen(pooling, survey),
            std::iter::empty::<String>(),
        ),
        caution: if partial { worst } else { relay.or(worst) },
        what_to_do: None,
    })
}

fn cost(cost: &ReconnectCost) -> String {
    let whole = cost.added + cost.kept;
    let [kept, whole] = [cost.kept, whole].map(|ns| in_unit_of(whole, ns));
    let part = share(cost.share);
    format!(
        "A transaction takes {kept} on a kept-open connection and {whole} with reconnecting (medians): {part} of that is reconnecting."
    )
}

fn seen(pooling: &Pooling, survey: &Survey) -> Table {
    let mut table = Table::new(["what"], ["here"]);
    let mut push = |what: String, here: String| table.push(vec![what, here]);
    let connects = pooling.connects.iter().flat_map(|c| &c.percentiles);
    // The middle and the most that the samples carry.
    let ends = connects.minmax_by(|a, b| a.0.total_cmp(&b.0)).into_option();
    let ends = ends.into_iter().flat_map(|(low, high)| [low, high]).dedup();
    let ends = ends.take(if pooling.pooler.is_some() { 1 } else { 2 });
    let to = pooling.pooler.map_or("", |_| " to the server");
    for (p, ns) in ends {
        push(
            format!("connecting{to}, {}", percentile_name(*p)),
            duration(*ns),
        );
    }
    if let Some(pooler) = &pooling.pooler {
        let PoolerCost {
            connect,
            transaction,
            saved,
        } = *pooler;
        let on_new = "a transaction on a new connection";
        for (what, ns) in [
            ("connecting to PgBouncer, p50".to_owned(), connect),
            (format!("{on_new} to the server, p50"), transaction + saved),
            (format!("{on_new} to PgBouncer, p50"), transaction),
            ("the pooler saves of that".to_owned(), saved),
        ] {
            push(what, duration(ns));
        }
    }
    let users = match (pooling.rate, &survey.others) {
        (KnownRate::Given(per_second), _) => format!("{} (given)", rate(per_second)),
        (KnownRate::Counted(per_second), Ok(others)) => {
            format!("{} (counted, {:.0} s)", rate(per_second), others.over_s)
        }
        _ => "not known".to_owned(),
    };
    push("connections per second of its users".to_owned(), users);
    for &(per_second, busy) in pooling.busy.iter().take(2) {
        push(
            format!(
                "time ProcArrayLock is held at {} connections/s, at most (estimate)",
                rate(per_second)
            ),
            share(busy.high),
        );
    }
    if survey.is_standby() {
        push("the server".to_owned(), "a hot standby".to_owned());
    }
    let others = survey.census.as_ref().map(|c| count(c.connections));
    let most = survey.settings.as_ref().map(|s| count(s.max_connections));
    push(
        "other connections now".to_owned(),
        match (others, most) {
            (Ok(others), Ok(most)) => format!("{others} of {most}"),
            (Ok(others), Err(_)) => others,
            (Err(_), _) => "not known".to_owned(),
        },
    );
    table
}
