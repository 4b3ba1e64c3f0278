//! What kind of server runs.

use crate::names::named_enum;

named_enum! {
    /// What kind of server runs.
    pub enum ServerKind: "kind of server" {
        /// A container.
        Docker = "docker",
        /// A throw-away local cluster.
        Local = "local",
        /// Not ours.
        Url = "url",
    }
}
