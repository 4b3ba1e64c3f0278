//! Where the PostgreSQL under test comes from, and how it goes away again.
//!
//! [`provision`] gives a server: a container of this tool's own image, a throw-away cluster of local
//! binaries, or somebody's server by URL. Docker and local use the same `docker/initdb.args`,
//! `docker/postgresql.conf` and `docker/pg_hba.conf`, compiled in. What was started is removed by
//! [`RunningServer::stop`], by `Drop`, and, where the tool itself was killed, by [`sweep_stale`]
//! of a later run.

mod accounts;
mod authentication;
mod binaries;
mod bootstrap;
mod certificate;
mod command;
mod docker;
mod endpoint;
mod error;
mod image;
mod kind;
mod local;
mod local_process;
mod obtain;
mod owner;
mod pgbouncer;
mod pgbouncer_config;
mod role;
mod running;
mod scratch;
mod server_user;
mod shared_memory;
mod shipped;
mod spec;
mod start;
mod started;
mod sweep;
mod versions;

pub use accounts::init_pgbench_accounts;
pub use binaries::{LocalBinaries, find_local_binaries};
pub use certificate::PinnedCertificate;
pub(crate) use command::{find_on_path, run_bounded};
pub use docker::{engine_version, image_id};
pub use endpoint::Endpoint;
pub use error::ProvisionError;
pub use image::image_available_or_buildable;
pub use kind::ServerKind;
pub use obtain::{Obtained, obtain};
pub use pgbouncer::{RunningPgBouncer, find_pgbouncer_binary, start_pgbouncer};
pub use pgbouncer_config::PgBouncerSpec;
pub use running::{LogMark, RunningServer};
pub use spec::ServerSpec;
pub use start::provision;
pub use sweep::{Swept, sweep_stale};
pub use versions::{PGBOUNCER_IMAGE, PGBOUNCER_SUITE, PgVersion, VERSIONS};
