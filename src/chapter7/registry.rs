//! The experiments on clusters that there are.

use super::assessment::Assessment;
use super::definition::ClusterExperiment;
use super::run_file::Measured;
use super::{failover_loss, lsn_ladder, partition_detach};
use crate::report::drawings::Drawing;

static REGISTRY: [&ClusterExperiment; 3] = [&LSN_LADDER, &PARTITION_DETACH, &FAILOVER_LOSS];

static LSN_LADDER: ClusterExperiment = ClusterExperiment {
    name: "lsn-ladder",
    short: "which fault each level of synchronous_commit feels (7.1)",
    section: "7.1",
    question: "What does a commit wait for at each level of synchronous_commit, and which fault makes it pay?",
    prediction: "off waits for nothing, local for the primary's disk, remote_write for the standby's kernel, on for its disk, remote_apply for its replay. A fault adds its whole delay to the levels that wait for it, and nothing to those below. sent_lsn belongs to no level. At on the standby may not show yet what was acknowledged. The lag columns stand still when the standby's receiver does.",
    refuted_by: "A fault that is felt below the level it belongs to or not at it, a stale read at remote_apply, or lag columns that grow while the receiver stands still.",
    primary_outcome: "the p50 of a commit's service time, at each level under each fault",
    limits: &[
        "Both servers are on one machine and one disk: absolute times are those of this disk, and what matters is their order.",
        "The network is a proxy that delays; it loses nothing and has no limit of bytes per second.",
        "One standby, named alone in synchronous_standby_names: not FIRST and ANY with several.",
        "Nothing crashes here: what a level keeps through a crash is another experiment.",
    ],
    what_to_do: "Choose the level by the fault you must survive, and watch positions, not lag columns: these stand still when the standby does.",
    planned: lsn_ladder::planned,
    measure: |order| {
        let (run, done) = lsn_ladder::measure(order);
        (Measured::LsnLadder(run), done)
    },
    assess,
    drawings,
};

static PARTITION_DETACH: ClusterExperiment = ClusterExperiment {
    name: "partition-detach",
    short: "how long inserts stop while a partition is removed (7.3)",
    section: "7.3",
    question: "How long do inserts stop while the oldest partition is removed, and what decides it?",
    prediction: "DROP and DETACH stop all inserts for as long as a transaction in front of them stays open, on the parent or on the old partition alone. DETACH CONCURRENTLY stops none. With nothing in front of them none of the three is felt.",
    refuted_by: "An insert that waits behind DETACH CONCURRENTLY, or inserts that go on behind DROP or DETACH while a transaction stands in front of it.",
    primary_outcome: "the longest time without an acknowledged insert, from the command's begin to the first insert after its end",
    limits: &[
        "Not tables with a DEFAULT partition: DETACH CONCURRENTLY is refused there.",
        "Not foreign keys: with them other tables are locked, too, also by dropping the detached table.",
        "Not the size of a table: no command here reads its rows, and dumping does so without stopping inserts.",
        "Autovacuum is off but where it is the obstacle; a manual VACUUM or one against wraparound does not give way.",
    ],
    what_to_do: "Remove partitions with DETACH CONCURRENTLY; where that is refused, set lock_timeout and try again.",
    planned: partition_detach::planned,
    measure: |order| {
        let (run, done) = partition_detach::measure(order);
        (Measured::PartitionDetach(run), done)
    },
    assess,
    drawings,
};

static FAILOVER_LOSS: ClusterExperiment = ClusterExperiment {
    name: "failover-loss",
    short: "which acknowledged commits a failover loses (7.5)",
    section: "7.5",
    question: "Of the commits that a client was told are done, how many does the new primary have?",
    prediction: "off and local lose what was acknowledged while the standby lacked it: the rate, times delay and cut. remote_write, on and remote_apply lose nothing, as long as the list of standbys is set, the promoted standby is one that was waited for, and no wait was ended. With the empty list, which is the default, all five lose alike. remote_write also loses what the standby's kernel had and its disk had not. off alone loses in a restart in place, local does not.",
    refuted_by: "A row that was acknowledged at on or remote_apply and is not there under these conditions, one that was acknowledged at local and is not there after a restart in place, or a cut in which local loses nothing.",
    primary_outcome: "the rows that were acknowledged to a client and are not on the new primary, at each level",
    limits: &[
        "Except with Patroni (--with-patroni), nobody has to notice that the primary is dead, and which standby is promoted is given.",
        "All servers are on one machine and one disk. A server dies by SIGKILL of all its processes, and its kernel goes on.",
        "A standby's lost page cache is emulated: WAL from its flushed position on is overwritten with zeros.",
        "Loss is proportional to the rate, which is 200 acknowledged rows per second at each level here.",
        "With Patroni each arm is one trial, with ttl 20 s: seconds without a leader follow from it.",
    ],
    what_to_do: "Set synchronous_standby_names, promote only a standby whose acknowledgement was waited for, and treat a cancelled wait as a commit that may be lost.",
    planned: failover_loss::planned,
    measure: |order| {
        let (run, done) = failover_loss::measure(order);
        (Measured::FailoverLoss(run), done)
    },
    assess,
    drawings,
};

fn assess(measured: &Measured) -> Assessment {
    match measured {
        Measured::FailoverLoss(run) => failover_loss::assess(run),
        Measured::LsnLadder(run) => lsn_ladder::assess(run),
        Measured::PartitionDetach(run) => partition_detach::assess(run),
    }
}

fn drawings(measured: &Measured, footer: &[String]) -> Vec<Drawing> {
    match measured {
        Measured::FailoverLoss(run) => failover_loss::drawings(run, footer),
        Measured::LsnLadder(run) => lsn_ladder::drawings(run, footer),
        Measured::PartitionDetach(run) => partition_detach::drawings(run, footer),
    }
}

/// All of them, in the order of the chapter.
pub fn registry() -> &'static [&'static ClusterExperiment] {
    &REGISTRY
}

/// One by its name.
pub fn find(name: &str) -> Option<&'static ClusterExperiment> {
    REGISTRY.iter().copied().find(|e| e.name == name)
}

/// Whose numbers these are.
pub fn of(measured: &Measured) -> &'static ClusterExperiment {
    match measured {
        Measured::FailoverLoss(_) => &FAILOVER_LOSS,
        Measured::LsnLadder(_) => &LSN_LADDER,
        Measured::PartitionDetach(_) => &PARTITION_DETACH,
    }
}
