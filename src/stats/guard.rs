//! A reason not to believe, or to be careful with, a contender's numbers; in words.

use serde::{Serialize, Serializer};

use crate::names::counted;
use crate::record::{ErrorClass, Role, percentile_name};

/// What a guard does to the numbers it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Kept, with a dagger and the reason.
    Caution,
    /// Struck out: hollow in figures, not to be quoted.
    Strike,
}

/// One finding about one contender.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Guard {
    /// The achieved rate is under 99 % of the offered one, by more than counting noise.
    #[error("{role}: only {:.1} % of the offered rate was achieved (99 % needed)", .share * 100.0)]
    AchievedRate {
        /// Whose operations.
        role: Role,
        /// Share that was achieved, 0 to 1.
        share: f64,
    },
    /// Over 1 % of the operations failed or were cut off.
    #[error("{role}: {:.1} % of the operations failed, mostly {class} (1 % allowed)", .share * 100.0)]
    Errors {
        /// Whose operations.
        role: Role,
        /// Share that failed, 0 to 1.
        share: f64,
        /// The most frequent class.
        class: ErrorClass,
    },
    /// Fewer than ten samples above the quoted percentile.
    #[error("only {above} samples above {} (10 needed)", percentile_name(*.percentile))]
    FewSamples {
        /// The percentile.
        percentile: f64,
        /// Samples above it.
        above: u64,
    },
    /// Not an optimised build.
    #[error("debug build")]
    DebugBuild,
    /// The clock steps by more than a tenth of the median.
    #[error("the clock steps by {step_ns} ns, over a tenth of the median")]
    CoarseClock {
        /// The step, in ns.
        step_ns: u64,
    },
    /// The arm has not one success.
    #[error("not one operation succeeded")]
    NoSuccess,
    /// More runnable load threads than cores.
    #[error("{} on {}: tails include the scheduler", counted(*.threads, "load thread"), counted(*.cores, "core"))]
    ThreadsOverCores {
        /// Load threads.
        threads: u32,
        /// Cores.
        cores: usize,
    },
    /// A load thread used most of a core.
    #[error("a load thread used {:.0} % of a core: the client may be the limit", .share * 100.0)]
    ClientSaturated {
        /// The busiest load thread's share of one core.
        share: f64,
    },
    /// Some statements failed or were cut off and are missing above.
    #[error(
        "more statements failed or were cut off than a tenth of those above the quoted percentile"
    )]
    Censored,
    /// The threshold of slow statements was found before the measured blocks and does not fit them.
    #[error("of its statements only {:.2} % are slow, where 1 % was sought: the calibration was disturbed, and nothing is said to be smaller than a bound", .share * 100.0)]
    ThresholdTooHigh {
        /// The baseline's slow share, 0 to 1.
        share: f64,
    },
    /// The threshold of slow statements is far below the baseline's p99: it was found in calmer blocks, or at a calmer level.
    #[error(
        "over 4 % of its statements are slow, where 1 % was sought: the threshold was found in calmer blocks, or at a calmer level"
    )]
    ThresholdTooLow,
    /// The reader threads themselves began late.
    #[error(
        "the readers' own pacing error (p99) is over a quarter of the quoted percentile: see service time too"
    )]
    PacingLate,
    /// Processes that do not belong to the run used CPU.
    #[error("other processes used over 5 % of the machine's CPU: this was not an idle machine")]
    OtherLoad,
    /// The machine's cores were nearly all busy.
    // Without the share, so that arms that differ in the last digit share a note.
    #[error("over 95 % of the machine's CPU was busy: the tail includes plain CPU queueing")]
    MachineSaturated {
        /// Busy share of all cores.
        share: f64,
    },
    /// The hypervisor gave the machine's CPU to others.
    #[error("the hypervisor took over 1 % of the CPU away: tails include other machines' load")]
    CpuStolen {
        /// Share of all CPU time.
        share: f64,
    },
    /// `cpu-burn` did not use as much CPU as `unpooled` does.
    #[error(
        "cpu-burn used {ratio:.2} times the server CPU of an unpooled operation (0.95 to 1.05 wanted)"
    )]
    BurnRatio {
        /// Its CPU an operation over that of `unpooled`'s.
        ratio: f64,
    },
    /// It is unknown whether `cpu-burn` used as much CPU as `unpooled`.
    #[error(
        "cpu-burn cannot be compared with unpooled's CPU: it needs blocks of quiet and unpooled beside it"
    )]
    BurnUnverified,
    /// `cpu-burn` ran outside of the server's cgroup.
    #[error("cpu-burn ran outside of the server's cgroup")]
    BurnOutsideCgroup,
    /// Where churn's slots lie was arranged but not verified.
    #[error("slot order was arranged but not verified")]
    SlotOrderUnverified,
    /// Fewer fresh starts than a printed claim needs.
    #[error("{} (3 needed for a printed claim)", counted(*.starts, "fresh start"))]
    FewStarts {
        /// How many there were.
        starts: usize,
    },
    /// Fewer blocks than a quoted effect needs.
    #[error("{} (8 needed for a quoted effect, 10 for print)", counted(*.blocks, "block"))]
    FewBlocks {
        /// How many there were.
        blocks: usize,
    },
    /// Blocks that began although the settle rule was not met.
    #[error("{} began before the server had settled", counted(*.blocks, "block"))]
    Unsettled {
        /// How many.
        blocks: usize,
    },
}

impl Guard {
    /// Whether the finding strikes the numbers out.
    pub fn severity(&self) -> Severity {
        match self {
            Guard::AchievedRate { .. }
            | Guard::Errors { .. }
            | Guard::FewSamples { .. }
            | Guard::DebugBuild
            | Guard::CoarseClock { .. }
            | Guard::NoSuccess => Severity::Strike,
            _ => Severity::Caution,
        }
    }

    /// Whether it is about the clients' own numbers, not about the readers'.
    pub fn concerns_clients(&self) -> bool {
        match self {
            Guard::AchievedRate { role, .. } | Guard::Errors { role, .. } => *role == Role::Client,
            Guard::NoSuccess | Guard::DebugBuild | Guard::OtherLoad | Guard::CpuStolen { .. } => {
                true
            }
            Guard::ClientSaturated { .. } | Guard::MachineSaturated { .. } => true,
            Guard::FewStarts { .. } | Guard::FewBlocks { .. } => true,
            _ => false,
        }
    }

    /// The finding without the number that was measured, so that many levels share one.
    pub fn gist(&self) -> String {
        match self {
            Guard::AchievedRate { role, .. } => {
                format!("{role}: under 99 % of the offered rate was achieved")
            }
            Guard::Errors { role, class, .. } => {
                format!("{role}: over 1 % of the operations failed, mostly {class}")
            }
            Guard::FewSamples { percentile, .. } => format!(
                "fewer than 10 samples above {}",
                percentile_name(*percentile)
            ),
            Guard::ClientSaturated { .. } => {
                "a load thread used most of a core: the client may be the limit".to_owned()
            }
            Guard::ThresholdTooHigh { .. } => {
                "the threshold of slow statements is far above the baseline's p99: nothing is said to be smaller than a bound".to_owned()
            }
            Guard::Unsettled { .. } => "blocks began before the server had settled".to_owned(),
            Guard::BurnRatio { .. } => {
                "cpu-burn's CPU an operation is not within 5 % of unpooled's".to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// Why a number is struck out, if so, and the reasons to read it with care, from the findings that
/// concern it.
pub(super) fn reasons(
    guards: &[Guard],
    concerns: impl Fn(&Guard) -> bool,
) -> (Option<String>, Vec<String>) {
    let (struck, cautions): (Vec<&Guard>, Vec<&Guard>) = guards
        .iter()
        .filter(|g| concerns(g))
        .partition(|g| g.severity() == Severity::Strike);
    (
        struck.first().map(|g| g.gist()),
        cautions.into_iter().map(Guard::gist).collect(),
    )
}

/// Findings with their severity and in words.
pub(super) fn with_words<S: Serializer>(
    guards: &[Guard],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Finding<'a> {
        severity: Severity,
        #[serde(flatten)]
        guard: &'a Guard,
        words: String,
    }
    serializer.collect_seq(guards.iter().map(|guard| Finding {
        severity: guard.severity(),
        guard,
        words: guard.to_string(),
    }))
}
