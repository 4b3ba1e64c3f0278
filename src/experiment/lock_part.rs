//! `lock-part`: where ProcArrayLock is a part of what churn does to running queries, and where it is not.

use super::churn_tail::{self, BOUND};
use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{ClientRate, Combine, Isolate, PgSource};
use crate::procarray::{PageSize, SlotOrder};
use crate::stats::Answer;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "lock-part",
    short: "at which loads and versions the lock is a part of it",
    question: "At which numbers of standing connections, slot orders, page sizes, versions and client rates is ProcArrayLock a part of what churn does to running queries?",
    prediction: "From one cell (PostgreSQL 15, 2,000 standing connections, slots in front, 4 kB pages, readers on cores of their own) one thing is changed at a time. The lock's part, unpooled minus premapped, grows with the number of standing connections and with the rate. It is there on 15, 17 and 18. It is smaller than one percentage point with none standing, behind them, with 2 MB pages and on 13.",
    refuted_by: "In the first cell unpooled no higher than premapped; or a difference beyond one percentage point in the cells without page faults under the lock.",
    primary_outcome: "The lock's part of the share of slow statements, unpooled minus premapped, in the first cell.",
    declared_percentile: 99.0,
    smaller_than: Some(BOUND),
    assess: churn_tail::assess,
    answer: Answer::Contrast,
    limits: &[
        "Not the lock's part by premapping at 2 MB pages: premapped is refused there, it leaves next to nothing to map. The evidence is the interaction: unpooled minus fork-only with 4 kB pages, less the same with 2 MB.",
        "Not how large the part is from rate and holds alone: a holder that loses the CPU, and the queue behind it, are not in the predicted line.",
        "Not how factors act together: each is changed alone.",
        "Not the lock's part beside other load on the readers' cores: here they have their own.",
    ],
    what_to_do: "Where clients must reconnect, keep few connections standing: the lock's part grows with their number.",
    modes: &[Mode::Server],
    in_chapter: &[],
    configure,
};

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    config.arms = vec![
        Arm::Quiet,
        Arm::KeptOpen,
        Arm::Unpooled,
        Arm::Premapped,
        Arm::PremappedFew,
        Arm::ForkOnly,
    ];
    // On 13 they are the placebo.
    config.arms_by_name = true;
    config.readers = 1;
    config.clients = 8;
    config.client_rate = ClientRate::Auto;
    config.pool_size = 4;
    config.quoted_percentile = 99.0;
    config.page_size_if_granted = true;
    let factors = &mut config.factors;
    factors.standing = vec![2000, 0, 500, 1000, 4000];
    factors.slot_order = vec![SlotOrder::Front, SlotOrder::Behind];
    factors.page_size = PageSize::ALL.to_vec();
    factors.pg = [15, 13, 17, 18].map(PgSource::Major).to_vec();
    factors.client_rate = [0.5, 0.15, 0.3].map(ClientRate::Share).to_vec();
    factors.isolate = vec![Isolate::On];
    if let Some(server) = &mut config.server {
        server.combine = Combine::Departures;
    }
    // 12 rounds left the placebos' interval wider than the bound.
    let (blocks, block_ms) = match scale {
        Scale::Quick => (12, 200),
        Scale::Full => (24, 500),
    };
    Lengths {
        blocks,
        starts: 6,
        block_ms,
        warmup_ms: 100,
    }
}
