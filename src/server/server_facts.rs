//! What is to be known about the server under test: settings, version, what
//! stands in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::frontend::FrontendError;
use super::patience::Patience;
use super::provision::{Endpoint, RunningServer, ServerKind};
use super::target::{Target, event_loop};
use crate::config::Disconnect;
use crate::conninfo::EndpointHost;
use crate::factor::{FactorLists, PgSource};
use crate::procfs;
use crate::record::{ServerProvenance, ServerSource};

/// One PostgreSQL as the run file names it; `pg` is the factor of its levels.
pub fn server_source(server: &RunningServer, pg: Option<&PgSource>) -> ServerSource {
    let pg = pg.cloned().or(server.pg_major().map(PgSource::Major));
    let image = server.container().map(|(_, image)| image.to_owned());
    let source = image.or_else(|| server.bin_dir().map(binaries));
    ServerSource {
        pg: pg.map_or_else(String::new, |pg| pg.to_string()),
        version: server.server_version().to_owned(),
        source: source.unwrap_or_default(),
    }
}

/// A directory of binaries with its `postgres`: two builds may have the same version.
fn binaries(dir: &Path) -> String {
    let postgres = dir.join("postgres");
    let real = fs::canonicalize(&postgres).unwrap_or(postgres);
    match fs::read(&real) {
        Ok(bytes) => {
            let hash: String = Sha256::digest(bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("{} ({}, sha256 {hash})", dir.display(), real.display())
        }
        Err(_) => dir.display().to_string(),
    }
}

/// The server as the run file names it; its settings are noted start by start.
pub fn server_provenance(
    server: &RunningServer,
    pgbouncer: Option<&RunningServer>,
    asked: &FactorLists,
) -> ServerProvenance {
    let (auth, transport) = match server.kind() {
        ServerKind::Url => (
            "as the server asks".to_owned(),
            server.endpoint().transport().to_string(),
        ),
        _ => (either(&asked.auth), either(&asked.transport)),
    };
    ServerProvenance {
        kind: server.kind().to_string(),
        chosen_because: server.chosen_because().to_owned(),
        version: server.server_version().to_owned(),
        source: server_source(server, None).source,
        servers: Vec::new(),
        auth,
        transport,
        pgbouncer: pgbouncer.map(|p| p.server_version().to_owned()),
        settings: BTreeMap::new(),
        survey: None,
    }
}

/// The values of a factor in words.
fn either<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
    texts.join(" or ")
}

/// What a reader of the numbers must know about the path to the server.
pub fn server_remarks(server: &RunningServer) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(proxy) = docker_proxy_pid(server.endpoint()) {
        remarks.push(format!(
            "docker-proxy (pid {proxy}) stands between clients and server: its time is in every number"
        ));
    }
    if server.pid().is_none() {
        remarks.push(
            "the server's processes are not visible: blocks are separated by a fixed pause and its CPU is not counted".to_owned(),
        );
    }
    remarks
}

/// The settings of all servers of a run.
#[derive(Debug, Default)]
pub struct SettingsSeen(BTreeMap<String, BTreeSet<String>>);

impl SettingsSeen {
    /// Takes note of one server's settings.
    pub fn note(&mut self, settings: &BTreeMap<String, String>) {
        for (name, value) in settings {
            self.0
                .entry(name.clone())
                .or_default()
                .insert(value.clone());
        }
    }

    /// One text a setting: its value, the range of differing numbers (`52..552`), or all of its values.
    pub fn as_recorded(&self) -> BTreeMap<String, String> {
        let text = |values: &BTreeSet<String>| {
            let numbers: Option<BTreeSet<i64>> = values.iter().map(|v| v.parse().ok()).collect();
            match numbers.as_ref().map(|n| (n.first(), n.last())) {
                Some((Some(least), Some(most))) if least < most => format!("{least}..{most}"),
                _ => either(values),
            }
        };
        let settings = self.0.iter();
        settings.map(|(n, v)| (n.clone(), text(v))).collect()
    }
}

/// The settings that matter, from `pg_settings`.
///
/// # Errors
/// What the server or the system said.
pub(super) fn read_settings(
    server: &RunningServer,
    patience: &Patience,
) -> Result<BTreeMap<String, String>, FrontendError> {
    const QUERY: &str = "SELECT name, setting || coalesce(' x ' || unit, '') FROM pg_catalog.pg_settings WHERE name IN \
        ('huge_pages','max_connections','shared_buffers','autovacuum','jit',\
        'synchronous_commit','fsync','ssl','listen_addresses','superuser_reserved_connections',\
        'password_encryption','data_checksums','log_connections','server_version_num')";
    let target = Target::new(server.endpoint())?;
    let asking = async {
        let mut connection = target.connect().await?;
        let rows = connection.rows(QUERY).await?;
        connection.terminate(Disconnect::Wait).await?;
        let pairs = rows.into_iter().filter_map(|row| {
            let mut columns = row.into_iter();
            Some((columns.next()??, columns.next()??))
        });
        Ok(pairs.collect())
    };
    event_loop()?.block_on(patience.wait("the server's settings", asking))?
}

/// The PID of a `docker-proxy` that stands between us and this endpoint, if one does.
///
/// Only a TCP endpoint has one, and only with published ports; procbench's own containers never do.
fn docker_proxy_pid(endpoint: &Endpoint) -> Option<u32> {
    if !matches!(endpoint.host, EndpointHost::Tcp(_)) {
        return None;
    }
    let published = format!("\0-host-port\0{}\0", endpoint.port);
    procfs::all_pids().into_iter().find(|pid| {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("comm").trim_end() == "docker-proxy" && read("cmdline").contains(&published)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_settings_are_recorded_as_ranges() {
        let mut seen = SettingsSeen::default();
        for (max_connections, ssl) in [("552", "off"), ("52", "on"), ("152", "off")] {
            seen.note(&BTreeMap::from([
                ("max_connections".to_owned(), max_connections.to_owned()),
                ("shared_buffers".to_owned(), "16384 x 8kB".to_owned()),
                ("superuser_reserved_connections".to_owned(), "0".to_owned()),
                ("ssl".to_owned(), ssl.to_owned()),
            ]));
        }
        let recorded = seen.as_recorded();
        assert_eq!(recorded["max_connections"], "52..552");
        assert_eq!(recorded["shared_buffers"], "16384 x 8kB");
        assert_eq!(recorded["superuser_reserved_connections"], "0");
        assert_eq!(recorded["ssl"], "off or on");
    }
}
