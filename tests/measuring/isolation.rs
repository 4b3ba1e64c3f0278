//! `--isolate on` against a real server: where its processes and our threads may run, as the kernel says.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use procbench::arm::{Arm, Mode};
use procbench::config::{Config, ServerChoice};
use procbench::factor::Isolate;

use crate::support::{MS, config, measure, run_server, server_turn};

fn isolated(arms: &[Arm]) -> Config {
    let mut config = config(Mode::Server, arms);
    config.factors.isolate = vec![Isolate::On];
    config.duration_ns = 500 * MS;
    config
}

/// The list behind `Cpus_allowed_list:`; `None` once the task is gone.
fn cores_of(task: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{task}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?;
    Some(line.trim().to_owned())
}

/// Processes below `parent` whose program is PostgreSQL.
fn servers_below(parent: u32) -> Vec<u32> {
    let listed = Command::new("pgrep")
        .args(["-P", &parent.to_string(), "-x", "postgres"])
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.lines().map(|pid| pid.parse().unwrap()).collect()
}

/// One look at everything: which backends have other cores than the postmaster, and what all of them have.
#[derive(Default)]
struct Look {
    postmaster: String,
    apart: Vec<(u32, String)>,
    reader_threads: BTreeSet<String>,
    client_threads: BTreeSet<String>,
}

fn look() -> Option<Look> {
    let me = std::process::id();
    let [postmaster] = servers_below(me)[..] else {
        return None;
    };
    let mut look = Look {
        postmaster: cores_of(&postmaster.to_string())?,
        ..Look::default()
    };
    for backend in servers_below(postmaster) {
        let cores = cores_of(&backend.to_string());
        let apart = cores.filter(|c| *c != look.postmaster);
        look.apart.extend(apart.map(|cores| (backend, cores)));
    }
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let tid = task.file_name();
        let cores = cores_of(&format!("self/task/{}", tid.to_str()?));
        match name.trim() {
            "readers" => look.reader_threads.extend(cores),
            "clients" => look.client_threads.extend(cores),
            _ => {}
        }
    }
    Some(look)
}

/// Measures, and calls `on_look` with every look at an isolated start until the run has ended.
fn watched<T>(measure: impl FnOnce() -> T, mut on_look: impl FnMut(Look) + Send) -> T {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                // Both readers are placed, and the clients have connected.
                let complete = |l: &Look| l.apart.len() >= 2 && !l.client_threads.is_empty();
                if let Some(look) = look().filter(complete) {
                    on_look(look);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let outcome = measure();
        ended.store(true, Ordering::Relaxed);
        outcome
    })
}

fn has_two_cores() -> bool {
    std::thread::available_parallelism().is_ok_and(|n| n.get() >= 2)
}

/// Two readers: the processes of two backends, and no others, are where the readers' threads are.
#[test]
fn readers_and_their_backends_have_cores_that_nobody_else_has() {
    let Some(_turn) = server_turn() else { return };
    if !has_two_cores() {
        return;
    }
    let before = cores_of("thread-self");
    let config = isolated(&[Arm::Quiet, Arm::KeptOpen, Arm::Unpooled, Arm::CpuBurn]);
    let mut looks = 0;
    let run = watched(
        || run_server(&config, ServerChoice::Local),
        |look| {
            looks += 1;
            assert_eq!(look.apart.len(), 2, "{:?}", look.apart);
            let readers: BTreeSet<String> = look.apart.into_iter().map(|b| b.1).collect();
            assert_eq!(readers.len(), 1);
            assert_eq!(readers, look.reader_threads);
            assert_eq!(look.client_threads, [look.postmaster].into());
            assert!(readers.is_disjoint(&look.client_threads));
        },
    );
    assert!(looks > 0, "nobody looked");
    assert!(
        run.blocks
            .iter()
            .all(|b| b.factors.isolate == Some(Isolate::On))
    );
    assert_eq!(cores_of("thread-self"), before);
}

/// Everything that takes part is checked after each block: a backend that was moved ends the start.
#[test]
fn a_backend_that_somebody_moves_loses_the_start() {
    let Some(_turn) = server_turn() else { return };
    if !has_two_cores() {
        return;
    }
    let config = isolated(&[Arm::Quiet, Arm::Unpooled]);
    let run = watched(
        || measure(&config, ServerChoice::Local),
        |look| {
            let (backend, _) = &look.apart[0];
            let moved = Command::new("taskset")
                .args(["-cp", &look.postmaster, &backend.to_string()])
                .output()
                .unwrap();
            assert!(moved.status.success());
        },
    );
    let reason = run.partial_reason().unwrap();
    assert!(reason.contains("isolation was lost: process"), "{reason}");
}

/// PgBouncer and the helper of `cpu-burn` are among what is checked; a run without isolation follows one with it.
#[test]
fn every_arm_runs_with_and_without_isolation() {
    let Some(_turn) = server_turn() else { return };
    if !has_two_cores() {
        return;
    }
    let mut config = isolated(&Arm::all_in(Mode::Server));
    config.factors.isolate = vec![Isolate::On, Isolate::Off];
    config.duration_ns = 300 * MS;
    let run = run_server(&config, ServerChoice::Local);
    for isolate in [Isolate::On, Isolate::Off] {
        let of_level = |b: &&_| -> bool {
            let block: &procbench::record::Block = b;
            block.factors.isolate == Some(isolate)
        };
        // Every arm and the twin.
        assert_eq!(
            run.blocks.iter().filter(of_level).count(),
            config.arms.len() + 1
        );
    }
}
