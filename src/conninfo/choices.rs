//! Parameters with a closed list of values.

use crate::names::named_enum;

named_enum! {
    /// Whether connections are encrypted, and how the server proves who it is (`sslmode`).
    pub enum SslMode: "sslmode" {
        /// In clear.
        Disable = "disable",
        /// In clear; encrypted where the server refuses that.
        Allow = "allow",
        /// Encrypted; in clear where the server refuses that or does not offer it.
        Prefer = "prefer",
        /// Encrypted. The certificate is verified as by `verify-ca` where there is a file of roots.
        Require = "require",
        /// Encrypted, the certificate signed by a root.
        VerifyCa = "verify-ca",
        /// Encrypted, the certificate signed by a root and for this host.
        VerifyFull = "verify-full",
    }
}

named_enum! {
    /// Whether a SCRAM exchange is bound to the TLS connection it runs over (`channel_binding`).
    pub enum ChannelBinding: "channel_binding" {
        /// It is not.
        Disable = "disable",
        /// It is, where the server offers it.
        Prefer = "prefer",
        /// Without it there is no connection.
        Require = "require",
    }
}

named_enum! {
    /// Which of several servers is wanted (`target_session_attrs`).
    pub enum SessionKind: "target_session_attrs" {
        /// The first that answers.
        Any = "any",
        /// Sessions may write.
        ReadWrite = "read-write",
        /// Sessions may only read.
        ReadOnly = "read-only",
        /// Not in recovery.
        Primary = "primary",
        /// In recovery.
        Standby = "standby",
        /// In recovery, or any if none is.
        PreferStandby = "prefer-standby",
    }
}
