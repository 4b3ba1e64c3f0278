//! `anatomy` against a real server: every phase is counted in every connection, and their means add up.

use procbench::arm::Arm;
use procbench::arm::Mode;
use procbench::config::Config;
use procbench::config::KeepAwakeChoice;
use procbench::config::ServerChoice;
use procbench::experiment::{self, Scale};
use procbench::factor::{
    Auth, ClientRate, FactorLists, LogConnections, OfferedRate, PgSource, Tls,
};
use procbench::record::{Role, SetupSums};
use procbench::stats::{Anatomy, Answer, ConnectionPhase, analyse};

use crate::support::{MS, counting_turn, measure, run_server};

/// The experiment's own configuration, shortened to what a test needs.
fn short(change: impl FnOnce(&mut FactorLists)) -> Config {
    let mut config = experiment::find("anatomy")
        .unwrap()
        .config(Mode::Server, Scale::Quick);
    config.blocks = 2;
    config.starts = 1;
    config.duration_ns = 600 * MS;
    // A TLS handshake of a debug build takes long.
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(30.0));
    config.keep_awake = KeepAwakeChoice::Off;
    change(&mut config.factors);
    config
}

fn mean(anatomy: &Anatomy, phase: ConnectionPhase) -> f64 {
    anatomy.mean(phase).unwrap().value_ns
}

#[test]
fn phases_are_counted_alike_and_their_means_add_up() {
    let Some(_turn) = counting_turn() else { return };
    let config = short(|lists| lists.scram_iterations.clear());
    // A connection that the end of a block cuts off is in no phase.
    let run = measure(&config, ServerChoice::Local);
    assert_eq!(run.partial_reason(), None);
    let found = analyse(&run, Answer::Phases, None).anatomies;
    let ways: Vec<_> = found
        .iter()
        .map(|a| {
            let f = &a.factors;
            [
                f.transport.unwrap().name(),
                f.auth.unwrap().name(),
                f.tls.unwrap().name(),
            ]
        })
        .collect();
    let expected = [
        ["tcp", "trust", "off"],
        ["tcp", "trust", "on"],
        ["tcp", "md5", "off"],
        ["tcp", "scram", "off"],
        ["unix", "trust", "off"],
    ];
    assert_eq!(ways, expected);
    for anatomy in &found {
        assert_eq!(anatomy.arm, Arm::Unpooled);
        let done: u64 = run
            .blocks
            .iter()
            .filter(|b| b.factors == anatomy.factors)
            .map(|b| b.tallies[&Role::Client].succeeded())
            .sum();
        assert!(done > 0);
        for phase in anatomy.phases.iter().filter(|p| p.adds_up) {
            assert_eq!(phase.samples, done, "{}", phase.phase.name());
        }
        let parts = anatomy.phases.iter().filter(|p| p.adds_up);
        let sum: f64 = parts.map(|p| p.mean.value_ns).sum();
        let whole = mean(anatomy, ConnectionPhase::Whole);
        assert!((sum - whole).abs() <= 1e-9 * whole, "{sum} and {whole}");
        let seen = |phase| anatomy.phase(phase).is_some();
        let auth = anatomy.factors.auth;
        assert_eq!(seen(ConnectionPhase::Challenge), auth != Some(Auth::Trust));
        let tls = anatomy.factors.tls;
        assert_eq!(seen(ConnectionPhase::Tls), tls == Some(Tls::On));
        assert_eq!(anatomy.server, None, "no setups were logged");
    }
}

/// Needs PostgreSQL 18, which comes in a container.
#[test]
fn the_server_accounts_for_the_same_connections() {
    let Some(_turn) = counting_turn() else { return };
    if std::env::var("PROCBENCH_TESTS_NO_DOCKER").is_ok_and(|v| v == "1") {
        return;
    }
    let config = short(|lists| {
        lists.pg = vec![PgSource::Major(18)];
        lists.transport.truncate(1);
        lists.auth.truncate(1);
        lists.scram_iterations.clear();
        lists.tls.truncate(1);
    });
    let run = run_server(&config, ServerChoice::Docker);
    for block in &run.blocks {
        let sums = SetupSums::of_counters(&block.counters);
        if block.factors.log_connections != Some(LogConnections::SetupDurations) {
            assert_eq!(sums, None);
            continue;
        }
        let sums = sums.unwrap();
        assert_eq!(sums.count, block.tallies[&Role::Client].succeeded());
        assert!(sums.fork_us + sums.authentication_us <= sums.total_us);
    }
    let found = analyse(&run, Answer::Phases, None).anatomies;
    let (with, without): (Vec<&Anatomy>, Vec<&Anatomy>) =
        found.iter().partition(|a| a.server.is_some());
    assert_eq!((with.len(), without.len()), (1, 1));
    // accept() comes after connect() began, and the line before ReadyForQuery is sent.
    let seen = mean(with[0], ConnectionPhase::Whole);
    let setup = with[0].server.as_ref().unwrap().total.value_ns;
    assert!(setup < seen, "{setup} of {seen}");
}
