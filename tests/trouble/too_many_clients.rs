//! A server without a free slot (SQLSTATE 53300).

use procbench::arm::Arm;
use procbench::config::ServerChoice;
use procbench::record::{ErrorClass, Role, Run};
use procbench::server::provision::{RunningServer, ServerSpec, provision};
use procbench::stats::{Answer, Guard, analyse};

use super::passwords::execute;
use super::place::Place;
use super::procbench_process::{Procbench, assert_conserved, assert_partial};
use super::wanted;

const TOO_MANY: &str = "sqlstate-53300";

fn server_with(max_connections: u32) -> RunningServer {
    let spec = ServerSpec {
        max_connections,
        ..ServerSpec::default()
    };
    provision(&ServerChoice::Local, &spec, &|_| {}).unwrap()
}

fn url(server: &RunningServer) -> String {
    format!(
        "postgres://procbench@127.0.0.1:{}/procbench",
        server.endpoint().port
    )
}

/// Successes and refusals of the arm's clients.
fn outcome(run: &Run, arm: Arm) -> (u64, u64) {
    run.blocks
        .iter()
        .filter(|b| b.arm == arm)
        .map(|b| {
            let tally = &b.tallies[&Role::Client];
            let refused = tally.errors.get(&ErrorClass::new(TOO_MANY)).copied();
            (tally.succeeded(), refused.unwrap_or(0))
        })
        .fold((0, 0), |sum, x| (sum.0 + x.0, sum.1 + x.1))
}

#[test]
fn refusals_are_counted_and_strike_the_arm() {
    if !wanted::local_server() {
        return;
    }
    // Two readers, six kept-open clients; of six churning ones two fit at the same time.
    let server = server_with(10);
    let place = Place::new();
    let options = format!(
        "--standing 0 --starts 1 --blocks 4 --duration 2s --warmup 20ms --readers 2 --clients 6 \
         --client-rate 150 --reader-rate 20 --keep-awake off --no-cap --server {} --arms quiet,kept-open,unpooled",
        url(&server)
    );
    let mut options: Vec<String> = options
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    // Long enough for clients to meet.
    options.push("--query=SELECT/**/pg_sleep(0.03)".to_owned());
    let mut procbench = Procbench::start(&place, "out", &options.join(" "), &[]);
    let ended = procbench.ended();
    ended.assert_code(0);
    let run = procbench.run();
    assert_eq!(run.partial_reason(), None);
    assert_conserved(&run);
    let (succeeded, refused) = outcome(&run, Arm::Unpooled);
    assert!(succeeded > 0 && refused > 0, "{succeeded} {refused}");
    assert_eq!(outcome(&run, Arm::KeptOpen).1, 0);
    let analysis = analyse(&run, Answer::Contrast, None);
    let struck = |arm| {
        let contender = analysis.levels[0].contender(arm, false).unwrap();
        contender.guards.iter().any(
            |g| matches!(g, Guard::Errors { role: Role::Client, class, .. } if class.0 == TOO_MANY),
        )
    };
    assert!(struck(Arm::Unpooled));
    assert!(!struck(Arm::KeptOpen));
    // Said at once that something was struck out, and on the page of details what.
    assert!(ended.stdout.contains("struck out"), "{}", ended.stdout);
    let details = std::fs::read_to_string(place.path("out/DETAILS.md")).unwrap();
    let details: Vec<&str> = details.split_whitespace().collect();
    let details = details.join(" ");
    assert!(details.contains(TOO_MANY), "{details}");
    procbench.assert_nothing_left();
    server.stop().unwrap();
}

#[test]
fn an_arm_without_any_success_is_a_failure() {
    if !wanted::local_server() {
        return;
    }
    let server = server_with(20);
    let place = Place::new();
    let options = format!(
        "--standing 0 --starts 1 --blocks 2 --duration 400ms --warmup 3s --readers 2 --clients 2 \
         --client-rate 50 --reader-rate 50 --keep-awake off --server {} --arms quiet,unpooled",
        url(&server)
    );
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    // The readers are connected, the first warm-up has begun: from now on nobody else gets in. A reader that is cut off
    // may come back.
    procbench.wait_until_it_says(": 0/");
    let admin = server.admin_endpoint().unwrap();
    execute(admin, "ALTER ROLE procbench CONNECTION LIMIT 2").unwrap();
    procbench.ended().assert_code(1);
    let run = procbench.run();
    assert_partial(&run, "arm unpooled has no success");
    let (succeeded, refused) = outcome(&run, Arm::Unpooled);
    assert!(succeeded == 0 && refused > 0, "{succeeded} {refused}");
    // Everybody else's blocks are there.
    assert_eq!(run.blocks.len(), 6);
    procbench.assert_nothing_left();
    server.stop().unwrap();
}

#[test]
fn readers_that_find_no_slot_end_the_run() {
    if !wanted::local_server() {
        return;
    }
    let server = server_with(4);
    let place = Place::new();
    let options = format!(
        "--standing 0 --starts 1 --blocks 2 --duration 400ms --readers 8 --clients 2 \
         --client-rate 50 --reader-rate 50 --keep-awake off --server {} --arms quiet,unpooled",
        url(&server)
    );
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.ended().assert_code(1);
    procbench.assert_nothing_kept("max_connections");
    server.stop().unwrap();
}
