//! `anatomy`: what a connection is made of.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{Auth, Combine, LogConnections, OfferedRate, ScramIterations, Tls, Transport};
use crate::stats::{Analysis, Anatomy, Answer, ConnectionPhase, Finding, Outcome, Statement, Unit};

/// Share of the whole that startup is predicted to exceed.
const STARTUP_SHARE: f64 = 0.5;
/// Share of the whole that a Unix socket is predicted to save at most.
const UNIX_SAVES: f64 = 0.1;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "anatomy",
    short: "what the time of a connection is made of",
    question: "What is a connection made of, by authentication, transport and TLS; and what does the server itself say (PostgreSQL 18)?",
    prediction: "Over TCP with trust more than half of a connection's mean time, from connect() to the server's close, is startup: the postmaster's fork and the backend's initialisation (BackendStartup, InitPostgres). A Unix socket saves less than a tenth of the whole, because connect() returns once the kernel has queued the connection. MD5 adds one round trip, SCRAM two, and the client hashes scram_iterations times; the server does not (it keeps StoredKey and ServerKey: auth-scram.c verify_client_proof), so that the server's CPU is the same with 1 and 4,096 iterations, although the authentication time that PostgreSQL 18 logs shrinks, since it holds the wait for the client's proof. On 18 the fork is less than half of the setup that the server logs.",
    refuted_by: "TCP with trust: the interval of startup's share does not lie above one half. Or the Unix socket's mean is shown to be below nine tenths of TCP's (the intervals do not meet there). Or, on 18, the fork's interval is not below half of the logged setup.",
    primary_outcome: "Share of a connection's mean time, from connect() to its close, that lies between the startup message and ReadyForQuery: TCP, trust, no TLS.",
    declared_percentile: 50.0,
    smaller_than: None,
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
    what_to_do: "Save whole connections: startup and disconnect are nine tenths of one, and a Unix socket hardly helps.",
    modes: &[Mode::Server],
    in_chapter: &[Scale::Full],
    configure,
};

/// The level that the primary outcome is about: TCP, trust, without TLS, logged where the server can.
fn is_base(anatomy: &Anatomy) -> bool {
    let f = &anatomy.factors;
    (f.transport, f.auth, f.tls) == (Some(Transport::Tcp), Some(Auth::Trust), Some(Tls::Off))
}

const CLAIM: &str = "over TCP with trust, startup is more than half of a connection's mean time";

fn assess(analysis: &Analysis) -> Option<Finding> {
    let all = &analysis.anatomies;
    let Some(base) = all.iter().find(|a| is_base(a)) else {
        let why = "not measured (it needs --transport tcp, --auth trust, --tls off)";
        return Some(Finding::cannot_tell(CLAIM, why));
    };
    if let Some(why) = &base.struck {
        return Some(Finding::cannot_tell(CLAIM, &format!("struck out: {why}")));
    }
    let share = base.startup_share;
    let startup = Statement::above(CLAIM, share, STARTUP_SHARE, Outcome::Refuted);
    let mut statements = vec![startup.with("startup", share, Unit::Share)];
    let beside = |wanted: &dyn Fn(&Anatomy) -> bool| {
        all.iter().find(|a| {
            a.arm == base.arm && a.factors.pg == base.factors.pg && a.struck.is_none() && wanted(a)
        })
    };
    let unix = beside(&|a| {
        a.factors.transport == Some(Transport::Unix)
            && a.factors.auth == base.factors.auth
            && a.factors.log_connections == base.factors.log_connections
    });
    let mean = |a: &Anatomy| a.mean(ConnectionPhase::Whole);
    if let (Some(unix), Some(tcp)) = (unix.and_then(mean), mean(base)) {
        let claim = "a Unix socket saves less than a tenth of the mean";
        let kept = tcp.times(1.0 - UNIX_SAVES);
        statements.push(
            Statement::above(claim, unix, kept, Outcome::CannotTell)
                .with("Unix socket", unix, Unit::Ns)
                .with("TCP", tcp, Unit::Ns),
        );
    }
    statements.extend(others(base, all));
    let unlogged = beside(&|a| {
        is_base(a)
            && a.factors.log_connections == Some(LogConnections::Off)
            && a.factors.log_connections != base.factors.log_connections
    });
    statements.extend(setup(base, unlogged));
    Some(Finding::of(statements))
}

/// What each other way of connecting adds to the mean, one setting changed.
fn others(base: &Anatomy, all: &[Anatomy]) -> Option<Statement> {
    let whole = |a: &Anatomy| a.mean(ConnectionPhase::Whole).map(|e| e.value_ns);
    let from = whole(base)?;
    let b = &base.factors;
    let mut told = Statement::told("other ways add to the mean over TCP with trust (exploratory)");
    for other in all
        .iter()
        .filter(|a| a.arm == base.arm && a.struck.is_none())
    {
        let o = &other.factors;
        let same =
            (&o.pg, &o.log_connections, &o.transport) == (&b.pg, &b.log_connections, &b.transport);
        let name = match (o.auth, o.scram_iterations) {
            _ if !same => continue,
            (_, _) if o.tls != b.tls && o.auth == b.auth => {
                "TLS (its disconnect ends earlier)".to_owned()
            }
            _ if o.tls != b.tls || o.auth == b.auth => continue,
            (Some(auth), Some(n)) => format!("{auth} (scram_iterations {n})"),
            (auth, _) => auth.unwrap_or_default().to_string(),
        };
        told = told.with(&name, whole(other)? - from, Unit::NsDifference);
        if let Some((x, y)) = other.server_cpu_ns.zip(base.server_cpu_ns) {
            told = told.with(format!("server CPU of {name}"), x - y, Unit::NsDifference);
        }
    }
    (!told.values.is_empty()).then_some(told)
}

/// The server's own account of the same connections, where it gave one.
fn setup(base: &Anatomy, unlogged: Option<&Anatomy>) -> Option<Statement> {
    let account = base.server.as_ref()?;
    let startup = base.mean(ConnectionPhase::Startup)?.value_ns;
    let socket = base.mean(ConnectionPhase::Socket)?.value_ns;
    let claim = "by the server's own account the fork is less than half of the setup";
    let half = account.total.times(0.5);
    let mut statement = Statement::above(claim, half, account.fork, Outcome::Refuted)
        .with("fork", account.fork, Unit::Ns)
        .with("setup", account.total, Unit::Ns)
        .with("connections", account.connections as f64, Unit::Count)
        .with(
            "from connect() to ready, by the client's clock",
            socket + startup,
            Unit::Ns,
        );
    if let Some(without) = unlogged.and_then(|u| u.mean(ConnectionPhase::Startup)) {
        statement = statement.with(
            "startup with the log line minus without",
            startup - without.value_ns,
            Unit::NsDifference,
        );
    }
    Some(statement)
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    // Its A/A twin is counted in.
    config.arms = vec![Arm::Unpooled];
    config.reader_rate = OfferedRate::PerSecond(50.0);
    config.clients = 4;
    config.factors.standing = vec![0];
    config.factors.transport = Transport::ALL.to_vec();
    config.factors.auth = Auth::ALL.to_vec();
    config.factors.scram_iterations = vec![ScramIterations(4096), ScramIterations(1)];
    config.factors.tls = Tls::ALL.to_vec();
    // The first is each level's where the version has it.
    config.factors.log_connections = vec![LogConnections::SetupDurations, LogConnections::Off];
    let (combine, block_ms) = match scale {
        Scale::Quick => (Combine::OneAtATime, 200),
        Scale::Full => (Combine::All, 400),
    };
    if let Some(server) = &mut config.server {
        server.combine = combine;
    }
    Lengths {
        blocks: 12,
        starts: 6,
        block_ms,
        warmup_ms: 0,
    }
}
