//! The answer for other programs: units are in the keys' names (docs/analysis-schema.md).

use serde_json::{Map, Value, json};

use super::brief;
use crate::record::percentile_name;
use crate::stats::{Analysis, KnownRate, PoolingAnswer};

/// Of a run against a server that could be looked at.
pub fn for_programs(analysis: &Analysis) -> Option<Value> {
    let pooling = analysis.pooling.as_ref()?;
    let survey = analysis.run.provenance.server.as_ref()?.survey.as_ref()?;
    let brief = brief(analysis)?;
    let said = brief.answer.iter().map(|said| said.replace("**", ""));
    let verdict = match &pooling.answer {
        // Why is in the sentences.
        PoolingAnswer::NoAnswer(_) => json!("no-answer"),
        answer => json!(answer),
    };
    let connects = pooling.connects.as_ref();
    let percentiles = connects.iter().flat_map(|c| &c.percentiles);
    let percentiles: Map<String, Value> = percentiles
        .map(|(p, ns)| (percentile_name(*p), json!(ns)))
        .collect();
    let (rate_is, counted_over_s) = match (pooling.rate, &survey.others) {
        (KnownRate::Given(_), _) => ("given", None),
        (KnownRate::Counted(_), others) => ("counted", others.as_ref().ok().map(|o| o.over_s)),
        (KnownRate::Unknown, _) => ("unknown", None),
    };
    Some(json!({
        "verdict": verdict,
        "sentences": said.collect::<Vec<_>>(),
        "caution": brief.caution,
        "connect_ns": percentiles,
        "connect_longest_ns": connects.map(|c| c.longest),
        "kept_open_ns": pooling.cost.map(|c| c.kept),
        "reconnecting_ns": pooling.cost.map(|c| c.kept + c.added),
        "reconnecting_share": pooling.cost.map(|c| c.share),
        "pgbouncer_connect_ns": pooling.pooler.map(|p| p.connect),
        "pgbouncer_reconnecting_ns": pooling.pooler.map(|p| p.transaction),
        "pgbouncer_saves_ns": pooling.pooler.map(|p| p.saved),
        "users_connections_per_s": pooling.rate.per_second(),
        "users_connections_are": rate_is,
        "counted_over_s": counted_over_s,
        "lock_held_share_at_most": pooling.lock_share,
    }))
}
