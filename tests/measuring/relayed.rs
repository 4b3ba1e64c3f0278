//! What a relay does to the path must be found again, in the right series only.

use std::time::Duration;

use procbench::arm::Arm;
use procbench::arm::Mode;
use procbench::factor::ClientRate;
use procbench::factor::OfferedRate;
use procbench::record::{Block, ClockKind, Operation, Phase, Role, RoleTally, SeriesKey};

use crate::relay::{Harm, Relay};
use crate::support::{
    MS, by_url, config, counting_turn, local_server, measure, run_server, samples_above, series,
    server_turn,
};

const STARTUP: SeriesKey = SeriesKey::service(Role::Client, Operation::Connect, Phase::Startup);
const SOCKET: SeriesKey = SeriesKey::service(Role::Client, Operation::Connect, Phase::Socket);
const CLIENT_RESPONSE: SeriesKey = SeriesKey::new(
    Role::Client,
    Operation::Transaction,
    Phase::Total,
    ClockKind::Response,
);
const READER_PACING: SeriesKey = SeriesKey::new(
    Role::Reader,
    Operation::Statement,
    Phase::Total,
    ClockKind::Pacing,
);

fn median(block: &Block, key: SeriesKey) -> u64 {
    series(block, key).percentile_ns(50.0).unwrap()
}

#[test]
fn a_delay_in_the_path_is_found_in_statements_and_startup_and_nowhere_else() {
    let Some(_turn) = server_turn() else { return };
    const DELAY_NS: u64 = 3 * MS;
    let (_server, port) = local_server();
    let config = config(Mode::Server, &[Arm::Unpooled]);
    let direct = run_server(&config, by_url(port));
    let relay = Relay::start(
        port,
        Harm {
            to_client_delay: Duration::from_nanos(DELAY_NS),
            ..Harm::default()
        },
    );
    let relayed = run_server(&config, by_url(relay.port()));
    let (direct, relayed) = (&direct.blocks[0], &relayed.blocks[0]);
    for key in [SeriesKey::READER_SERVICE, STARTUP] {
        let (without, with) = (median(direct, key), median(relayed, key));
        println!("{key}: p50 {without} ns direct, {with} ns through the relay");
        // Not one answer came before the delay was over, and the median moved by it.
        assert!(series(relayed, key).buckets()[0].0 >= DELAY_NS, "{key}");
        assert!(with > without, "{key}: {without} to {with} ns");
    }
    // The kernel accepts at once, and the pacer knows nothing of answers: at least some of these
    // took less than any answer can.
    for key in [SOCKET, READER_PACING] {
        assert!(series(relayed, key).buckets()[0].0 < DELAY_NS, "{key}");
    }
}

#[test]
fn a_stall_shows_in_response_time_and_not_in_service_time() {
    let Some(_turn) = server_turn() else { return };
    const RATE: f64 = 500.0;
    const STALL: Duration = Duration::from_millis(400);
    const LONG_NS: u64 = 100 * MS;
    let (_server, port) = local_server();
    let mut config = config(Mode::Server, &[Arm::Quiet]);
    config.reader_rate = OfferedRate::PerSecond(RATE);
    config.duration_ns = 1_500 * MS;
    // In the middle of the first block; the second, its twin, has none.
    let relay = Relay::start(
        port,
        Harm {
            stall: Some((375, STALL)),
            ..Harm::default()
        },
    );
    let run = run_server(&config, by_url(relay.port()));
    assert!(relay.has_stalled());
    let [stalled, calm] = &run.blocks[..] else {
        panic!("an arm and its twin are two blocks");
    };
    let response = series(stalled, SeriesKey::READER_RESPONSE);
    let service = series(stalled, SeriesKey::READER_SERVICE);
    assert_eq!(response.len(), service.len());
    let (waited, served) = (
        samples_above(response, LONG_NS),
        samples_above(service, LONG_NS),
    );
    println!(
        "{waited} response times and {served} service times above 100 ms of {}; p99 {:?} and {:?} ns",
        response.len(),
        response.percentile_ns(99.0),
        service.percentile_ns(99.0)
    );
    // Everything that became due in the first 300 ms waited longer than 100 ms.
    let due_during_stall = RATE * STALL.as_secs_f64();
    assert!(waited as f64 >= due_during_stall / 10.0, "{waited}");
    assert!(response.percentile_ns(90.0).unwrap() > LONG_NS);
    assert!(response.percentile_ns(99.0).unwrap() > 2 * LONG_NS);
    // The statements that were under way took long by themselves; the many that waited did not.
    assert!(served >= 1, "{served}");
    assert!(served < waited / 2, "{served} of {waited}");
    // Without a stall fewer are late.
    let calm = samples_above(series(calm, SeriesKey::READER_RESPONSE), LONG_NS);
    assert!(calm < waited, "{calm} and {waited}");
}

#[test]
fn one_slow_connect_delays_no_other_client() {
    let Some(_turn) = counting_turn() else { return };
    const RATE: f64 = 200.0;
    const OTHERS: u64 = 60;
    let (_server, port) = local_server();
    let mut config = config(Mode::Server, &[Arm::Unpooled]);
    config.clients = 8;
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(RATE));
    config.duration_ns = 2_000 * MS;
    // In the first half of the first block; set-up takes a dozen connections.
    let relay = Relay::start(
        port,
        Harm {
            slow_connection: Some((150, OTHERS)),
            ..Harm::default()
        },
    );
    let run = run_server(&config, by_url(relay.port()));
    let slow = &run.blocks[0];
    let (overtaken_by, held_ns) = relay.slow_connection();
    // Its client may have begun to wait a little after the relay had accepted.
    let as_long = |key| samples_above(series(slow, key), held_ns / 4 * 3);
    println!(
        "{overtaken_by} connections came while one was held for {} ms",
        held_ns / MS
    );
    // No clock in this: had the others waited for it, they would not have come.
    assert!(overtaken_by >= OTHERS, "{overtaken_by}");
    // And it is in the numbers, under both clocks.
    assert!(as_long(STARTUP) >= 1, "one connect was slow");
    assert!(as_long(CLIENT_RESPONSE) >= 1);
}

#[test]
fn a_server_that_comes_back_is_waited_for() {
    let Some(_turn) = counting_turn() else { return };
    let (_server, port) = local_server();
    let mut config = config(Mode::Server, &[Arm::KeptOpen, Arm::Unpooled]);
    (config.blocks, config.duration_ns) = (4, 4_000 * MS);
    // In the second half of the first block that connects, and beyond its end; set-up takes a dozen connections.
    let gone = (60, Duration::from_millis(600));
    let relay = Relay::start(
        port,
        Harm {
            restart: Some(gone),
            ..Harm::default()
        },
    );
    let run = measure(&config, by_url(relay.port()));
    assert_eq!((run.partial_reason(), run.absent_arms.len()), (None, 0));
    let tallies = || run.blocks.iter().flat_map(|b| b.tallies.values());
    assert!(tallies().all(RoleTally::is_conserved));
    let failed: u64 = tallies().map(|t| t.error_count() + t.cut_off).sum();
    assert!(failed > 0, "the restart is counted");
}
