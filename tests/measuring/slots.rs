//! Where churn's slots lie among those of the standing connections, as each start verifies it.

use procbench::arm::{Arm, Mode};
use procbench::config::ServerChoice;
use procbench::experiment::analyse;
use procbench::factor::StandingState;
use procbench::procarray::SlotOrder;
use procbench::record::Run;
use procbench::stats::Guard;

use crate::support::{MS, config, counting_turn, run_server};

#[test]
fn slots_are_seen_to_lie_as_they_were_asked_to() {
    let Some(_turn) = counting_turn() else { return };
    let mut config = config(Mode::Server, &[Arm::Quiet, Arm::Unpooled]);
    config.factors.standing = vec![40];
    config.factors.slot_order = SlotOrder::ALL.to_vec();
    config.factors.standing_state = vec![StandingState::Idle, StandingState::InTransaction];
    config.duration_ns = 100 * MS;
    let run = run_server(&config, ServerChoice::Local);
    assert_eq!(run.blocks.len(), 6 * 3);
    for block in &run.blocks {
        assert_eq!(
            block.counters["slots.verified"],
            1,
            "{} {:?}",
            block.label(),
            block.factors
        );
        let behind = block.counters["slots.standing-behind"];
        match block.factors.slot_order.unwrap() {
            SlotOrder::Front => assert_eq!(behind, 40),
            SlotOrder::Behind => assert_eq!(behind, 0),
            SlotOrder::Spread => assert!(behind < 40, "{behind}"),
        }
    }
    let cautions = |run: &Run| -> usize {
        let analysis = analyse(run);
        let all = analysis.levels.iter().flat_map(|l| &l.contenders);
        let of_slots = |c: &&procbench::stats::ContenderSummary| {
            c.guards.contains(&Guard::SlotOrderUnverified)
        };
        all.filter(of_slots).count()
    };
    assert_eq!(cautions(&run), 0);
    // One start that was not seen is enough.
    let mut unseen = run;
    unseen.blocks[0].counters.remove("slots.verified");
    assert_eq!(cautions(&unseen), 1);
}
