//! Where a server is and how it is connected to, said as psql is told: a URL or `key=value` pairs, with the
//! service file, libpq's environment and its defaults laid under (PostgreSQL: fe-connect.c).
//!
//! A [`Conninfo`] holds texts by libpq's keywords and no secret. Hosts, ports and numbers are typed by
//! tokio-postgres' parser. Its own reading of a whole text is not used: it does not say which keywords were
//! given, which is what defaults are laid under by, and it takes what libpq refuses (`%zz`) or reads otherwise
//! (an `@` behind the host, lists after `?host=`).
//!
//! [`Conninfo`] is read without a look at the environment, so that a stored run means the same everywhere;
//! [`Conninfo::with_environment`] is for what was just asked for.

mod choices;
mod environment;
mod keywords;
mod laid_under;
mod parameters;
mod password_file;
mod service;
mod text;

pub(crate) use choices::{ChannelBinding, SessionKind, SslMode};
pub use environment::Environment;
pub use parameters::Conninfo;
pub(crate) use parameters::{Keepalive, Place};
pub(crate) use password_file::Password;
pub(crate) use text::is_conninfo;
pub use tokio_postgres::config::Host as EndpointHost;
