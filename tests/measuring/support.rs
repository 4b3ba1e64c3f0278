//! A local server and runs against it.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use procbench::arm::Arm;
use procbench::arm::Mode;
use procbench::config::Arrivals;
use procbench::config::Config;
use procbench::config::KeepAwakeChoice;
use procbench::config::{EndpointHost, ServerChoice, ServerConfig};
use procbench::execute::execute;
use procbench::experiment::{self, Scale};
use procbench::factor::ClientRate;
use procbench::factor::Isolate;
use procbench::factor::OfferedRate;
use procbench::factor::Transport;
use procbench::load::Cancel;
use procbench::load::progress::Progress;
use procbench::model::ModelBench;
use procbench::record::{Block, Run, SeriesHistogram, SeriesKey};
use procbench::server::ServerBench;
use procbench::server::provision::{
    RunningServer, ServerSpec, find_local_binaries, find_on_path, provision,
};

/// One ms in ns.
pub const MS: u64 = 1_000_000;

static RUNNING: RwLock<()> = RwLock::new(());

/// Whether server tests are deselected; fails with the instruction when a server is wanted and cannot be had.
fn no_server() -> bool {
    if std::env::var("PROCBENCH_TESTS_NO_SERVER").is_ok_and(|v| v == "1") {
        return true;
    }
    assert!(
        !find_local_binaries().is_empty() && find_on_path("pgbouncer").is_some(),
        "local PostgreSQL or PgBouncer missing: procbench doctor --install, or set PROCBENCH_TESTS_NO_SERVER=1"
    );
    false
}

/// A test in which time matters runs alone: two would disturb each other. `None` when server tests are deselected.
pub fn server_turn() -> Option<RwLockWriteGuard<'static, ()>> {
    (!no_server()).then(turn)
}

/// A test that only counts may run beside others that do. `None` when server tests are deselected.
pub fn counting_turn() -> Option<RwLockReadGuard<'static, ()>> {
    (!no_server()).then(|| RUNNING.read().unwrap_or_else(PoisonError::into_inner))
}

/// As [`server_turn`], for a test without a server.
pub fn turn() -> RwLockWriteGuard<'static, ()> {
    RUNNING.write().unwrap_or_else(PoisonError::into_inner)
}

/// A throw-away cluster on loopback, and its port.
pub fn local_server() -> (RunningServer, u16) {
    let spec = ServerSpec {
        max_connections: 100,
        transport: Transport::Tcp,
        ..ServerSpec::default()
    };
    let server = provision(&ServerChoice::Local, &spec, &|_| {}).unwrap();
    assert!(matches!(server.endpoint().host, EndpointHost::Tcp(_)));
    let port = server.endpoint().port;
    (server, port)
}

/// Two readers, evenly paced, and nothing else yet: one block per arm.
pub fn config(mode: Mode, arms: &[Arm]) -> Config {
    let mut config = experiment::find("churn-tail")
        .unwrap()
        .config(mode, Scale::Quick);
    config.arms = arms.to_vec();
    config.readers = 2;
    config.reader_rate = OfferedRate::PerSecond(200.0);
    config.clients = 4;
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(60.0));
    config.pool_size = 2;
    config.factors.standing = vec![0];
    for isolate in &mut config.factors.isolate {
        *isolate = Isolate::Off;
    }
    config.blocks = 1;
    config.starts = 1;
    config.duration_ns = 1_000 * MS;
    config.warmup_ns = 100 * MS;
    config.arrivals = Arrivals::Even;
    config.keep_awake = KeepAwakeChoice::Off;
    config
}

/// A server by URL, as `--server` takes it.
pub fn by_url(port: u16) -> ServerChoice {
    let url = format!("postgres://procbench@127.0.0.1:{port}/procbench");
    url.parse().unwrap()
}

/// Measures; nothing may be missing, and every block's counts must add up.
pub fn run_server(config: &Config, choice: ServerChoice) -> Run {
    checked(measure(config, choice))
}

/// Measures, whatever comes of it.
pub fn measure(config: &Config, choice: ServerChoice) -> Run {
    let mut config = config.clone();
    if matches!(choice, ServerChoice::Url(_)) {
        ServerConfig::take_as_is(&mut config.factors);
    }
    let server = config.server.as_mut().unwrap();
    server.server = choice;
    // The servers by URL are this test's own.
    server.own.no_cap = true;
    config.validate().unwrap();
    let cancel = Cancel::default();
    let asked_for = (&config, config.server.as_ref().unwrap());
    let mut bench = ServerBench::new(asked_for, cancel.clone(), &|_| {})
        .with_helper_program(env!("CARGO_BIN_EXE_procbench"));
    let mut progress = Progress::silent();
    execute("server", &config, &mut bench, &cancel, &mut progress)
}

/// As [`run_server`], in the model.
pub fn run_model(config: &Config) -> Run {
    config.validate().unwrap();
    let cancel = Cancel::default();
    let mut bench = ModelBench::new(config, cancel.clone()).unwrap();
    let mut progress = Progress::silent();
    checked(execute("model", config, &mut bench, &cancel, &mut progress))
}

fn checked(run: Run) -> Run {
    assert_eq!(run.partial_reason(), None);
    assert_eq!(run.absent_arms, []);
    for block in &run.blocks {
        for (role, tally) in &block.tallies {
            assert!(tally.is_conserved(), "{}: {role} {tally:?}", block.label());
            assert!(tally.recorded > 0, "{}: {role} {tally:?}", block.label());
            assert_eq!(
                (tally.error_count(), tally.cut_off),
                (0, 0),
                "{}: {role} {tally:?}",
                block.label()
            );
        }
    }
    run
}

/// A block's series; fails if it has none.
pub fn series(block: &Block, key: SeriesKey) -> &SeriesHistogram {
    block
        .series
        .get(&key)
        .unwrap_or_else(|| panic!("{} has no {key}", block.label()))
}

/// How many samples are longer than `ns`.
pub fn samples_above(histogram: &SeriesHistogram, ns: u64) -> u64 {
    histogram
        .buckets()
        .iter()
        .filter(|b| b.0 > ns)
        .map(|b| b.1)
        .sum()
}
