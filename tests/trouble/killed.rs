//! Somebody else's death: the server's, PgBouncer's, the Docker engine's.

use nix::sys::signal::Signal;
use procbench::arm::Arm;
use procbench::record::Run;

use super::place::{Place, children, send, state, title};
use super::procbench_process::{
    LONG, Procbench, SHORT, assert_conserved, assert_earlier_blocks_whole, assert_partial, docker,
    wait_for,
};
use super::refused::closed_port;
use super::wanted;

#[test]
fn a_killed_local_server_leaves_what_was_measured() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let options = format!("{LONG} --server local --arms quiet,kept-open,unpooled,pool");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    let postmaster = procbench.wait_until_mid_run();
    send(postmaster, Signal::SIGKILL);
    procbench.ended().assert_code(1);
    let run = procbench.run();
    assert_partial(&run, "the server died");
    assert_earlier_blocks_whole(&run);
    procbench.assert_nothing_left();
}

#[test]
fn a_killed_container_leaves_what_was_measured() {
    if !wanted::docker_server() {
        return;
    }
    let place = Place::new();
    let options = format!("{LONG} --server docker --arms quiet,kept-open,unpooled");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_mid_run();
    let (name, _) = procbench.container_of("postgres");
    docker(&["kill", &name]);
    procbench.ended().assert_code(1);
    let run = procbench.run();
    assert_partial(&run, "the server died");
    assert_earlier_blocks_whole(&run);
    procbench.assert_nothing_left();
}

/// Two starts of 48 blocks, of which the first loses its server.
fn two_starts(server: &str, arms: &str) -> String {
    format!("{LONG} --blocks 24 --duration 4800ms --starts 2 --server {server} --arms {arms}")
        .replace("--blocks 150 --duration 30s", "")
        .replace("--standing 0 --starts 1", "--standing 0")
}

/// The first start's later blocks are missing and named; everything else is whole.
fn assert_first_start_lost(run: &Run, arms: &[Arm]) {
    assert_partial(run, "the server died");
    let reason = run.partial_reason().unwrap();
    let planned = 12 * (arms.len() + 1);
    let of = |start| run.blocks.iter().filter(move |b| b.start == start).count();
    assert!((2..planned).contains(&of(0)), "{}", of(0));
    assert_eq!(of(1), planned, "{reason}");
    let missing = planned - of(0);
    let says = format!("start 1 of 2 (standing 0) is missing {missing} of its {planned} blocks (");
    assert!(reason.contains(&says), "'{says}' in: {reason}");
    for arm in arms {
        let found = run
            .blocks
            .iter()
            .filter(|b| b.start == 0 && b.arm == *arm && !b.twin);
        let missing = 12 - found.count();
        let says = format!("{arm} {missing}");
        assert!(
            missing == 0 || reason.contains(&says),
            "'{says}' in: {reason}"
        );
    }
    assert_eq!(run.absent_arms, [], "no arm is lost with a server");
    for block in &run.blocks {
        for (role, tally) in &block.tallies {
            assert_eq!(
                (tally.error_count(), tally.cut_off),
                (0, 0),
                "{role} {tally:?}"
            );
        }
    }
}

#[test]
fn a_killed_local_server_costs_its_own_start_only() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let options = two_starts("local", "quiet,kept-open,unpooled");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    let postmaster = procbench.wait_until_mid_run();
    send(postmaster, Signal::SIGKILL);
    let ended = procbench.ended();
    ended.assert_code(1);
    let run = procbench.run();
    assert_first_start_lost(&run, &[Arm::Quiet, Arm::KeptOpen, Arm::Unpooled]);
    assert!(ended.stdout.contains("unpooled"), "{}", ended.stdout);
    procbench.assert_nothing_left();
}

#[test]
fn a_killed_container_costs_its_own_start_only() {
    if !wanted::docker_server() {
        return;
    }
    let place = Place::new();
    // With the helper, which lives in the container's cgroup.
    let options = two_starts("docker", "quiet,kept-open,unpooled,cpu-burn");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_mid_run();
    let (name, _) = procbench.container_of("postgres");
    docker(&["kill", &name]);
    procbench.ended().assert_code(1);
    let arms = [Arm::Quiet, Arm::KeptOpen, Arm::Unpooled, Arm::CpuBurn];
    assert_first_start_lost(&procbench.run(), &arms);
    procbench.assert_nothing_left();
}

/// The helper of `cpu-burn`, a child of the program under test.
fn helper_of(procbench: &Procbench) -> u32 {
    wait_for("the helper", || {
        let mut all = children(procbench.pid()).into_iter();
        all.find(|pid| title(*pid).trim_end().ends_with("__burner"))
    })
}

#[test]
fn a_killed_burner_costs_its_arm_only() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let options = format!("{SHORT} --server local --arms quiet,unpooled,cpu-burn");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_it_says(": 0/");
    let helper = helper_of(&procbench);
    send(helper, Signal::SIGKILL);
    procbench.ended().assert_code(1);
    let run = procbench.run();
    assert_partial(&run, "lost in mid-run: cpu-burn");
    assert_eq!(blocks_of(&run, Arm::Unpooled), 6);
    assert!(blocks_of(&run, Arm::CpuBurn) < 6);
    assert!(
        run.absent_arms
            .iter()
            .all(|a| a.arm == Arm::CpuBurn && a.lost)
    );
    procbench.assert_nothing_left();
}

#[test]
fn the_burner_dies_with_procbench() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let options = format!("{LONG} --server local --arms quiet,cpu-burn");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_it_says(": 0/");
    let helper = helper_of(&procbench);
    procbench.signal(Signal::SIGKILL);
    wait_for("its end", || {
        state(helper).is_none_or(|s| s == 'Z').then_some(())
    });
    procbench.ended();
    // The server is removed by the next start, whatever that is for.
    let url = format!("postgres://me@127.0.0.1:{}/x", closed_port());
    let options = format!("{SHORT} --arms quiet --server {url}");
    Procbench::start(&place, "next", &options, &[]).ended();
    procbench.assert_nothing_left();
}

/// The machine's engine serves others and is left alone: for the program under test it stops answering.
#[test]
fn a_stopped_docker_engine_leaves_what_was_measured_and_is_swept_after_later() {
    if !wanted::docker_server() {
        return;
    }
    let place = Place::new();
    let stopped = place.path("stopped");
    let check = format!(
        "if [ -e '{}' ]; then echo 'Cannot connect to the Docker daemon' >&2; exit 1; fi",
        stopped.display()
    );
    place.stand_in("docker", &check);
    let options = format!("{LONG} --server docker --arms quiet,unpooled");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_mid_run();
    let (name, _) = procbench.container_of("postgres");
    std::fs::write(&stopped, "").unwrap();
    docker(&["kill", &name]);
    let ended = procbench.ended();
    ended.assert_code(1);
    let run = procbench.run();
    assert_partial(&run, "the server died");
    assert_earlier_blocks_whole(&run);
    assert!(
        ended
            .stderr
            .contains(&format!("container {name} was not removed")),
        "{}",
        ended.stderr
    );
    // The engine is back: the next start, whatever it is for, removes the container.
    std::fs::remove_file(&stopped).unwrap();
    let url = format!("postgres://me@127.0.0.1:{}/x", closed_port());
    let options = format!("{SHORT} --arms quiet --server {url}");
    Procbench::start(&place, "next", &options, &[]).ended();
    procbench.assert_nothing_left();
}

/// What an arm has lost, and what the others have.
fn blocks_of(run: &Run, arm: Arm) -> usize {
    run.blocks
        .iter()
        .filter(|b| b.arm == arm && !b.twin)
        .count()
}

#[test]
fn a_killed_pgbouncer_costs_its_arms_only() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    // Two starts: in the second one PgBouncer is there again, and its arms stay lost.
    let options = format!(
        "{LONG} --blocks 12 --duration 2400ms --starts 2 --server local \
         --arms quiet,unpooled,pgbouncer,pgbouncer-kept"
    )
    .replace("--blocks 150 --duration 30s", "")
    .replace("--standing 0 --starts 1", "--standing 0");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_it_says(": 0/");
    let pgbouncer = procbench.child_named("pgbouncer");
    send(pgbouncer, Signal::SIGKILL);
    let ended = procbench.ended();
    ended.assert_code(1);
    let run = procbench.run();
    assert_partial(&run, "lost in mid-run");
    assert_conserved(&run);
    for arm in [Arm::Pgbouncer, Arm::PgbouncerKept] {
        let lost = run.absent_arms.iter().find(|a| a.arm == arm).unwrap();
        assert!(lost.lost, "{lost:?}");
        assert!(lost.reason.contains("PgBouncer"), "{lost:?}");
        assert!(!lost.reason.contains('\n'), "{lost:?}");
        assert!(blocks_of(&run, arm) < 12);
        assert!(
            ended.stderr.contains(&format!("arm {arm} is lost")),
            "{}",
            ended.stderr
        );
    }
    for arm in [Arm::Quiet, Arm::Unpooled] {
        assert_eq!(blocks_of(&run, arm), 12, "{arm}");
    }
    procbench.assert_nothing_left();
}
