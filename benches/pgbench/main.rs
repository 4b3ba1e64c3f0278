//! procbench's load beside pgbench's, on the same server: transactions a second, and client CPU a transaction.
//!
//! A local server of ours (TCP on loopback, trust, no TLS or GSS) with pgbench's own tables; select-only. In
//! each round procbench, pgbench, and pgbench once more (the noise floor) run one stretch each, in random
//! order. Churn is `pgbench -C -M simple`, one pgbench thread a client, beside `unpooled` with
//! `--disconnect close`; persistent connections are `pgbench -M prepared` beside `kept-open` with
//! `--protocol prepared`. Neither has a warm-up or think time. Client CPU is that of the whole process, for
//! pgbench its start included; procbench records every phase of every transaction meanwhile.
//!
//! `cargo bench --bench pgbench -- --pairs 12 --seconds 5`; `--help` has the options.

mod cell;
mod ours;
mod report;
mod table;
mod theirs;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use procbench::config::{EndpointHost, ServerChoice};
use procbench::factor::PgSource;
use procbench::load::Cancel;
use procbench::seed::derive_seed;
use procbench::server::provision::{RunningServer, ServerSpec, provision};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use cell::Cell;
use ours::Procbench;
use table::Round;
use theirs::Pgbench;

/// Compare procbench's load with pgbench's on a local server.
#[derive(Debug, Parser)]
#[command(name = "pgbench")]
struct Options {
    /// Rounds for each kind of load; each holds procbench once and pgbench twice
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pairs: u32,
    /// Length of one stretch, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Only loads whose name contains this, such as "churn" or "16 clients"
    #[arg(long, default_value = "")]
    only: String,
    /// pgbench's threads for the persistent connections
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    prepared_jobs: u32,
    /// Major version of the local server
    #[arg(long)]
    pg: Option<u32>,
    /// Seed of the order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print every stretch
    #[arg(long)]
    verbose: bool,
    /// Two very short rounds of a load of each kind, to see that it works
    #[arg(long)]
    test: bool,
    /// Names it only
    #[arg(long, hide = true)]
    list: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.list {
        println!("pgbench: benchmark");
        return ExitCode::SUCCESS;
    }
    if std::env::var("PROCBENCH_TESTS_NO_SERVER").is_ok_and(|v| v == "1") {
        println!("pgbench: not run, PROCBENCH_TESTS_NO_SERVER=1");
        return ExitCode::SUCCESS;
    }
    if options.test {
        (options.pairs, options.seconds) = (2, 1);
    }
    match compare(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("procbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> anyhow::Result<()> {
    let cancel = Cancel::on_signals().context("cannot handle signals")?;
    let cells: Vec<Cell> = Cell::ALL
        .into_iter()
        .filter(|cell| cell.to_string().contains(&options.only))
        .filter(|cell| !options.test || [4, 8].contains(&cell.clients))
        .collect();
    anyhow::ensure!(!cells.is_empty(), "no load is called \"{}\"", options.only);
    let spec = ServerSpec {
        source: options.pg.map(PgSource::Major),
        max_connections: 100,
        ..ServerSpec::default()
    };
    let server = provision(&ServerChoice::Local, &spec, &|line| eprintln!("{line}"))?;
    let bin_dir = server.bin_dir().context("the server is not a local one")?;
    let pgbench = Pgbench {
        program: &bin_dir.join("pgbench"),
        endpoint: server.endpoint(),
        prepared_jobs: options.prepared_jobs,
    };
    pgbench.initialise()?;
    let url = url(&server)?;
    println!(
        "PostgreSQL {}, {} cores, {} rounds of {} s, seed {}; first over second, 95 % interval\n",
        server.server_version(),
        std::thread::available_parallelism()?,
        options.pairs,
        options.seconds,
        options.seed
    );
    print!("{}", table::header());
    for (index, cell) in cells.into_iter().enumerate() {
        let rounds = rounds(options, cell, index as u64, &url, &pgbench, &cancel)?;
        print!("{}", table::row(cell, &rounds)?);
    }
    server.stop()?;
    Ok(())
}

fn url(server: &RunningServer) -> anyhow::Result<String> {
    let endpoint = server.endpoint();
    let EndpointHost::Tcp(host) = &endpoint.host else {
        anyhow::bail!("the comparison is over TCP");
    };
    Ok(format!(
        "postgres://{}@{host}:{}/{}",
        endpoint.user, endpoint.port, endpoint.dbname
    ))
}

/// Who runs in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Procbench,
    Pgbench,
    PgbenchAgain,
}

fn rounds(
    options: &Options,
    cell: Cell,
    index: u64,
    url: &str,
    pgbench: &Pgbench<'_>,
    cancel: &Cancel,
) -> anyhow::Result<Vec<Round>> {
    let seed = derive_seed(options.seed, &[index]);
    let mut rng = Pcg64::seed_from_u64(seed);
    let config = ours::config(cell, options.seconds, seed, url)?;
    let mut procbench = Procbench::open(cell, &config, cancel)?;
    // Not counted: caches, and the server's first connections.
    pgbench.measure(cell, 1)?;
    let mut rounds = Vec::new();
    for number in 0..options.pairs {
        let mut order = [Side::Procbench, Side::Pgbench, Side::PgbenchAgain];
        order.shuffle(&mut rng);
        let mut round = Round::default();
        for side in order {
            anyhow::ensure!(!cancel.is_cancelled(), "interrupted");
            let (slot, stretch) = match side {
                Side::Procbench => (&mut round.procbench, procbench.measure()?),
                Side::Pgbench => (&mut round.pgbench, pgbench.measure(cell, options.seconds)?),
                Side::PgbenchAgain => (
                    &mut round.pgbench_again,
                    pgbench.measure(cell, options.seconds)?,
                ),
            };
            if options.verbose {
                eprintln!("{cell}: round {number}: {side:?}: {stretch:?}");
            }
            *slot = Some(stretch);
        }
        rounds.push(round);
    }
    Ok(rounds)
}
