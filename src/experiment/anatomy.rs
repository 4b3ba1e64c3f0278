//! `anatomy`: what a connection is made of.

use super::churn_tail::default_server;
use super::sweep_config::{SweepLength, base, lengths};
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::{Config, ServerConfig};
use crate::factor::OfferedRate;
use crate::factor::Transport;
use crate::factor::{Auth, ClientRate, Combine, LogConnections, Tls};
use crate::record::Run;
use crate::report::format::{difference, duration};
use crate::stats::{Analysis, Anatomy, ConnectionPhase, Estimate, anatomies};

/// Share of the whole that startup is predicted to exceed.
const STARTUP_SHARE: f64 = 0.5;
/// Share of the whole that a Unix socket is predicted to save at most.
const UNIX_SAVES: f64 = 0.1;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "anatomy",
    question: "What is a connection made of, by authentication, transport and TLS; and what does the server itself say (PostgreSQL 18)?",
    prediction: "Over TCP with trust more than half of a connection's mean time, from connect() to the server's close, is startup: the postmaster's fork and the backend's initialisation (BackendStartup, InitPostgres). A Unix socket saves less than a tenth of the whole, because connect() returns once the kernel has queued the connection. MD5 adds one round trip, SCRAM two, and the client hashes scram_iterations times; the server does not (it keeps StoredKey and ServerKey: auth-scram.c verify_client_proof), so that the server's CPU is the same with 1 and 4,096 iterations, although the authentication time that PostgreSQL 18 logs shrinks, since it holds the wait for the client's proof. On 18 the fork is less than half of the setup that the server logs.",
    refuted_by: "TCP with trust: the interval of startup's share does not lie above one half. Or the Unix socket's mean is shown to be below nine tenths of TCP's (the intervals do not meet there). Or, on 18, the fork's interval is not below half of the logged setup.",
    primary_outcome: "Share of a connection's mean time, from connect() to its close, that lies between the startup message and ReadyForQuery: TCP, trust, no TLS.",
    declared_percentile: 50.0,
    assess,
    answer: Answer::Phases,
    limits: &[
        "Not the network: client and server share one machine, and a round trip over loopback costs microseconds, not a network's milliseconds. Round trips are what authentication and TLS add; count them, and multiply by your own.",
        "Not the kernel's handshake with the server: connect() over loopback returns when the kernel has queued the connection, before the postmaster accepts it. Waiting for accept() is part of startup.",
        "Not where authentication ends: AuthenticationOk comes in one piece with ReadyForQuery, whatever the method. What a client sees of it is the server's first request and its own last answer; with trust, nothing.",
        "Not disconnects with TLS against those without: with TLS the close is the server's close_notify, which comes before its process is torn down, so that means of the whole are not what TLS adds.",
        "Not percentiles that add up: only means do. A phase's p99 is its own, and comes from other connections than another phase's.",
        "Not a loaded server: connections come at a gentle rate, a few at a time; under churn all phases wait for CPU.",
    ],
    modes: &[Mode::Server],
    in_chapter: &[Scale::Full],
    config,
};

/// The level that the primary outcome is about: TCP, trust, without TLS, logged where the server can.
fn is_base(anatomy: &Anatomy) -> bool {
    let f = &anatomy.factors;
    let is = |value: &Option<String>, wanted: String| value.as_ref() == Some(&wanted);
    is(&f.transport, Transport::Tcp.to_string())
        && is(&f.auth, Auth::Trust.to_string())
        && is(&f.tls, Tls::Off.to_string())
}

fn assess(run: &Run, summary: &Analysis) -> String {
    let all = anatomies(run, summary);
    let Some(base) = all.iter().find(|a| is_base(a)) else {
        return "primary outcome: not measured (it needs --transport tcp, --auth trust, --tls off).".to_owned();
    };
    if let Some(why) = &base.struck {
        return format!("primary outcome: struck out: {why}.");
    }
    let mut told = vec![primary(base)];
    let beside = |wanted: &dyn Fn(&Anatomy) -> bool| {
        all.iter().find(|a| {
            a.arm == base.arm && a.factors.pg == base.factors.pg && a.struck.is_none() && wanted(a)
        })
    };
    let mean = |a: &Anatomy| a.mean(ConnectionPhase::Whole);
    let unix = beside(&|a| {
        a.factors.transport == Some(Transport::Unix.to_string())
            && a.factors.auth == base.factors.auth
            && a.factors.log_connections == base.factors.log_connections
    });
    if let (Some(unix), Some(tcp)) = (unix.and_then(mean), mean(base)) {
        told.push(unix_words(unix, tcp));
    }
    told.extend(others_words(base, &all));
    let unlogged = beside(&|a| {
        is_base(a)
            && a.factors.log_connections == Some(LogConnections::Off.to_string())
            && a.factors.log_connections != base.factors.log_connections
    });
    told.extend(setup_words(base, unlogged));
    told.join(" ")
}

fn primary(base: &Anatomy) -> String {
    let share = base.startup_share;
    format!(
        "primary outcome (TCP, trust): startup is {:.1} % of a connection's mean time (95 % interval {:.1} to {:.1}): {}.",
        100.0 * share.value_ns,
        100.0 * share.low_ns,
        100.0 * share.high_ns,
        if share.low_ns > STARTUP_SHARE {
            "the prediction stands in its first part"
        } else {
            "the prediction is refuted, it was not shown to be more than half"
        }
    )
}

fn unix_words(unix: Estimate, tcp: Estimate) -> String {
    let kept = 1.0 - UNIX_SAVES;
    let verdict = if unix.high_ns < kept * tcp.low_ns {
        "it saves more than a tenth, which refutes the second part"
    } else if unix.low_ns > kept * tcp.high_ns {
        "it saves less than a tenth, as predicted"
    } else {
        "whether it saves a tenth cannot be told from this run"
    };
    format!(
        "Over a Unix socket the mean is {} against {}: {verdict}.",
        duration(unix.value_ns),
        duration(tcp.value_ns)
    )
}

/// What each other way of connecting adds to the mean, one setting changed.
fn others_words(base: &Anatomy, all: &[Anatomy]) -> Option<String> {
    let whole = |a: &Anatomy| a.mean(ConnectionPhase::Whole).map(|e| e.value_ns);
    let from = whole(base)?;
    let (b, mut told) = (&base.factors, Vec::new());
    for other in all
        .iter()
        .filter(|a| a.arm == base.arm && a.struck.is_none())
    {
        let o = &other.factors;
        let same =
            (&o.pg, &o.log_connections, &o.transport) == (&b.pg, &b.log_connections, &b.transport);
        let name = match (o.auth.as_deref(), &o.scram_iterations) {
            _ if !same => continue,
            (_, _) if o.tls != b.tls && o.auth == b.auth => {
                "TLS (its disconnect ends earlier)".to_owned()
            }
            _ if o.tls != b.tls || o.auth == b.auth => continue,
            (Some(auth), Some(n)) => format!("{auth} (scram_iterations {n})"),
            (auth, _) => auth.unwrap_or_default().to_owned(),
        };
        let cpu = other.server_cpu_ns.zip(base.server_cpu_ns);
        let cpu = cpu.map_or_else(String::new, |(x, y)| {
            format!(" (server CPU {})", difference(x - y))
        });
        told.push(format!("{name} {}{cpu}", difference(whole(other)? - from)));
    }
    (!told.is_empty()).then(|| {
        format!(
            "Means over TCP with trust, exploratory: {}.",
            told.join(", ")
        )
    })
}

/// The server's own account of the same connections, where it gave one.
fn setup_words(base: &Anatomy, unlogged: Option<&Anatomy>) -> Option<String> {
    let account = base.server.as_ref()?;
    let startup = base.mean(ConnectionPhase::Startup)?;
    let socket = base.mean(ConnectionPhase::Socket)?;
    let mut told = format!(
        "The server's own account of {} of them: setup {} on average, the fork {} of it ({}); the client saw {} from connect() to ready.",
        account.connections,
        duration(account.total.value_ns),
        duration(account.fork.value_ns),
        if account.fork.high_ns < 0.5 * account.total.low_ns {
            "less than half, as predicted"
        } else {
            "not shown to be less than half: that part is refuted"
        },
        duration(socket.value_ns + startup.value_ns)
    );
    if let Some(without) = unlogged.and_then(|u| u.mean(ConnectionPhase::Startup)) {
        told += &format!(
            " Startup with the log line minus without: {}.",
            difference(startup.value_ns - without.value_ns)
        );
    }
    Some(told)
}

fn config(mode: Mode, scale: Scale) -> Config {
    let (combine, length) = match scale {
        Scale::Quick => (
            Combine::OneAtATime,
            SweepLength {
                blocks: 9,
                visits: 3,
                block_ms: 200,
                warmup_ms: 0,
            },
        ),
        Scale::Full => (
            Combine::All,
            SweepLength {
                blocks: 9,
                visits: 3,
                block_ms: 400,
                warmup_ms: 0,
            },
        ),
    };
    lengths(
        Config {
            // Its A/A twin is counted in.
            arms: vec![Arm::Unpooled],
            reader_rate: OfferedRate::PerSecond(50.0),
            clients: 4,
            client_rate: ClientRate::Given(OfferedRate::PerSecond(100.0)),
            standing: vec![0],
            server: Some(ServerConfig {
                transports: vec![Transport::Tcp, Transport::Unix],
                auths: vec![Auth::Trust, Auth::Md5, Auth::Scram],
                scram_iterations: vec![4096, 1],
                tls: vec![Tls::Off, Tls::On],
                // The first is each level's where the version has it.
                log_connections: vec![LogConnections::SetupDurations, LogConnections::Off],
                combine,
                ..default_server()
            }),
            ..base(mode)
        },
        length,
    )
}
