//! Runs that are there already, taken over instead of measured again.

use std::path::{Path, PathBuf};

use super::outcome::CommandError;
use crate::config::Config;
use crate::console::tell;
use crate::experiment::analyse;
use crate::record::{Provenance, RUN_FILE_NAME, Run, RunStatus, read_run};
use crate::stats::Analysis;

/// The run in `dir`, if it is complete and answers to the same request on the same machine by the same
/// build; says on stderr what becomes of it. Another run that is there is set aside, not overwritten.
///
/// # Errors
/// When it cannot be set aside.
pub(super) fn take_over(
    name: &str,
    config: &Config,
    dir: &Path,
) -> Result<Option<Analysis>, CommandError> {
    let path = dir.join(RUN_FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let (id, reason) = match read_run(&path) {
        Ok(run) => match why_not(&run, &Provenance::collect(), name, config) {
            None => {
                tell(&format!(
                    "procbench: {name} {}: taken over, run {} of {} is complete",
                    run.mode, run.run_id, run.started_at
                ));
                return Ok(Some(analyse(&run)));
            }
            Some(reason) => (run.head.run_id, reason),
        },
        Err(e) => ("unreadable".to_owned(), e.to_string()),
    };
    let aside = aside(dir, &id);
    std::fs::rename(dir, &aside).map_err(|e| {
        CommandError::Request(format!(
            "{} cannot be set aside as {}: {e}",
            dir.display(),
            aside.display()
        ))
    })?;
    tell(&format!(
        "procbench: {name} {}: measured again: {reason}; what was there is in {}",
        config.mode,
        aside.display()
    ));
    Ok(None)
}

/// A free name beside `dir` for the run that was in it.
fn aside(dir: &Path, id: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let mut free = dir.with_file_name(format!("{name}.before-{id}"));
    for n in 2.. {
        if !free.exists() {
            break;
        }
        free.set_file_name(format!("{name}.before-{id}-{n}"));
    }
    free
}

/// Why a stored run cannot stand for the one that is asked for.
fn why_not(run: &Run, here: &Provenance, name: &str, config: &Config) -> Option<String> {
    let there = &run.provenance;
    if let RunStatus::Partial { reason } = &run.status {
        return Some(format!("the run there is partial: {reason}"));
    }
    if run.experiment != name || run.config != *config {
        return Some("the run there was asked for in another way".to_owned());
    }
    let revision = &here.tool_revision;
    if revision.ends_with("-dirty") || revision == "unknown" {
        return Some(format!(
            "this build is not of a commit ({revision}), so nothing says that the two are the same"
        ));
    }
    if !run.absent_levels.is_empty() {
        return Some("levels were absent there, and may be available now".to_owned());
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
    fn only_a_complete_run_of_the_same_request_build_and_machine_is_taken_over() {
        let mut here = Provenance::collect();
        here.tool_revision = "0123456789ab".to_owned();
        let mut run = sample_run(2);
        run.provenance = here.clone();
        let asked = run.config.clone();
        let name = run.experiment.clone();
        assert_eq!(why_not(&run, &here, &name, &asked), None);
        assert!(why_not(&run, &here, "another", &asked).is_some());

        let reason = |change: fn(&mut Run, &mut Provenance, &mut Config)| {
            let (mut run, mut here, mut asked) = (run.clone(), here.clone(), asked.clone());
            change(&mut run, &mut here, &mut asked);
            why_not(&run, &here, &name, &asked).unwrap()
        };
        assert!(reason(|_, _, asked| asked.seed += 1).contains("another way"));
        let dirty = reason(|_, here, _| here.tool_revision.push_str("-dirty"));
        assert!(dirty.contains("not of a commit"));
        let build = reason(|_, here, _| here.debug_build = !here.debug_build);
        assert!(build.contains("another build"));
        assert!(reason(|_, here, _| here.cores += 1).contains("another machine"));
        let partial = reason(|run, _, _| {
            run.status = RunStatus::Partial {
                reason: "interrupted".to_owned(),
            };
        });
        assert!(partial.contains("interrupted"));
    }

    #[test]
    fn a_run_that_does_not_fit_is_set_aside_and_not_lost() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("server");
        let mut run = sample_run(2);
        run.provenance = Provenance::collect();
        crate::record::write_run(&dir, &run).unwrap();
        let mut other = run.config.clone();
        other.seed += 1;
        for aside in ["", "-2"] {
            let name = format!("server.before-{}{aside}", run.run_id);
            assert!(take_over(&run.experiment, &other, &dir).unwrap().is_none());
            assert!(!dir.exists());
            let kept = place.path().join(name).join(RUN_FILE_NAME);
            assert_eq!(read_run(&kept).unwrap().run_id, run.run_id);
            crate::record::write_run(&dir, &run).unwrap();
        }
    }
}
