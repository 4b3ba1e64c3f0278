//! The part of a process' environment that libpq looks at.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use nix::unistd::{Uid, User};

/// The variables `PG...` and `HOME`. Empty ones count as not set.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// This process'.
    pub fn of_this_process() -> Self {
        let named =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        named.collect()
    }

    /// A variable's value as text.
    ///
    /// # Errors
    /// When it is no UTF-8.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        let text = self.0.get(name).map(|value| value.to_str());
        let text = text.map(|t| t.ok_or_else(|| format!("{name} is not UTF-8")));
        text.transpose()
    }

    /// A variable's value as it is.
    pub(super) fn raw(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }

    /// The variable that names a server, if one does.
    pub fn names_server(&self) -> Option<&'static str> {
        let naming = ["PGHOST", "PGHOSTADDR", "PGSERVICE"];
        naming.into_iter().find(|name| self.0.contains_key(*name))
    }

    /// The home directory (path.c `get_home_path`).
    pub fn home(&self) -> Option<PathBuf> {
        let of_user = || Some(User::from_uid(Uid::effective()).ok()??.dir);
        self.0.get("HOME").map(PathBuf::from).or_else(of_user)
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(n, v)| (n.into(), v.into()));
        let of_libpq = |name: &str| name.starts_with("PG") || name == "HOME";
        Self(
            variables
                .filter(|(name, value): &(String, OsString)| of_libpq(name) && !value.is_empty())
                .collect(),
        )
    }
}

/// The name of the user who runs this (fe-auth.c `pg_fe_getauthname`).
pub(super) fn user_name() -> Option<String> {
    Some(User::from_uid(Uid::effective()).ok()??.name)
}
