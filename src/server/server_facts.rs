//! What is to be known about the server under test: settings, version, what
//! stands in between.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::connect::Target;
use super::provision::{Endpoint, EndpointHost, RunningPgBouncer, RunningServer, ServerKind};
use super::session::Session;
use crate::procfs;
use crate::record::ServerProvenance;

/// The server as the run file names it.
pub fn server_provenance(
    server: &RunningServer,
    pgbouncer: Option<&RunningPgBouncer>,
) -> ServerProvenance {
    ServerProvenance {
        kind: server.kind().to_string(),
        chosen_because: server.chosen_because().to_owned(),
        version: server.server_version().to_owned(),
        source: server.image_id().unwrap_or_default().to_owned(),
        auth: if server.kind() == ServerKind::Url {
            "as the server asks"
        } else {
            "trust"
        }
        .to_owned(),
        transport: server.endpoint().transport().to_string(),
        pgbouncer: pgbouncer.map(|p| p.version().unwrap_or("of unknown version").to_owned()),
        settings: read_settings(server).unwrap_or_default(),
    }
}

/// What a reader of the numbers must know about the path to the server.
pub fn server_remarks(server: &RunningServer) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(proxy) = docker_proxy_pid(server.endpoint()) {
        remarks.push(format!(
            "docker-proxy (pid {proxy}) stands between clients and server: its time is in every number"
        ));
    }
    if server.postmaster_pid().is_none() {
        remarks.push(
            "the server's processes are not visible: blocks are separated by a fixed pause and its CPU is not counted".to_owned(),
        );
    }
    remarks
}

fn read_settings(server: &RunningServer) -> Option<BTreeMap<String, String>> {
    const NAMES: &str = "'huge_pages','max_connections','shared_buffers','autovacuum','jit',\
        'synchronous_commit','fsync','ssl','listen_addresses','superuser_reserved_connections',\
        'password_encryption','data_checksums','log_connections','server_version_num'";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        let target = Target::new(server.endpoint()).ok()?;
        let session = Session::open(&target).await.ok()?;
        let rows = session
            .client()
            .simple_query(&format!(
                "SELECT name, setting || coalesce(' x ' || unit, '') FROM pg_settings WHERE name IN ({NAMES})"
            ))
            .await
            .ok()?;
        session.close().await;
        Some(
            rows.iter()
                .filter_map(|row| match row {
                    tokio_postgres::SimpleQueryMessage::Row(row) => {
                        Some((row.get(0)?.to_owned(), row.get(1)?.to_owned()))
                    }
                    _ => None,
                })
                .collect(),
        )
    })
}

/// The PID of a `docker-proxy` that stands between us and this endpoint, if one does.
///
/// Only a TCP endpoint has one, and only with published ports; procbench's own containers never do.
fn docker_proxy_pid(endpoint: &Endpoint) -> Option<u32> {
    let EndpointHost::Tcp(_) = endpoint.host else {
        return None;
    };
    let port = endpoint.port.to_string();
    procfs::all_pids().into_iter().find(|pid| {
        let base = format!("/proc/{pid}");
        let base = Path::new(&base);
        fs::read_to_string(base.join("comm")).is_ok_and(|c| c.trim_end() == "docker-proxy")
            && fs::read(base.join("cmdline")).is_ok_and(|raw| {
                let words: Vec<&[u8]> = raw.split(|b| *b == 0).collect();
                words
                    .windows(2)
                    .any(|w| w[0] == b"-host-port" && w[1] == port.as_bytes())
            })
    })
}
