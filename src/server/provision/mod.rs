//! Where the PostgreSQL under test comes from, and how it goes away again.
//!
//! [`provision`] gives a server: a container of this tool's own image, a throw-away cluster of local
//! binaries, or somebody's server by URL. Docker and local use the same `docker/entrypoint.sh` and the files
//! beside it, compiled in. What was started is removed by [`RunningServer::stop`], by `Drop`, and, where the
//! tool itself was killed, by [`sweep_stale`] of a later run.

mod authentication;
mod binaries;
mod choose;
mod command;
mod connect;
mod docker;
mod encryption;
mod endpoint;
mod error;
mod image;
mod owner;
mod pair;
mod patroni;
mod pgbouncer;
mod premap;
mod process;
mod running;
mod scratch;
mod shared_memory;
mod shipped;
mod spec;
mod start;
mod sweep;
mod sync_delay;
mod user;
mod versions;

pub use binaries::{LocalBinaries, find_local_binaries};
pub use choose::find_server;
pub use command::find_on_path;
pub(crate) use command::run_bounded;
pub use docker::{engine_version, image_id};
pub use encryption::{Encryption, Roots};
pub use endpoint::Endpoint;
pub use error::ProvisionError;
pub use image::image_available_or_buildable;
pub use pair::{PairRole, Upstream};
pub use patroni::{Etcd, PatroniNode, port_for_node};
pub use pgbouncer::start_pgbouncer;
pub use premap::{PremapPage, Premapped, PremappedBlock};
pub use running::{RunningServer, init_pgbench_accounts};
pub use spec::{PgBouncerSpec, ServerKind, ServerSpec};
pub(in crate::server) use start::reach;
pub use start::{obtain, provision};
pub use sweep::{Swept, sweep_and_tell, sweep_stale};
pub use sync_delay::SyncDelay;
pub use versions::{IMAGES, OwnImage};
