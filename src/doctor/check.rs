//! One line of the report.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::names::named_enum;

named_enum! {
    /// How a check ended.
    pub enum Status: "status" {
        /// As it should be.
        Ok = "ok",
        /// Works, and the numbers or an option suffer.
        Caution = "caution",
        /// Something cannot be done at all.
        Missing = "missing",
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What to do; present unless all is well.
    pub remedy: Option<String>,
    /// The Debian package that would mend it.
    #[serde(skip)]
    package: Option<&'static str>,
}

impl Check {
    pub(super) fn ok(detail: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
            package: None,
        }
    }

    pub(super) fn caution(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: Status::Caution,
            remedy: Some(remedy.into()),
            ..Self::ok(detail)
        }
    }

    pub(super) fn missing(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: Status::Missing,
            ..Self::caution(detail, remedy)
        }
    }

    /// Something that its package would bring.
    pub(super) fn not_installed(status: Status, detail: &str, package: &'static str) -> Self {
        Self {
            status,
            package: Some(package),
            ..Self::caution(detail, format!("apt-get install {package}"))
        }
    }

    pub(super) fn named(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }
}

/// Lines for the terminal: status, name, what was found, and under it what to do.
pub fn render(checks: &[Check]) -> Vec<String> {
    let width = checks.iter().map(|c| c.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for check in checks {
        let (status, name, detail) = (check.status, &check.name, &check.detail);
        lines.push(format!("{status:7}  {name:width$}  {detail}"));
        if let Some(remedy) = &check.remedy {
            lines.push(format!("{:width$}           -> {remedy}", ""));
        }
    }
    lines
}

/// The packages that would mend what the checks found, each once.
pub(super) fn packages_wanted(checks: &[Check]) -> Vec<&'static str> {
    let packages: BTreeSet<&str> = checks.iter().filter_map(|c| c.package).collect();
    packages.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_once() {
        let lacks = |package| Check::not_installed(Status::Missing, "a", package);
        let checks = [lacks("x"), lacks("docker.io"), Check::ok("b"), lacks("x")];
        assert_eq!(packages_wanted(&checks), ["docker.io", "x"]);
    }
}
