//! The chapter's other claims as experiments on real clusters: what removing a partition does to inserts (7.3),
//! what a commit waits for (7.1), and which acknowledged commits a failover loses (7.5).
//!
//! They share provisioning, frontend, provenance, sections and figures with the rest. What they measure is no
//! contrast of arms in blocks, so their run file is their own.

mod assessment;
mod definition;
mod drawn;
mod failover_loss;
mod inserts;
mod level;
mod lsn_ladder;
mod order;
mod page;
mod pair;
mod partition_detach;
mod registry;
mod run_file;

pub use assessment::{Assessment, Check, Claim, ClaimVerdict, Must};
pub use definition::ClusterExperiment;
pub use failover_loss::{PatroniArm, measure_patroni};
pub use order::Order;
pub use page::{drawings, html, summary, terminal};
pub use registry::{find, of, registry};
pub use run_file::{
    CLUSTER_RUN_FILE_NAME, ClusterRun, Measured, find_cluster_runs, read_cluster_run,
};
