//! One line of the report.

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, and the numbers or an option suffer.
    Caution,
    /// Something cannot be done at all.
    Missing,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What to do; present unless all is well.
    pub remedy: Option<String>,
    /// Debian packages that would mend it.
    pub packages: Vec<&'static str>,
}

impl Check {
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
            packages: Vec::new(),
        }
    }

    pub(super) fn caution(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Caution,
            remedy: Some(remedy.into()),
            ..Self::ok(name, detail)
        }
    }

    pub(super) fn missing(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Missing,
            ..Self::caution(name, detail, remedy)
        }
    }

    pub(super) fn with_packages(mut self, packages: &[&'static str]) -> Self {
        self.packages = packages.to_vec();
        self
    }
}

/// Lines for the terminal: status, name, what was found, and under it what to do.
pub fn render(checks: &[Check]) -> Vec<String> {
    let width = checks.iter().map(|c| c.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for check in checks {
        let status = match check.status {
            Status::Ok => "ok     ",
            Status::Caution => "caution",
            Status::Missing => "missing",
        };
        lines.push(format!("{status}  {:width$}  {}", check.name, check.detail));
        if let Some(remedy) = &check.remedy {
            lines.push(format!("{:width$}           -> {remedy}", ""));
        }
    }
    lines
}

/// The packages that would mend what the checks found, each once.
pub fn packages_wanted(checks: &[Check]) -> Vec<&'static str> {
    let mut packages: Vec<&'static str> = checks.iter().flat_map(|c| c.packages.clone()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_once() {
        let check = Check::missing("a", "b", "c").with_packages(&["x", "docker.io"]);
        assert_eq!(packages_wanted(&[check.clone(), check]), ["docker.io", "x"]);
    }
}
