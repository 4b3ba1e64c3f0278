//! The table of factors: one row per setting whose values make levels.
//!
//! A row says all that the rest of the program knows of a factor; levels, the lists that are asked for, the
//! command line, run files, tables, exports and comparisons walk the table.

use super::list;
use super::rate::{ClientRate, CommitRate};
use super::server::{
    Auth, Isolate, LogConnections, PgSource, ScramIterations, SharedBuffers, StandingState, Tls,
    Transport,
};
use crate::arm::Mode;
use crate::procarray::locks::LockChoice;
use crate::procarray::{MappingKind, PageSize, SlotOrder};

/// What is known of a factor beside its values.
#[derive(Debug)]
pub struct FactorRow {
    /// The factor.
    pub factor: Factor,
    /// Its name in files, and the name of its column.
    pub key: &'static str,
    /// The words before its value in titles.
    pub title: &'static str,
    /// The modes that have it.
    pub modes: &'static [Mode],
    /// Whether each of its values needs a server (or an array) of its own.
    pub restarts: bool,
    /// Whether only a server of ours can be given it: of one by URL it is as it is.
    pub ours_only: bool,
    /// Its option on the command line, without dashes.
    pub option: &'static str,
    /// How the option's value is shown in help.
    pub value_name: &'static str,
    /// Under which heading of help.
    pub heading: &'static str,
    /// Its line of help.
    pub help: &'static str,
}

const BOTH: &[Mode] = &[Mode::Model, Mode::Server];
const MODEL: &[Mode] = &[Mode::Model];
const SERVER: &[Mode] = &[Mode::Server];

/// Every level has a number of standing connections.
const STANDING: FactorRow = FactorRow {
    factor: Factor::Standing,
    key: "standing",
    title: "standing connections",
    modes: BOTH,
    restarts: true,
    ours_only: false,
    option: "standing",
    value_name: "N,...",
    heading: "Load",
    help: "Standing connections: 500, or a list 0,500, or a range 50..5000:log6",
};

macro_rules! factors {
    ($(
        $(#[$doc:meta])*
        $variant:ident $field:ident: $type:ty {
            title: $title:literal, modes: $modes:expr, restarts: $restarts:literal, ours_only: $ours_only:literal,
            option: $option:literal $value_name:literal in $heading:literal by $read:path, $help:literal
        }
    )+) => {
        /// A factor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Factor {
            /// Standing connections.
            Standing,
            $($(#[$doc])* $variant,)+
        }

        /// Every factor, in the order in which titles name them.
        pub static FACTORS: &[FactorRow] = &[STANDING, $(FactorRow {
            factor: Factor::$variant,
            key: stringify!($field),
            title: $title,
            modes: $modes,
            restarts: $restarts,
            ours_only: $ours_only,
            option: $option,
            value_name: $value_name,
            heading: $heading,
            help: $help,
        },)+];

        /// The settings under which a block ran, beside its arm; also the key of a level. A factor without a
        /// value is not named: it has its default, or does not apply.
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct Factors {
            /// Standing connections.
            pub standing: u32,
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )+
        }

        impl Factors {
            /// The value of one factor as text.
            pub fn get(&self, factor: Factor) -> Option<String> {
                match factor {
                    Factor::Standing => Some(self.standing.to_string()),
                    $(Factor::$variant => self.$field.as_ref().map(ToString::to_string),)+
                }
            }

            /// Takes over another level's value of one factor.
            pub fn copy_from(&mut self, other: &Factors, factor: Factor) {
                match factor {
                    Factor::Standing => self.standing = other.standing,
                    $(Factor::$variant => self.$field.clone_from(&other.$field),)+
                }
            }
        }

        /// What was asked for: the values of each factor. An empty list leaves the factor at its default and
        /// names it in no level.
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct FactorLists {
            /// Numbers of standing connections.
            pub standing: Vec<u32>,
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                pub $field: Vec<$type>,
            )+
        }

        impl FactorLists {
            /// Reads the values of one factor, as the command line gives them.
            ///
            /// # Errors
            /// One line that says which value is wrong.
            pub fn set(&mut self, factor: Factor, text: &str) -> Result<(), String> {
                match factor {
                    Factor::Standing => self.standing = list::numbers(text)?,
                    $(Factor::$variant => self.$field = $read(text)?,)+
                }
                Ok(())
            }

            /// Asks for no value of one factor.
            pub fn clear(&mut self, factor: Factor) {
                match factor {
                    Factor::Standing => self.standing.clear(),
                    $(Factor::$variant => self.$field.clear(),)+
                }
            }

            /// Every level with each value of one factor; the same levels if it has none.
            pub(super) fn cross(&self, levels: Vec<Factors>, factor: Factor) -> Vec<Factors> {
                match factor {
                    Factor::Standing => list::crossed(levels, &self.standing, |l, v| l.standing = v),
                    $(Factor::$variant => {
                        list::crossed(levels, &self.$field, |level, value| level.$field = Some(value))
                    })+
                }
            }

            /// The values of one factor as texts.
            pub fn texts(&self, factor: Factor) -> Vec<String> {
                match factor {
                    Factor::Standing => self.standing.iter().map(ToString::to_string).collect(),
                    $(Factor::$variant => self.$field.iter().map(ToString::to_string).collect(),)+
                }
            }
        }
    };
}

factors! {
    /// PostgreSQL: a major version, own binaries or an image; in the model the version's profile.
    Pg pg: PgSource {
        title: "PostgreSQL", modes: BOTH, restarts: true, ours_only: false,
        option: "pg" "MAJOR,..." in "Version" by list::names,
        "PostgreSQL major versions, with commas: 13, 15, 17, 18; the model has 16, too"
    }
    /// Where churn finds its slots relative to the standing connections.
    SlotOrder slot_order: SlotOrder {
        title: "slots", modes: BOTH, restarts: true, ours_only: false,
        option: "slot-order" "ORDER,..." in "Load" by list::names,
        "Where churn finds its slots relative to the standing connections, with commas: front, behind, spread"
    }
    /// The model's lock.
    Lock lock: LockChoice {
        title: "lock", modes: MODEL, restarts: true, ours_only: false,
        option: "lock" "LOCK,..." in "Model" by list::names,
        "The locks, with commas (default: the version's own); each with or without +reuse-check, which reuses a valid snapshot without the lock"
    }
    /// How clients reach the server.
    Transport transport: Transport {
        title: "transport", modes: SERVER, restarts: true, ours_only: true,
        option: "transport" "HOW,..." in "Server" by list::names,
        "How clients reach the server, with commas: tcp, unix"
    }
    /// Size of the pages that hold shared memory.
    PageSize page_size: PageSize {
        title: "pages", modes: BOTH, restarts: true, ours_only: true,
        option: "page-size" "SIZE,..." in "Version" by list::names,
        "Pages of the shared memory, with commas: 4k, 2m (the host must grant them: sysctl vm.nr_hugepages)"
    }
    /// How the mapping of shared memory comes to a new connection in the model.
    Mapping mapping: MappingKind {
        title: "mapping", modes: MODEL, restarts: true, ours_only: false,
        option: "mapping" "HOW,..." in "Model" by list::names,
        "How connections see the shared memory, with commas: shared (mapped already), fresh (a new mapping each), forked (a child process each)"
    }
    /// Transactions with an xid that end, per second, over all of the model's committers.
    CommitRate commit_rate: CommitRate {
        title: "commits/s", modes: MODEL, restarts: true, ours_only: false,
        option: "commit-rate" "RATE,..." in "Model" by list::numbers,
        "Transactions per second of the committers, all together: 100, or a list or range 0,10..1000:log4"
    }
    /// The clients' total rate as it was asked for.
    ClientRate client_rate: ClientRate {
        title: "clients at", modes: BOTH, restarts: false, ours_only: false,
        option: "client-rate" "RATE,..." in "Load" by list::names,
        "Total rate of the clients' transactions, with commas: per second, 'max', '50%' of what the weakest arm sustains, or 'auto' (half of it)"
    }
    /// Authentication.
    Auth auth: Auth {
        title: "auth", modes: SERVER, restarts: true, ours_only: true,
        option: "auth" "HOW,..." in "Server" by list::names,
        "Authentication, with commas: trust, md5, scram"
    }
    /// Whether connections are encrypted.
    Tls tls: Tls {
        title: "TLS", modes: SERVER, restarts: true, ours_only: true,
        option: "tls" "off|on,..." in "Server" by list::names,
        "Without and with TLS, with commas: off, on"
    }
    /// The server's `shared_buffers`.
    SharedBuffers shared_buffers: SharedBuffers {
        title: "shared_buffers", modes: SERVER, restarts: true, ours_only: true,
        option: "shared-buffers" "SIZE,..." in "Server" by list::names,
        "The server's shared_buffers, with commas: 128MB, 1GB"
    }
    /// What the standing connections are.
    StandingState standing_state: StandingState {
        title: "standing", modes: SERVER, restarts: true, ours_only: true,
        option: "standing-state" "STATE,..." in "Server" by list::names,
        "What standing connections are, with commas: idle, in-transaction (with an xid)"
    }
    /// The server's `scram_iterations`, with SCRAM authentication.
    ScramIterations scram_iterations: ScramIterations {
        title: "SCRAM iterations", modes: SERVER, restarts: true, ours_only: true,
        option: "scram-iterations" "N,..." in "Server" by list::names,
        "The server's scram_iterations with --auth scram, with commas: 1,4096 (PostgreSQL 16 and later)"
    }
    /// What the server logs about each connection (`log_connections`).
    LogConnections log_connections: LogConnections {
        title: "log_connections", modes: SERVER, restarts: true, ours_only: true,
        option: "log-connections" "WHAT,..." in "Server" by list::names,
        "What the server logs about each connection, with commas: off, setup_durations (PostgreSQL 18)"
    }
    /// Whether readers and their backends have cores of their own.
    Isolate isolate: Isolate {
        title: "readers' own core", modes: SERVER, restarts: true, ours_only: true,
        option: "isolate" "off|on,..." in "Server" by list::names,
        "Without and with cores of their own for the readers and their backends, with commas: off, on"
    }
}
