//! The experiments on clusters that there are.

use super::definition::ClusterExperiment;
use super::partition_detach;
use super::run_file::Measured;

static REGISTRY: [&ClusterExperiment; 1] = [&PARTITION_DETACH];

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
    planned: partition_detach::planned,
    measure: |order| {
        let (run, done) = partition_detach::measure(order);
        (Measured::PartitionDetach(run), done)
    },
    assess: |Measured::PartitionDetach(run)| partition_detach::assess(run),
    drawings: |Measured::PartitionDetach(run), footer| partition_detach::drawings(run, footer),
};

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
        Measured::PartitionDetach(_) => &PARTITION_DETACH,
    }
}
