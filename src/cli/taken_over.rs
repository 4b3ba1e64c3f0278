//! Runs that are there already, taken over instead of measured again.

use std::path::Path;

use super::measure::Measured;
use crate::config::Config;
use crate::record::{Provenance, RUN_FILE_NAME, Run, RunStatus, read_run};
use crate::stats::summarize;

/// The run in `dir`, if it is complete and answers to the same request on the same machine by the same
/// build; says on stderr what becomes of it.
pub(super) fn take_over(name: &str, config: &Config, dir: &Path) -> Option<Measured> {
    let path = dir.join(RUN_FILE_NAME);
    if !path.exists() {
        return None;
    }
    let run = match read_run(&path) {
        Ok(run) => run,
        Err(e) => {
            crate::console::tell(&format!("procbench: measured again: {e}"));
            return None;
        }
    };
    match why_not(&run, name, config) {
        None => {
            crate::console::tell(&format!(
                "procbench: {name} {}: taken over, run {} of {} is complete",
                run.mode, run.run_id, run.started_at
            ));
            let summary = summarize(&run);
            Some(Measured { run, summary })
        }
        Some(reason) => {
            crate::console::tell(&format!(
                "procbench: {name} {}: measured again: {reason}",
                config.mode
            ));
            None
        }
    }
}

/// Why a stored run cannot stand for the one that is asked for.
fn why_not(run: &Run, name: &str, config: &Config) -> Option<String> {
    let here = Provenance::collect();
    let there = &run.provenance;
    if let RunStatus::Partial { reason } = &run.status {
        return Some(format!("the run there is partial: {reason}"));
    }
    if run.experiment != name || run.config != *config {
        return Some("the run there was asked for in another way".to_owned());
    }
    if (&there.tool_revision, there.debug_build) != (&here.tool_revision, here.debug_build) {
        return Some(format!(
            "the run there is by another build ({}, this is {})",
            there.tool_revision, here.tool_revision
        ));
    }
    if (&there.cpu_model, there.cores, &there.kernel) != (&here.cpu_model, here.cores, &here.kernel)
    {
        return Some("the run there is from another machine".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn only_a_complete_run_of_the_same_request_is_taken_over() {
        let mut run = sample_run(2);
        run.provenance = Provenance::collect();
        let (name, config) = (run.experiment.clone(), run.config.clone());
        assert_eq!(why_not(&run, &name, &config), None);
        let mut other = config.clone();
        other.seed += 1;
        assert!(
            why_not(&run, &name, &other)
                .unwrap()
                .contains("another way")
        );
        let mut elsewhere = run.clone();
        elsewhere.provenance.cores += 1;
        assert!(
            why_not(&elsewhere, &name, &config)
                .unwrap()
                .contains("machine")
        );
        run.status = RunStatus::Partial {
            reason: "interrupted".to_owned(),
        };
        assert!(
            why_not(&run, &name, &config)
                .unwrap()
                .contains("interrupted")
        );
    }
}
