//! What a level asks of a server, and which levels are available on this machine.

use std::collections::BTreeMap;

use super::provision::{ServerSpec, obtain};
use crate::config::{Config, ServerChoice};
use crate::factor::{
    FIRST_WITH_ITERATIONS, FIRST_WITH_SETUP_DURATIONS, Factors, LogConnections, PgSource,
};
use crate::procarray::PageSize;
use crate::procfs;
use crate::record::AbsentLevel;

/// The server that a level asks for, with room for so many connections.
pub(super) fn spec_of(level: &Factors, max_connections: u32) -> ServerSpec {
    let log_connections = level.log_connections.unwrap_or_default();
    let mut settings = Vec::new();
    if log_connections != LogConnections::Off {
        settings.push(("log_connections".to_owned(), log_connections.to_string()));
    }
    ServerSpec {
        source: level.pg.clone(),
        max_connections,
        shared_buffers: level.shared_buffers.clone().unwrap_or_default(),
        transport: level.transport.unwrap_or_default(),
        page_size: level.page_size.unwrap_or_default(),
        auth: level.auth.unwrap_or_default(),
        scram_iterations: level.scram_iterations.map(|n| n.0),
        tls: level.tls.unwrap_or_default(),
        settings,
    }
}

/// Where the servers of a run come from.
#[derive(Debug)]
pub(super) struct Supply {
    /// `auto` decided, once for the whole run.
    pub(super) choice: ServerChoice,
    /// The major version of each available source, or why another is not available.
    known: BTreeMap<Option<PgSource>, Result<Option<u32>, String>>,
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

    /// Makes sure that a source is available: builds its image, or finds its binaries. Minutes for an image.
    fn look_for(&mut self, level: &Factors, say: &dyn Fn(&str)) -> Result<Option<u32>, String> {
        if let Some(known) = self.known.get(&level.pg) {
            return known.clone();
        }
        let found = obtain(&self.choice, &spec_of(level, 0), say).map_err(|e| e.to_string());
        let outcome = found.map(|obtained| {
            self.choice = obtained.choice;
            obtained.major
        });
        self.known.insert(level.pg.clone(), outcome.clone());
        outcome
    }

    /// The first of these levels whose source is available.
    pub(super) fn first_to_be_had<'a>(
        &mut self,
        levels: &'a [Factors],
        say: &dyn Fn(&str),
    ) -> Option<&'a Factors> {
        levels.iter().find(|l| self.look_for(l, say).is_ok())
    }

    /// Why a level is not available, if it is not.
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
        let logged = level.log_connections == Some(LogConnections::SetupDurations);
        let came_later = [
            (
                level.scram_iterations.is_some(),
                "has no scram_iterations",
                FIRST_WITH_ITERATIONS,
            ),
            (
                logged,
                "does not log setup_durations",
                FIRST_WITH_SETUP_DURATIONS,
            ),
        ];
        for (asked, lack, first) in came_later {
            if let Some(major) = major
                && asked
                && major < first
            {
                return Some(format!("PostgreSQL {major} {lack}: they came with {first}"));
            }
        }
        let spec = spec_of(level, max_connections);
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

    /// The levels that are not available, with the reasons. `max_connections` gives a level's.
    pub(super) fn absent(
        &mut self,
        config: &Config,
        levels: &[Factors],
        max_connections: impl Fn(u32) -> u32,
        say: &dyn Fn(&str),
    ) -> Vec<AbsentLevel> {
        levels
            .iter()
            .filter_map(|level| {
                let reason = self.missing(level, max_connections(level.standing), say)?;
                let of_pages = self.look_for(level, say).is_ok();
                Some(AbsentLevel {
                    factors: level.clone(),
                    reason,
                    wanted: !(of_pages && config.page_size_if_granted),
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
    let buffers_kb = spec.shared_buffers.kb();
    let kb =
        buffers_kb + buffers_kb / 20 + FIXED_KB + CONNECTION_KB * u64::from(spec.max_connections);
    kb.div_ceil(2 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::Auth;

    #[test]
    fn a_levels_factors_become_a_spec() {
        let level = Factors {
            pg: Some(PgSource::Major(17)),
            page_size: Some(PageSize::Huge),
            auth: Some(Auth::Scram),
            shared_buffers: Some("1GB".parse().unwrap()),
            ..Factors::standing(500)
        };
        let spec = spec_of(&level, 600);
        assert_eq!(spec.source, Some(PgSource::Major(17)));
        assert_eq!(spec.max_connections, 600);
        assert_eq!((spec.page_size, spec.auth), (PageSize::Huge, Auth::Scram));
        assert_eq!(huge_pages_needed(&spec), 557);
    }

    #[test]
    fn a_version_that_cannot_be_had_is_named_and_the_others_stay() {
        let mut supply = Supply::new(&ServerChoice::Local, &[]);
        let none = Factors {
            pg: Some(PgSource::Bin("/nowhere/bin".into())),
            ..Factors::standing(0)
        };
        let mut config = (crate::experiment::find("churn-tail").unwrap().config)(
            crate::arm::Mode::Server,
            crate::experiment::Scale::Quick,
        );
        config.factors.standing = vec![0];
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
