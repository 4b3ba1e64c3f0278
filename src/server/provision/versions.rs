//! The PostgreSQL versions that containers can be made of: one row per version.

/// A major version and where its packages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgVersion {
    /// Major version.
    pub major: u32,
    /// The Debian suites that carry it, in the order they are tried.
    pub suites: &'static [&'static str],
}

/// Every version with an image; the image itself is `docker/Dockerfile` with that suite and major.
#[rustfmt::skip]
pub const VERSIONS: [PgVersion; 4] = [
    PgVersion { major: 13, suites: &["bullseye"] },
    PgVersion { major: 15, suites: &["bookworm"] },
    PgVersion { major: 17, suites: &["trixie"] },
    PgVersion { major: 18, suites: &["forky", "sid"] },
];

/// The pooler's image: one version for all servers.
pub const PGBOUNCER_IMAGE: &str = "procbench-pgbouncer:1";

/// Suite of the pooler's image.
pub const PGBOUNCER_SUITE: &str = "bookworm";

impl PgVersion {
    /// The row of a major version; `None` for one that Debian does not carry.
    pub fn of(major: u32) -> Option<Self> {
        VERSIONS.into_iter().find(|v| v.major == major)
    }

    /// The tag of its image.
    pub fn image(self) -> String {
        format!("procbench-postgres:{}", self.major)
    }
}

/// The majors in [`VERSIONS`], for a message.
pub(crate) fn known_majors() -> String {
    VERSIONS.map(|v| v.major.to_string()).join(", ")
}
