//! The roles and the database of a server of ours.

/// The role every arm connects as: not a superuser, owner of [`DATABASE`].
pub(super) const ROLE: &str = "procbench";

/// The database the role owns.
pub(super) const DATABASE: &str = "procbench";

/// The superuser of servers this tool starts; reachable through their Unix socket only.
pub(super) const SUPERUSER: &str = "postgres";
