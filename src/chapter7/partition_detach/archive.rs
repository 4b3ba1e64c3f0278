//! The whole way from a partition to an archive: detach, dump, restore, compare, drop, beside running inserts.

use std::slice::from_ref;
use std::time::Duration;

use super::record::Archive;
use super::session::{connect, make_tables, number};
use super::tables::{self, OLD, PARENT};
use crate::chapter7::inserts::{Load, RunningLoad};
use crate::clock::{Clock, MonotonicClock};
use crate::load::Cancel;
use crate::server::provision::{Endpoint, RunningServer};
use crate::server::{Frontend, FrontendError, Target};

/// What dump and restore may take each.
const LIMIT: Duration = Duration::from_secs(120);

/// The database that the dump is restored into.
const ARCHIVE: &str = "archive";

/// Rows and their hash, in the order of their numbers.
async fn contents(session: &mut Frontend) -> Result<(u64, String), FrontendError> {
    let hash = format!(
        "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY number)) FROM public.{OLD} AS t"
    );
    let rows = session.rows(&hash).await?;
    match &rows.into_iter().next().unwrap_or_default()[..] {
        [Some(count), hash] => Ok((
            count.parse().unwrap_or_default(),
            hash.clone().unwrap_or_default(),
        )),
        _ => Err(FrontendError::Protocol(format!("{hash}: no row"))),
    }
}

/// Goes it.
///
/// # Errors
/// What a statement or a program ended with.
pub(super) async fn archive(
    server: &RunningServer,
    load: &Load,
    old_rows: u32,
    has_concurrently: bool,
    cancel: &Cancel,
) -> Result<Archive, FrontendError> {
    let admin = server.admin_endpoint();
    let admin = admin.ok_or_else(|| FrontendError::here("no superuser"))?;
    let mut session = connect(server).await?;
    make_tables(&mut session, old_rows).await?;
    let mut superuser = Target::new(admin)?.connect().await?;
    superuser
        .query(&format!("CREATE DATABASE {ARCHIVE}"))
        .await?;

    let load = RunningLoad::start(from_ref(server.endpoint()), load)?;
    let began_ns = load.now_ns();
    let since = |began_ns| MonotonicClock.now_ns() - began_ns;
    let mut archive = Archive::default();
    let begun = MonotonicClock.now_ns();
    let concurrently = if has_concurrently {
        " CONCURRENTLY"
    } else {
        ""
    };
    let detach = format!("ALTER TABLE {PARENT} DETACH PARTITION {OLD}{concurrently}");
    session.query(&detach).await?;
    archive.detach_ns = since(begun);
    archive.source = contents(&mut session).await?;

    let begun = MonotonicClock.now_ns();
    let database = &server.endpoint().dbname;
    let program = |program: &str, what: &str| {
        let script = format!("{program} -h \"$SOCKETS\" -p \"$PORT\" -U postgres {what}");
        let ended = server.shell(&script, LIMIT, &|| cancel.is_cancelled());
        ended.map_err(FrontendError::here)
    };
    let dump = format!("-Fc -t {OLD} -f \"$FILES/{OLD}.dump\" {database}");
    program("pg_dump", &dump)?;
    archive.dump_ns = since(begun);
    let begun = MonotonicClock.now_ns();
    // Its owner is not in the other database's grants: the archive belongs to the superuser.
    let restore = format!("--no-owner -d {ARCHIVE} \"$FILES/{OLD}.dump\"");
    program("pg_restore", &restore)?;
    archive.restore_ns = since(begun);
    let endpoint = Endpoint {
        dbname: ARCHIVE.to_owned(),
        ..admin.clone()
    };
    archive.restored = contents(&mut Target::new(&endpoint)?.connect().await?).await?;

    let begun = MonotonicClock.now_ns();
    session.query(&format!("DROP TABLE {OLD}")).await?;
    archive.drop_ns = since(begun);
    let ended_ns = load.now_ns();
    let inserts = load.stop()?;
    archive.acknowledged = inserts.count();
    archive.failed = inserts.failures().values().sum();
    archive.worst_gap_ns = inserts.worst_gap_ns(began_ns, ended_ns);
    archive.rows = number(&mut session, &tables::count_of(PARENT)).await?;
    Ok(archive)
}
