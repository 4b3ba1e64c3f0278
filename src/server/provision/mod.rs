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
mod etcd;
mod image;
mod owner;
mod pair;
mod patroni;
mod pgbouncer;
mod preload;
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

pub use binaries::find_local_binaries;
pub use choose::find_server;
pub use command::find_on_path;
pub(crate) use command::run_bounded;
pub use docker::engine_version;
pub(crate) use encryption::{Encryption, Roots};
pub use endpoint::Endpoint;
pub(crate) use error::ProvisionError;
pub(crate) use etcd::Etcd;
pub(crate) use image::image_available_or_buildable;
pub(crate) use pair::{PairRole, Upstream};
pub(crate) use patroni::{PatroniNode, port_for_node};
pub use pgbouncer::start_pgbouncer;
pub(crate) use premap::PremappedBlock;
pub use running::{RunningServer, init_pgbench_accounts};
pub use spec::{PgBouncerSpec, ServerKind, ServerSpec};
pub(crate) use start::obtain;
pub use start::provision;
pub(in crate::server) use start::reach;
pub(crate) use sweep::sweep_and_tell;
pub use sweep::sweep_stale;
pub use versions::{IMAGES, OwnImage};
