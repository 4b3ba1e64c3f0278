//! Every setting of a configuration by its path, so that whoever compares configurations forgets none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Config;

/// Settings by their paths, such as `model.background.committers`.
pub(crate) type Settings = BTreeMap<String, String>;

impl Config {
    /// Every setting of the configuration.
    pub(crate) fn settings(&self) -> Settings {
        fn walk(path: String, value: Value, found: &mut Settings) {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        let dot = if path.is_empty() { "" } else { "." };
                        walk(format!("{path}{dot}{name}"), value, found);
                    }
                }
                other => drop(found.insert(path, other.to_string())),
            }
        }
        let mut found = Settings::new();
        let config = serde_json::to_value(self).unwrap_or_default();
        walk(String::new(), config, &mut found);
        found
    }
}

/// The first setting that differs, with both values, where neither it nor what it is part of `may` differ.
pub(crate) fn different_setting(
    a: &Settings,
    b: &Settings,
    may: impl Fn(&str) -> bool,
) -> Option<(String, String, String)> {
    let may = |path: &str| {
        let mut above = path.match_indices('.').map(|(dot, _)| &path[..dot]);
        may(path) || above.any(&may)
    };
    let paths = a.keys().chain(b.keys());
    let path = paths.filter(|p| !may(p) && a.get(*p) != b.get(*p)).min()?;
    let value = |of: &Settings| of.get(path).map_or("not set", String::as_str).to_owned();
    Some((path.clone(), value(a), value(b)))
}
