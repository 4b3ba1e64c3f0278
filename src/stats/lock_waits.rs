//! How long readers wait for ProcArrayLock under churn, level by level: of the model's clock reads, or of a traced
//! server.

use serde::Serialize;

use super::bootstrap::Estimate;
use super::busy_seen::{LEAST_BUSY, Seen, WAIT};
use super::by_lock::{SeriesTail, series_tail};
use super::level::LevelSummary;
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::Run;

/// Readers' waits in the `unpooled` blocks of one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockWaits {
    /// The level.
    pub factors: Factors,
    /// Shared acquisitions that found the lock busy.
    pub busy_acquisitions: u64,
    /// Their share of all, 0 to 1.
    pub busy: Estimate,
    /// Their mean wait, in ns; `None` where there is none.
    pub wait_ns: Option<Estimate>,
    /// Percentiles of all waits, those of 0 included.
    pub tail: SeriesTail,
}

impl LockWaits {
    /// Whether a conclusion can rest on so few.
    pub fn are_too_few(&self) -> bool {
        self.busy_acquisitions < LEAST_BUSY
    }
}

/// The levels at which somebody counted how often the lock was found busy.
pub(super) fn lock_waits(run: &Run, levels: &[LevelSummary]) -> Vec<LockWaits> {
    let of = |level: &LevelSummary| {
        let seen = Seen::of(run, level);
        Some(LockWaits {
            factors: level.factors.clone(),
            busy_acquisitions: seen.busy_acquisitions()?,
            busy: seen.busy()?,
            wait_ns: seen.wait_ns(),
            tail: series_tail(run, seen.blocks(), WAIT),
        })
    };
    let churned = levels
        .iter()
        .filter(|l| l.contender(Arm::Unpooled, false).is_some());
    churned.filter_map(of).collect()
}
