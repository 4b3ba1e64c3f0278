//! `premapped` and `premapped-few` on a server: whose children map the PGPROC array, and what the library costs
//! those that do not.

use std::collections::BTreeSet;
use std::fs;

use procbench::arm::{Arm, Mode};
use procbench::config::{Disconnect, ServerChoice};
use procbench::factor::PgSource;
use procbench::procarray::{PgProfile, Premapping};
use procbench::record::Role;
use procbench::server::provision::{RunningServer, ServerSpec, provision};
use procbench::server::{Frontend, Target};
use tokio::runtime::Runtime;

use crate::support::{MS, config, counting_turn, run_server, server_turn};

/// Every forked child of the two arms touches the whole array, and no other child touches anything.
#[test]
fn children_map_the_array_in_their_own_blocks_only() {
    let Some(_turn) = counting_turn() else { return };
    let arms = [
        Arm::Quiet,
        Arm::Unpooled,
        Arm::Premapped,
        Arm::PremappedFew,
        Arm::ForkOnly,
        Arm::FailedLogin,
    ];
    let mut config = config(Mode::Server, &arms);
    config.factors.standing = vec![100];
    config.blocks = 2;
    config.duration_ns = 2 * 300 * MS;
    let run = run_server(&config, ServerChoice::Local);
    assert_eq!(run.blocks.len(), 2 * (arms.len() + 1));
    let mut touches = [const { BTreeSet::new() }; 2];
    for block in &run.blocks {
        let counter = |name: &str| block.counters.get(name).copied();
        let begun = block
            .tallies
            .get(&Role::Client)
            .map_or(0, |t| t.begun_in_load);
        let children = counter("premap.children").unwrap();
        let Some(how) = block.arm.premapping() else {
            assert_eq!(
                (children, counter("premap.touches")),
                (0, Some(0)),
                "{}",
                block.label()
            );
            continue;
        };
        assert!(begun > 0);
        assert_eq!(children, begun, "{}", block.label());
        if let Some(forks) = counter("forks.postmaster") {
            assert_eq!(children, forks, "{}", block.label());
        }
        let all = counter("premap.touches").unwrap();
        assert_eq!(all % children, 0, "{}", block.label());
        touches[usize::from(how == Premapping::ReadPer64Kb)].insert(all / children);
    }
    // The same array for everybody: more PGPROCs than connections, in pages and in 64 kB.
    let [pages, sixteens] = touches.map(|each| {
        assert_eq!(each.len(), 1, "{each:?}");
        each.into_iter().next().unwrap()
    });
    let stride = PgProfile::default().version().stride as u64;
    assert!(pages > 100 * stride / 4096, "{pages}");
    assert!(
        sixteens.abs_diff(pages.div_ceil(16)) <= 1,
        "{sixteens}, {pages}"
    );
}

/// Connections that stand behind the newcomers, over whose PGPROCs these come in front.
const STANDING: usize = 300;

struct Backends {
    server: RunningServer,
    target: Target,
    standing: Vec<Frontend>,
}

impl Backends {
    fn start(premap: bool, runtime: &Runtime) -> Self {
        let spec = ServerSpec {
            max_connections: 400,
            source: Some(PgSource::Major(15)),
            premap,
            ..ServerSpec::default()
        };
        let server = provision(&ServerChoice::Local, &spec, &|_| {}).unwrap();
        let target = Target::new(server.endpoint()).unwrap();
        let connect = || runtime.block_on(target.connect()).unwrap();
        let standing = (0..STANDING).map(|_| connect()).collect();
        Self {
            server,
            target,
            standing,
        }
    }

    fn children(&self) -> BTreeSet<u32> {
        let pid = self.server.pid().unwrap();
        let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        list.split_ascii_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    /// Minor faults of a backend from its fork until it is connected, the middle one of some.
    async fn startup_faults(&self, how: Option<Premapping>) -> u64 {
        let page = self.server.premap();
        let stride = PgProfile::of_major(15).unwrap().version().stride;
        let block = page.map(|page| page.begin(how, stride).unwrap());
        assert!(how.is_none() || block.is_some());
        let mut faults = Vec::new();
        for _ in 0..9 {
            let before = self.children();
            let connection = self.target.connect().await.unwrap();
            let new: Vec<u32> = self.children().difference(&before).copied().collect();
            assert_eq!(new.len(), 1);
            let stat = fs::read_to_string(format!("/proc/{}/stat", new[0])).unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            faults.push(fields.split(' ').nth(7).unwrap().parse().unwrap());
            connection.terminate(Disconnect::Wait).await.unwrap();
        }
        if let Some(block) = block {
            let done = block.end().unwrap();
            assert_eq!(done.children, if how.is_some() { 9 } else { 0 });
            assert_eq!(done.touches > 0, how.is_some());
        }
        faults.sort_unstable();
        faults[faults.len() / 2]
    }
}

/// The faults of a backend's whole start: the library adds next to none while it is told nothing, and takes
/// none away by writing each page early; by reading, 15 of 16 pages of the array cost none.
#[test]
fn the_librarys_presence_costs_a_backend_next_to_nothing() {
    let Some(_turn) = server_turn() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let without = Backends::start(false, &runtime);
    assert!(without.server.premap().is_none());
    let stock = runtime.block_on(without.startup_faults(None));
    drop(without);
    let with = Backends::start(true, &runtime);
    let faults = |how| runtime.block_on(with.startup_faults(how));
    let [idle, write, read] = [
        faults(None),
        faults(Some(Premapping::WriteEachPage)),
        faults(Some(Premapping::ReadPer64Kb)),
    ];
    assert_eq!(with.standing.len(), STANDING);
    println!(
        "faults of a start: {stock} without the library, {idle} with it, {write} and {read} told to map"
    );
    // The standing connections' PGPROCs, and a hundred more that stock does not touch.
    let all = 430 * 880 / 4096;
    // Where a program lies in memory changes from server to server, and some 20 faults of each start with it: a
    // library that maps the array unasked would add more than that.
    assert!(idle.abs_diff(stock) <= all / 2, "{idle}, {stock}");
    assert!((idle..=idle + all).contains(&write), "{write}, {idle}");
    let standing = STANDING as u64 * 880 / 4096;
    assert!(read + standing / 2 <= idle, "{read}, {idle}");
}
