//! What a level asks of a server, and which levels can be had on this machine.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::provision::{ServerSpec, obtain};
use crate::config::ServerChoice;
use crate::config::{Config, ServerConfig, size_kb};
use crate::factor::FIRST_WITH_ITERATIONS;
use crate::factor::Factors;
use crate::factor::{FIRST_WITH_SETUP_DURATIONS, LogConnections, PgSource};
use crate::load::driver::Failure;
use crate::procarray::PageSize;
use crate::procfs;
use crate::record::AbsentLevel;

/// A level's factor as its type; the default where the level names none.
pub(super) fn named<T: FromStr<Err: ToString> + Default>(name: Option<&str>) -> Result<T, Failure> {
    name.map_or_else(
        || Ok(T::default()),
        |name| {
            name.parse()
                .map_err(|e: T::Err| Failure::Fatal(e.to_string()))
        },
    )
}

/// The server that a level asks for, with room for so many connections.
///
/// # Errors
/// A factor's value that is not known.
pub(super) fn spec_of(level: &Factors, max_connections: u32) -> Result<ServerSpec, Failure> {
    let defaults = ServerSpec::default();
    let source = level.pg.as_deref().map(PgSource::from_str).transpose();
    let log_connections: LogConnections = named(level.log_connections.as_deref())?;
    let mut settings = defaults.settings;
    if log_connections != LogConnections::Off {
        settings.push(("log_connections".to_owned(), log_connections.to_string()));
    }
    Ok(ServerSpec {
        source: source.map_err(Failure::Fatal)?,
        max_connections,
        shared_buffers: level
            .shared_buffers
            .clone()
            .unwrap_or(defaults.shared_buffers),
        transport: named(level.transport.as_deref())?,
        page_size: named(level.page_size.as_deref())?,
        auth: named(level.auth.as_deref())?,
        scram_iterations: level
            .scram_iterations
            .as_deref()
            .map(|n| {
                n.parse()
                    .map_err(|_| Failure::Fatal(format!("'{n}' iterations")))
            })
            .transpose()?,
        tls: named(level.tls.as_deref())?,
        settings,
    })
}

/// Where the servers of a run come from.
#[derive(Debug)]
pub(super) struct Supply {
    /// `auto` decided, once for the whole run.
    pub(super) choice: ServerChoice,
    /// The major version of each source that can be had, or why another cannot.
    known: BTreeMap<Option<String>, Result<Option<u32>, String>>,
}

impl Supply {
    /// Nothing is known yet. With `auto`, sources that run in one place only put all of them there: levels
    /// of one run are to differ in their factors alone.
    pub(super) fn new(asked: &ServerChoice, sources: &[PgSource]) -> Self {
        let has =
            |kind: fn(&PgSource) -> bool| *asked == ServerChoice::Auto && sources.iter().any(kind);
        let choice = if has(|s| matches!(s, PgSource::Bin(_))) {
            ServerChoice::Local
        } else if has(|s| matches!(s, PgSource::Image(_))) {
            ServerChoice::Docker
        } else {
            asked.clone()
        };
        Supply {
            choice,
            known: BTreeMap::new(),
        }
    }

    /// Makes sure that a source can be had: builds its image, or finds its binaries. Minutes for an image.
    fn look_for(&mut self, level: &Factors, say: &dyn Fn(&str)) -> Result<Option<u32>, String> {
        if let Some(known) = self.known.get(&level.pg) {
            return known.clone();
        }
        let found = spec_of(level, 0)
            .map_err(|e| e.to_string())
            .and_then(|spec| obtain(&self.choice, &spec, say).map_err(|e| e.to_string()));
        let outcome = found.map(|obtained| {
            self.choice = obtained.choice;
            obtained.major
        });
        self.known.insert(level.pg.clone(), outcome.clone());
        outcome
    }

    /// The first of these levels whose source can be had.
    pub(super) fn first_to_be_had<'a>(
        &mut self,
        levels: &'a [Factors],
        say: &dyn Fn(&str),
    ) -> Option<&'a Factors> {
        levels.iter().find(|l| self.look_for(l, say).is_ok())
    }

    /// Why a level cannot be had, if it cannot.
    fn missing(
        &mut self,
        level: &Factors,
        max_connections: u32,
        say: &dyn Fn(&str),
    ) -> Option<String> {
        let major = match self.look_for(level, say) {
            Ok(major) => major,
            Err(reason) => {
                return Some(match &level.pg {
                    Some(pg) => format!("PostgreSQL {pg}: {reason}"),
                    None => reason,
                });
            }
        };
        if let (Some(_), Some(major)) = (&level.scram_iterations, major)
            && major < FIRST_WITH_ITERATIONS
        {
            return Some(format!(
                "PostgreSQL {major} has no scram_iterations: they came with {FIRST_WITH_ITERATIONS}"
            ));
        }
        let setups = LogConnections::SetupDurations.to_string();
        if let Some(major) = major
            && major < FIRST_WITH_SETUP_DURATIONS
            && level.log_connections == Some(setups)
        {
            return Some(format!(
                "PostgreSQL {major} does not log setup_durations: they came with {FIRST_WITH_SETUP_DURATIONS}"
            ));
        }
        let spec = spec_of(level, max_connections).ok()?;
        if spec.page_size != PageSize::Huge {
            return None;
        }
        let needed = huge_pages_needed(&spec);
        match procfs::free_huge_pages() {
            Some(free) if free >= needed => None,
            free => Some(format!(
                "2 MB pages: {} free, about {needed} needed: grant them with sysctl vm.nr_hugepages={needed}",
                free.unwrap_or(0)
            )),
        }
    }

    /// The levels that cannot be had, with the reasons. `max_connections` tells a level's.
    pub(super) fn absent(
        &mut self,
        config: &Config,
        levels: &[Factors],
        max_connections: impl Fn(u32) -> u32,
        say: &dyn Fn(&str),
    ) -> Vec<AbsentLevel> {
        let pages_if_granted = config
            .server
            .as_ref()
            .is_some_and(|s: &ServerConfig| s.page_size_if_granted);
        levels
            .iter()
            .filter_map(|level| {
                let reason = self.missing(level, max_connections(level.standing), say)?;
                let of_pages = self.look_for(level, say).is_ok();
                Some(AbsentLevel {
                    factors: level.clone(),
                    reason,
                    wanted: !(of_pages && pages_if_granted),
                })
            })
            .collect()
    }
}

/// 2 MB pages for a server's shared memory, roughly and not too few: its buffers with their headers,
/// and for each connection its PGPROC and its share of the lock tables (64 locks of about 300 bytes).
fn huge_pages_needed(spec: &ServerSpec) -> u64 {
    const FIXED_KB: u64 = 24 << 10;
    const CONNECTION_KB: u64 = 24;
    let buffers_kb = size_kb(&spec.shared_buffers).unwrap_or(0);
    let kb =
        buffers_kb + buffers_kb / 20 + FIXED_KB + CONNECTION_KB * u64::from(spec.max_connections);
    kb.div_ceil(2 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_levels_factors_become_a_spec() {
        let level = Factors {
            pg: Some("17".into()),
            transport: Some("unix".into()),
            page_size: Some("2m".into()),
            auth: Some("scram".into()),
            shared_buffers: Some("1GB".into()),
            ..Factors::standing(500)
        };
        let spec = spec_of(&level, 600).unwrap();
        assert_eq!(spec.source, Some(PgSource::Major(17)));
        assert_eq!(spec.max_connections, 600);
        assert_eq!(spec.page_size, PageSize::Huge);
        assert_eq!(spec.auth, crate::config::Auth::Scram);
        assert_eq!(huge_pages_needed(&spec), 557);
        let wrong = Factors {
            auth: Some("kerberos".into()),
            ..level
        };
        assert!(
            spec_of(&wrong, 600)
                .unwrap_err()
                .to_string()
                .contains("kerberos")
        );
    }

    #[test]
    fn a_version_that_cannot_be_had_is_named_and_the_others_stay() {
        let mut supply = Supply::new(&ServerChoice::Local, &[]);
        let none = Factors {
            pg: Some("/nowhere/bin".into()),
            ..Factors::standing(0)
        };
        let mut config = (crate::experiment::find("churn-tail").unwrap().config)(
            crate::arm::Mode::Server,
            crate::experiment::Scale::Quick,
        );
        config.standing = vec![0];
        let absent = supply.absent(&config, std::slice::from_ref(&none), |n| n, &|_| {});
        assert_eq!(absent.len(), 1);
        assert!(absent[0].wanted);
        assert!(
            absent[0].reason.contains("/nowhere/bin"),
            "{}",
            absent[0].reason
        );
    }
}
