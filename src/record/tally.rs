//! Counts of operations: everything scheduled ends up in exactly one place.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The class of a failed operation, such as `connect-refused` or `sqlstate-53300`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorClass(pub String);

impl ErrorClass {
    /// A class by name.
    pub fn new(name: impl Into<String>) -> Self {
        ErrorClass(name.into())
    }

    /// The condition's name, as PostgreSQL has it (15: errcodes.txt), of codes that a load meets.
    fn condition(&self) -> Option<&'static str> {
        Some(match self.0.strip_prefix("sqlstate-")? {
            "08P01" => "protocol_violation",
            "25P03" => "idle_in_transaction_session_timeout",
            "25P04" => "transaction_timeout",
            "26000" => "invalid_sql_statement_name",
            "28P01" => "invalid_password",
            "40001" => "serialization_failure",
            "40P01" => "deadlock_detected",
            "42P05" => "duplicate_prepared_statement",
            "53300" => "too_many_connections",
            "55P03" => "lock_not_available",
            "57014" => "query_canceled",
            "57P01" => "admin_shutdown",
            "57P02" => "crash_shutdown",
            "57P03" => "cannot_connect_now",
            "57P05" => "idle_session_timeout",
            _ => return None,
        })
    }
}

/// `sqlstate-57P05 (idle_session_timeout)`.
impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)?;
        match self.condition() {
            Some(condition) => write!(f, " ({condition})"),
            None => Ok(()),
        }
    }
}

/// The counts of one role in one block. Warm-up operations are not in them,
/// except where stated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleTally {
    /// Operations due inside the measured window (closed loop: begun inside it).
    pub scheduled: u64,
    /// Operations begun inside the measured window, whenever they were due: a
    /// backlog from the warm-up counts, one left at the end does not. Under a
    /// steady load it equals `scheduled` on average; under overload it is less.
    pub begun_in_window: u64,
    /// Operations begun at all, warm-up included: what the block's CPU was used
    /// for. 0 in files of earlier versions.
    #[serde(default)]
    pub begun_in_load: u64,
    /// Operations that ended well and were recorded.
    pub recorded: u64,
    /// Operations that ended well but were not timed (the stated 1-in-k sample
    /// of a closed loop of very short operations).
    #[serde(default)]
    pub untimed: u64,
    /// Operations that failed, by class.
    #[serde(default)]
    pub errors: BTreeMap<ErrorClass, u64>,
    /// Operations not begun, or not ended, when the drain time was over.
    pub cut_off: u64,
}

impl RoleTally {
    /// All failed operations.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// scheduled = recorded + untimed + errors + cut off. Anything else is a bug.
    pub fn is_conserved(&self) -> bool {
        self.scheduled == self.succeeded() + self.error_count() + self.cut_off
    }

    /// Operations that ended well, timed or not.
    pub fn succeeded(&self) -> u64 {
        self.recorded + self.untimed
    }

    /// Adds another worker's or block's counts.
    pub fn merge(&mut self, other: &RoleTally) {
        self.scheduled += other.scheduled;
        self.begun_in_window += other.begun_in_window;
        self.begun_in_load += other.begun_in_load;
        self.recorded += other.recorded;
        self.untimed += other.untimed;
        self.cut_off += other.cut_off;
        for (class, count) in &other.errors {
            *self.errors.entry(class.clone()).or_default() += count;
        }
    }

    /// Achieved over offered rate inside the window; 1 when nothing was offered.
    pub fn achieved_share(&self) -> f64 {
        if self.scheduled == 0 {
            return 1.0;
        }
        self.begun_in_window as f64 / self.scheduled as f64
    }

    /// How many operations fewer were begun than offered.
    pub fn shortfall(&self) -> u64 {
        self.scheduled.saturating_sub(self.begun_in_window)
    }

    /// Share of the scheduled operations that failed or were cut off.
    pub fn error_share(&self) -> f64 {
        if self.scheduled == 0 {
            return 0.0;
        }
        (self.error_count() + self.cut_off) as f64 / self.scheduled as f64
    }
}
