//! The control arms against a real server: what they do there, counted on its side.

use procbench::arm::{Arm, Connections, Mode};
use procbench::config::{Disconnect, ServerChoice};
use procbench::experiment::analyse;
use procbench::factor::FactorLists;
use procbench::record::CpuGroup::{Backends, Burner, Postmaster};
use procbench::record::{Block, ErrorClass, Role, Run};
use procbench::server::Target;
use procbench::server::provision::RunningServer;
use procbench::stats::Guard;

use crate::support::{
    MS, by_url, config, counting_turn, local_server, measure, run_server, server_turn,
};

/// A run of these arms, `blocks` of `block_ms` each.
fn run(arms: &[Arm], blocks: u32, block_ms: u64) -> Run {
    let mut config = config(Mode::Server, arms);
    config.blocks = blocks;
    config.duration_ns = u64::from(blocks) * block_ms * MS;
    run_server(&config, ServerChoice::Local)
}

fn begun(block: &Block) -> u64 {
    block
        .tallies
        .get(&Role::Client)
        .map_or(0, |t| t.begun_in_load)
}

/// Arms that fork a backend for each operation fork exactly one; the others fork none.
#[test]
fn the_postmaster_forks_once_for_each_operation_that_connects() {
    let Some(_turn) = counting_turn() else { return };
    let arms: Vec<Arm> = Arm::all_in(Mode::Server)
        .into_iter()
        .filter(|a| !a.needs_pgbouncer())
        .collect();
    let run = run(&arms, 2, 200);
    for block in &run.blocks {
        let of_operations = block.arm.descriptor().connections == Connections::PerTransaction;
        let forking = of_operations && block.arm != Arm::CpuBurn;
        let expected = if forking { begun(block) } else { 0 };
        assert!(!forking || expected > 0);
        let counted = |name: &str| block.counters.get(name).copied();
        match (counted("forks.postmaster"), counted("forks.machine")) {
            (Some(forks), None) => assert_eq!(forks, expected, "{}", block.label()),
            // Not allowed to see single forks: an upper bound.
            (None, Some(forks)) => assert!(forks >= expected, "{}", block.label()),
            other => panic!("{}: {other:?}", block.label()),
        }
        let burnt = counted("burn.forks");
        assert_eq!(burnt, (block.arm == Arm::CpuBurn).then(|| begun(block)));
    }
}

/// The helper's CPU per operation is that of a connection: the run itself says so, from its own blocks.
#[test]
fn cpu_burn_uses_what_a_connection_costs_the_server() {
    let Some(_turn) = server_turn() else { return };
    let run = run(&[Arm::Quiet, Arm::Unpooled, Arm::CpuBurn], 8, 400);
    let summary = analyse(&run);
    let level = &summary.levels[0];
    let cost = |arm| {
        level
            .contender(arm, false)
            .unwrap()
            .cpu_cost
            .as_ref()
            .unwrap()
    };
    let unpooled = cost(Arm::Unpooled);
    let server = unpooled.ns[&Postmaster] + unpooled.ns[&Backends];
    let ratio = cost(Arm::CpuBurn).ns[&Burner] / server;
    println!("cpu-burn used {ratio:.3} times the server CPU of an unpooled operation");
    // How near it comes is the machine's business, within bounds, and the run says so. Exited backends' CPU
    // comes in steps of 10 ms.
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    for block in run.blocks.iter().filter(|b| b.arm == Arm::CpuBurn) {
        let counter = |name: &str| block.counters[name];
        let asked = |part: &str| counter(&format!("burn.asked-{part}-ns"));
        let (forks, used_ns) = (counter("burn.forks"), block.cpu.used_ns["burner"]);
        assert_eq!(forks, begun(block));
        // A backend uses CPU to connect and for its statement; what the exits cost is left to them.
        assert!(
            asked("connect") > 0 && asked("query") > 0,
            "{}",
            block.label()
        );
        let (parent, child) = (
            asked("parent"),
            asked("connect") + asked("query") + asked("exit"),
        );
        // Both processes use what they are asked for, the forking one as the postmaster does.
        let of_parent = counter("burn.parent-used-ns");
        assert!(of_parent >= parent * forks, "{}", block.label());
        assert!(
            used_ns - of_parent >= child * forks * 95 / 100,
            "{}",
            block.label()
        );
    }
    let guards = &level.contender(Arm::CpuBurn, false).unwrap().guards;
    let out_of_bounds = guards.iter().any(|g| matches!(g, Guard::BurnRatio { .. }));
    assert_eq!(out_of_bounds, (ratio - 1.0).abs() > 0.05, "{ratio}");
    assert!(!guards.contains(&Guard::BurnUnverified), "{guards:?}");
    // The helper was in the postmaster's cgroup, which a local server shares with us.
    assert!(!guards.contains(&Guard::BurnOutsideCgroup), "{guards:?}");
}

/// Only the refusal of the role is a success; where the role exists, the login is an error of its own class.
/// Against a server given by URL: the arm changes nothing there.
#[test]
fn a_failed_login_is_one_that_is_refused_for_the_role() {
    let Some(_turn) = counting_turn() else { return };
    let (server, port) = local_server();
    let mut config = config(Mode::Server, &[Arm::Quiet, Arm::FailedLogin]);
    let url = by_url(port);
    // It is what it is.
    config.factors = FactorLists {
        standing: vec![0],
        ..FactorLists::default()
    };
    run_server(&config, url.clone());
    as_superuser(&server, "CREATE ROLE procbench_unknown LOGIN");
    let run = measure(&config, url);
    assert_eq!(
        run.partial_reason(),
        Some("arm failed-login has no success")
    );
    let block = run
        .blocks
        .iter()
        .find(|b| b.arm == Arm::FailedLogin)
        .unwrap();
    let tally = &block.tallies[&Role::Client];
    assert!(tally.is_conserved() && tally.scheduled > 0, "{tally:?}");
    let class = ErrorClass::new("login-succeeded");
    assert_eq!(tally.errors, [(class, tally.scheduled)].into());
}

fn as_superuser(server: &RunningServer, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::new(server.admin_endpoint().unwrap()).unwrap();
        let mut connection = target.connect().await.unwrap();
        connection.query(sql).await.unwrap();
        connection.terminate(Disconnect::Wait).await.unwrap();
    });
}
