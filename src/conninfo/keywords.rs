//! The keywords of a connection string, their environment variables (`PQconninfoOptions` of fe-connect.c, to 18),
//! and what becomes of each.

/// A password in a connection string is seen by every user of the machine.
pub(super) const PASSWORD: &str = "contains a password, which ps shows to everyone: put it in PGPASSWORD or ~/.pgpass and leave it out here";

/// What a keyword may be set to.
enum Values {
    Any,
    OneOf(&'static [&'static str]),
    /// These change nothing. Others are refused, for this reason.
    Only(&'static [&'static str], &'static str),
    /// Not in a text that others can see.
    Secret,
}
use Values::{Any, OneOf, Only, Secret};

/// One keyword.
pub(super) struct Keyword {
    pub(super) name: &'static str,
    /// Its variable, where it has one that is laid under.
    pub(super) variable: &'static str,
    values: Values,
}

const fn row(name: &'static str, variable: &'static str, values: Values) -> Keyword {
    Keyword {
        name,
        variable,
        values,
    }
}

const KERBEROS: &str = "procbench does not speak GSSAPI and Kerberos";
const REVOKED: &str = "procbench reads no lists of revoked certificates";
const PROTOCOL: &str = "procbench speaks version 3.0 of the protocol";
const OAUTH: &str = "procbench does not speak OAuth";
const UNCHECKED: &str = "procbench does not check it";
const VERSIONS: &[&str] = &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/// Every keyword.
#[rustfmt::skip]
pub(super) const KEYWORDS: &[Keyword] = &[
    // `passfile` and the home directory's files are looked for when a connection is opened, not laid under.
    row("application_name", "PGAPPNAME", Any),
    row("channel_binding", "PGCHANNELBINDING", OneOf(&["disable", "prefer", "require"])),
    row("client_encoding", "", Only(&["UTF8", "utf8", "UTF-8", "utf-8", "auto"], "procbench reads UTF-8")),
    row("connect_timeout", "PGCONNECT_TIMEOUT", Any),
    row("dbname", "PGDATABASE", Any),
    row("fallback_application_name", "", Any),
    row("gssdelegation", "PGGSSDELEGATION", Only(&["0"], KERBEROS)),
    row("gssencmode", "PGGSSENCMODE", Only(&["disable", "prefer"], KERBEROS)),
    row("gsslib", "", Only(&[], KERBEROS)),
    row("host", "PGHOST", Any),
    row("hostaddr", "PGHOSTADDR", Any),
    row("keepalives", "", Any),
    row("keepalives_count", "", Any),
    row("keepalives_idle", "", Any),
    row("keepalives_interval", "", Any),
    row("krbsrvname", "", Only(&[], KERBEROS)),
    row("load_balance_hosts", "PGLOADBALANCEHOSTS", Only(&["disable"], "a run measures one server, the first that answers")),
    row("max_protocol_version", "PGMAXPROTOCOLVERSION", Only(&["3.0", "latest"], PROTOCOL)),
    row("min_protocol_version", "PGMINPROTOCOLVERSION", Only(&["3.0"], PROTOCOL)),
    row("oauth_client_id", "", Only(&[], OAUTH)),
    row("oauth_client_secret", "", Secret),
    row("oauth_issuer", "", Only(&[], OAUTH)),
    row("oauth_scope", "", Only(&[], OAUTH)),
    row("options", "PGOPTIONS", Any),
    row("passfile", "", Any),
    row("password", "", Secret),
    row("port", "PGPORT", Any),
    row("replication", "", Only(&["false", "off", "no", "0"], "a load is no replication")),
    row("require_auth", "PGREQUIREAUTH", Only(&[], UNCHECKED)),
    row("requirepeer", "PGREQUIREPEER", Only(&[], UNCHECKED)),
    row("scram_client_key", "", Secret),
    row("scram_server_key", "", Secret),
    row("service", "PGSERVICE", Any),
    row("servicefile", "", Any),
    row("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", OneOf(&["TLSv1.2", "TLSv1.3"])),
    row("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", OneOf(VERSIONS)),
    row("sslcert", "PGSSLCERT", Any),
    row("sslcertmode", "PGSSLCERTMODE", OneOf(&["disable", "allow"])),
    row("sslcompression", "PGSSLCOMPRESSION", Only(&["0", "1"], "it is 0 or 1, and does nothing")),
    row("sslcrl", "PGSSLCRL", Only(&[], REVOKED)),
    row("sslcrldir", "PGSSLCRLDIR", Only(&[], REVOKED)),
    row("sslkey", "PGSSLKEY", Any),
    row("sslkeylogfile", "", Only(&[], "procbench writes no keys")),
    row("sslmode", "PGSSLMODE", OneOf(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])),
    row("sslnegotiation", "PGSSLNEGOTIATION", OneOf(&["postgres", "direct"])),
    row("sslpassword", "", Secret),
    row("sslrootcert", "PGSSLROOTCERT", Any),
    row("sslsni", "PGSSLSNI", OneOf(&["0", "1"])),
    row("target_session_attrs", "PGTARGETSESSIONATTRS", OneOf(&["any", "read-write", "read-only", "primary", "standby", "prefer-standby"])),
    row("tcp_user_timeout", "", Any),
    row("user", "PGUSER", Any),
];

/// The keyword of this name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|k| k.name == name)
}

impl Keyword {
    /// Whether it may not be read by others.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.values, Secret)
    }

    /// What is wrong with a value, which is not repeated; `origin` says where it stands.
    pub(super) fn check(&self, value: &str, origin: &str) -> Result<(), String> {
        let name = self.name;
        match self.values {
            Any => Ok(()),
            OneOf(values) | Only(values, _) if values.contains(&value) => Ok(()),
            OneOf(values) => Err(format!(
                "{origin} sets {name} to what it cannot be: choose from {}",
                values.join(", ")
            )),
            Only(_, why) => Err(format!("{origin} sets {name}: {why}; leave it out")),
            Secret => Err(format!("{origin} {PASSWORD}: {name}")),
        }
    }
}
