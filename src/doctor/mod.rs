//! `procbench doctor`: is this machine able to give honest numbers, and what is missing?
//!
//! [`run_checks`] looks, [`render`] makes lines of it, [`install()`] fetches what is missing on Debian and
//! Ubuntu. Nothing is started and nothing measured beyond the cost of the clock.

mod check;
mod install;
mod machine;
mod of_tests;
mod other_load;
mod programs;

pub(crate) use check::{Check, Status, render};
pub(crate) use install::install;
pub(crate) use of_tests::checks_of_tests;

/// Looks at everything; takes some two seconds.
pub fn run_checks() -> Vec<Check> {
    let mut checks = machine::checks();
    checks.extend(programs::checks());
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failing_line_says_what_to_do() {
        let checks = run_checks();
        assert!(checks.len() >= 10, "{checks:?}");
        for check in &checks {
            assert_eq!(
                check.status == Status::Ok,
                check.remedy.is_none(),
                "{check:?}"
            );
            assert!(!check.detail.contains('\n'), "{check:?}");
        }
        let lines = render(&checks);
        let failing = checks.iter().filter(|c| c.status != Status::Ok).count();
        assert_eq!(lines.len(), checks.len() + failing);
    }
}
