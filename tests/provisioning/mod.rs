//! What tests of real servers share: whether they run here, a start, a query.

use procbench::config::{Disconnect, ServerChoice};
use procbench::server::Target;
use procbench::server::provision::{
    Endpoint, RunningServer, ServerSpec, engine_version, find_local_binaries, find_on_path,
    provision,
};

fn set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|v| v == "1")
}

/// Whether tests with this kind of server run; fails with the instruction when they should and cannot.
pub fn wanted(choice: &ServerChoice) -> bool {
    if set("PROCBENCH_TESTS_NO_SERVER") {
        return false;
    }
    if *choice == ServerChoice::Docker {
        let engine = engine_version();
        assert!(
            set("PROCBENCH_TESTS_NO_DOCKER") || engine.is_ok(),
            "no Docker engine answers ({engine:?}): start one (apt-get install docker.io), or set PROCBENCH_TESTS_NO_DOCKER=1"
        );
        return !set("PROCBENCH_TESTS_NO_DOCKER");
    }
    assert!(
        !find_local_binaries().is_empty() && find_on_path("pgbouncer").is_some(),
        "local PostgreSQL or PgBouncer missing: procbench doctor --install, or set PROCBENCH_TESTS_NO_SERVER=1"
    );
    true
}

/// Those that are wanted, of both that start servers.
pub fn wanted_choices() -> Vec<ServerChoice> {
    let mut both = vec![ServerChoice::Docker, ServerChoice::Local];
    both.retain(wanted);
    both
}

/// Starts one, with its progress on stderr.
pub fn start(choice: &ServerChoice, spec: &ServerSpec) -> RunningServer {
    provision(choice, spec, &|line| eprintln!("{line}")).unwrap()
}

/// One simple query on a connection of its own, as the load opens them; the first column of each row.
pub fn query(endpoint: &Endpoint, sql: &str) -> Result<Vec<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::new(endpoint).map_err(|e| e.to_string())?;
        let mut connection = target.connect().await.map_err(|e| e.to_string())?;
        let rows = connection.rows(sql).await.map_err(|e| e.to_string())?;
        let ended = connection.terminate(Disconnect::Wait).await;
        ended.map_err(|e| e.to_string())?;
        let first = |row: Vec<Option<String>>| row.into_iter().next().flatten().unwrap_or_default();
        Ok(rows.into_iter().map(first).collect())
    })
}
