//! The files of `docker/`, compiled in.

/// A file of `docker/`: its name and its text.
macro_rules! shipped {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../docker/", $name)))
    };
}

type Shipped = (&'static str, &'static str);

/// Makes and starts a cluster of the files beside it, in Docker and local alike.
pub(crate) const ENTRYPOINT: Shipped = shipped!("entrypoint.sh");
/// Flags of initdb.
pub(crate) const INITDB_ARGS: Shipped = shipped!("initdb.args");
/// Settings appended to `postgresql.conf`.
pub(crate) const POSTGRESQL_CONF: Shipped = shipped!("postgresql.conf");
/// Who may connect from where.
pub(crate) const PG_HBA: Shipped = shipped!("pg_hba.conf");
/// PgBouncer's settings, in Docker and local alike.
pub(crate) const PGBOUNCER_INI: Shipped = shipped!("pgbouncer.ini");
/// PgBouncer's users: the one role, no password.
pub(crate) const USERLIST: Shipped = shipped!("userlist.txt");

/// Everything an image is built from.
pub(crate) const FILES: [Shipped; 10] = [
    shipped!("base-image.sh"),
    shipped!("Dockerfile"),
    shipped!("pgbouncer.Dockerfile"),
    shipped!("patroni.Dockerfile"),
    ENTRYPOINT,
    INITDB_ARGS,
    POSTGRESQL_CONF,
    PG_HBA,
    PGBOUNCER_INI,
    USERLIST,
];
