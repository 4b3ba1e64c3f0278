//! The user a server runs as when we are root.

use std::path::Path;

use nix::unistd::{Gid, Uid, User, chown};

use super::error::ProvisionError;

/// The user a server runs as when we are root; `initdb` and `postgres` refuse root, PgBouncer too.
#[derive(Debug, Clone)]
pub(crate) struct ServerUser {
    pub(crate) name: String,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

impl ServerUser {
    /// For a local server. `None` when we are not root and stay who we are.
    pub(crate) fn to_drop_to() -> Result<Option<Self>, ProvisionError> {
        Self::first_of(&["postgres", "nobody"])
    }

    /// `nobody`, as whom our containers run beside the server; `None` when we may not give files away
    /// and the container has to run as us.
    pub(crate) fn of_container() -> Result<Option<Self>, ProvisionError> {
        Self::first_of(&["nobody"])
    }

    fn first_of(names: &[&str]) -> Result<Option<Self>, ProvisionError> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let found = names.iter().find_map(|n| User::from_name(n).ok().flatten());
        let user = found.ok_or_else(|| {
            ProvisionError::new(
                "PostgreSQL refuses to run as root and there is neither a user postgres nor nobody to run it as: run procbench as an ordinary user",
            )
        })?;
        Ok(Some(Self {
            name: user.name,
            uid: user.uid,
            gid: user.gid,
        }))
    }

    /// Makes a file or directory theirs.
    pub(crate) fn give(&self, path: &Path) -> Result<(), ProvisionError> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(|e| {
            let what = format!("cannot give {} to {}", path.display(), self.name);
            ProvisionError::io(what)(e.into())
        })
    }
}

/// `UID:GID` of this user, or our own, as `docker run --user` takes them.
pub(crate) fn ids_of(user: Option<&ServerUser>) -> String {
    let (uid, gid) = user.map_or_else(|| (Uid::effective(), Gid::effective()), |u| (u.uid, u.gid));
    format!("{uid}:{gid}")
}
