//! Every arm against a real server: phases and transactions are counted alike.

use std::collections::BTreeSet;

use procbench::arm::Arm;
use procbench::arm::Mode;
use procbench::config::ServerChoice;
use procbench::config::{Disconnect, Protocol, ServerConfig, Statement};
use procbench::factor::{FactorLists, Transport};
use procbench::record::{Block, ClockKind, CpuGroup, Operation, Phase, Role, SeriesKey};

use crate::support::{MS, config, counting_turn, run_server, series};

/// The phases that a client's transaction is made of.
fn phases(arm: Arm) -> Vec<SeriesKey> {
    use Operation::{Checkout, Connect, Disconnect, Query};
    let parts: &[(Operation, Phase)] = match arm {
        Arm::Quiet => &[],
        Arm::KeptOpen | Arm::PgbouncerKept => &[(Query, Phase::Total)],
        // With the helper cpu-burn goes through the phases of a connection.
        Arm::Unpooled | Arm::Premapped | Arm::PremappedFew | Arm::Pgbouncer | Arm::CpuBurn => &[
            (Connect, Phase::Socket),
            (Connect, Phase::Startup),
            (Connect, Phase::Total),
            (Query, Phase::Total),
            (Disconnect, Phase::Total),
        ],
        Arm::Pool => &[(Checkout, Phase::Total), (Query, Phase::Total)],
        Arm::ForkOnly => &[(Connect, Phase::Socket), (Disconnect, Phase::Total)],
        Arm::FailedLogin => &[
            (Connect, Phase::Socket),
            (Operation::FailedLogin, Phase::Total),
        ],
        Arm::Vacuum | Arm::Commit => &[(Query, Phase::Total)],
    };
    parts
        .iter()
        .map(|&(operation, phase)| SeriesKey::service(Role::Client, operation, phase))
        .collect()
}

fn check(block: &Block) {
    let what = block.label();
    let reader = &block.tallies[&Role::Reader];
    for key in [
        SeriesKey::READER_SERVICE,
        SeriesKey::READER_RESPONSE,
        SeriesKey::READER_ADJUSTED,
    ] {
        assert_eq!(series(block, key).len(), reader.recorded, "{what}: {key}");
    }
    let Some(client) = block.tallies.get(&Role::Client) else {
        assert_eq!(block.arm, Arm::Quiet);
        assert!(block.series.keys().all(|k| k.role == Role::Reader));
        return;
    };
    assert_ne!(block.arm, Arm::Quiet);
    for clock in [ClockKind::Service, ClockKind::Response, ClockKind::Adjusted] {
        let whole = SeriesKey::new(Role::Client, Operation::Transaction, Phase::Total, clock);
        assert_eq!(
            series(block, whole).len(),
            client.recorded,
            "{what}: {clock}"
        );
    }
    let mut found = BTreeSet::new();
    for (key, histogram) in &block.series {
        if key.role != Role::Client || key.operation == Operation::Transaction {
            continue;
        }
        assert_eq!(histogram.len(), client.recorded, "{what}: {key}");
        found.insert(*key);
    }
    assert_eq!(found, phases(block.arm).into_iter().collect(), "{what}");
}

fn every_arm(change: impl FnOnce(&mut FactorLists, &mut ServerConfig)) {
    let mut config = config(Mode::Server, &Arm::all_in(Mode::Server));
    change(&mut config.factors, config.server.as_mut().unwrap());
    if config.server.as_ref().unwrap().protocol == Protocol::Prepared {
        config.arms.retain(|arm| !arm.needs_pgbouncer());
    }
    let arms = config.arms.clone();
    config.factors.standing = vec![5];
    config.duration_ns = 300 * MS;
    let transport = config.factors.transport[0];
    let run = run_server(&config, ServerChoice::Local);
    let has_pgbouncer = arms.iter().any(|arm| arm.needs_pgbouncer());
    // Every arm and the twin.
    assert_eq!(run.blocks.len(), arms.len() + 1);
    for block in &run.blocks {
        check(block);
        assert_eq!(block.factors.transport, Some(transport));
        let groups = &block.cpu.groups;
        let backends = groups[&CpuGroup::Backends];
        assert!(backends.run_delay_ns.is_some() && backends.voluntary_switches.is_some());
        let server = groups[&CpuGroup::Postmaster].used_ns + backends.used_ns;
        assert_eq!(block.cpu.used_ns["server"], server);
        assert_eq!(groups.contains_key(&CpuGroup::Pooler), has_pgbouncer);
        assert!(groups[&CpuGroup::Reader].voluntary_switches > Some(0));
        let of_clients = groups.get(&CpuGroup::Client).map_or(0, |a| a.used_ns);
        assert_eq!(of_clients > 0, block.arm != Arm::Quiet);
        assert_eq!(
            groups.contains_key(&CpuGroup::Burner),
            block.arm == Arm::CpuBurn
        );
    }
    let server = run.head.provenance.server.unwrap();
    assert_eq!(server.transport, transport.to_string());
    assert_eq!(server.pgbouncer.is_some(), has_pgbouncer);
}

#[test]
fn every_arm_adds_up_over_tcp_waiting_for_the_servers_close() {
    let Some(_turn) = counting_turn() else { return };
    every_arm(|_, _| {});
}

#[test]
fn every_arm_adds_up_over_a_unix_socket_closing_at_once_with_select_only() {
    let Some(_turn) = counting_turn() else { return };
    every_arm(|lists, server| {
        lists.transport = vec![Transport::Unix];
        server.query = Statement::SelectOnly;
        server.disconnect = Disconnect::Close;
    });
}

#[test]
fn every_arm_adds_up_with_prepared_statements() {
    let Some(_turn) = counting_turn() else { return };
    for query in [Statement::SelectOnly, Statement::Sql("SELECT 1".to_owned())] {
        every_arm(|_, server| {
            server.query = query;
            server.protocol = Protocol::Prepared;
        });
    }
}
