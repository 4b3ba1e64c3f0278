//! A password that cannot be printed.

use std::fmt;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A password. `Debug` does not show it, and it has neither `Display` nor a serialised form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps a password.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// The password itself; for the connection only.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as text, for what was made here; empty where it is no text.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// From now on this process leaves no core file: it would have somebody's password in it. What a core is piped to is the
/// system's own affair.
pub fn keep_out_of_cores() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
        // To lower a limit is always allowed.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_core_is_left() {
        keep_out_of_cores();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap().0, 0);
    }

    #[test]
    fn is_never_printed() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }
}
