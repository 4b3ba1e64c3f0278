//! What primary and standby are started with.

use crate::chapter7::order::Order;
use crate::config::ServerChoice;
use crate::factor::{PgSource, Transport};
use crate::server::provision::{PairRole, RunningServer, ServerKind, ServerSpec};

/// The version where none is asked for.
const USUAL_MAJOR: u32 = 17;

/// What each is started with.
pub(super) fn spec(order: &Order, role: PairRole) -> ServerSpec {
    // Local binaries are those that are installed.
    let is_local = order.server == ServerChoice::Local;
    let usual = (!is_local).then_some(PgSource::Major(USUAL_MAJOR));
    // Else checkpoints and their full pages are among what is measured.
    let settings = [
        ("checkpoint_timeout", "1h"),
        ("max_wal_size", "4GB"),
        ("wal_keep_size", "256MB"),
        // A standby that comes before its primary tries again at once.
        ("wal_retrieve_retry_interval", "100ms"),
        // Sockets are enough, and a port may be taken while a server is down.
        ("listen_addresses", ""),
    ];
    ServerSpec {
        source: order.source.clone().or(usual),
        max_connections: 40,
        transport: Transport::Unix,
        pair: Some(role),
        settings: settings.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        ..ServerSpec::default()
    }
}

/// The choice that gives a server of the same kind.
pub(super) fn like(server: &RunningServer) -> ServerChoice {
    match server.kind() {
        ServerKind::Docker => ServerChoice::Docker,
        _ => ServerChoice::Local,
    }
}
