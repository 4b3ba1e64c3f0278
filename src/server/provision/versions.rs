//! The images of our own: one row per PostgreSQL version, and one for PgBouncer.

/// An image that is built from `docker/`, and where its packages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnImage {
    /// Major version of its PostgreSQL; `None` for PgBouncer's image.
    pub major: Option<u32>,
    /// The Debian suites that carry it, in the order they are tried.
    pub suites: &'static [&'static str],
}

/// Every image of our own. PostgreSQL's are `docker/Dockerfile` with that suite and major; there is one
/// PgBouncer for all servers.
#[rustfmt::skip]
pub const IMAGES: [OwnImage; 5] = [
    OwnImage { major: Some(13), suites: &["bullseye"] },
    OwnImage { major: Some(15), suites: &["bookworm"] },
    OwnImage { major: Some(17), suites: &["trixie"] },
    OwnImage { major: Some(18), suites: &["forky", "sid"] },
    OwnImage { major: None, suites: &["bookworm"] },
];

impl OwnImage {
    /// The image of PostgreSQL of this major version, or PgBouncer's; `None` for one that Debian does not carry.
    pub fn of(major: Option<u32>) -> Option<Self> {
        IMAGES.into_iter().find(|image| image.major == major)
    }

    /// What runs in it.
    pub fn program(self) -> String {
        let postgres = |major| format!("PostgreSQL {major}");
        self.major.map_or_else(|| "PgBouncer".to_owned(), postgres)
    }

    /// Its tag.
    pub fn tag(self) -> String {
        let postgres = |major| format!("procbench-postgres:{major}");
        let pgbouncer = || "procbench-pgbouncer:1".to_owned();
        self.major.map_or_else(pgbouncer, postgres)
    }
}
