//! Reading and writing run files. Written atomically: a reader sees all or nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::run::{Run, SCHEMA_VERSION};
use crate::console::detail;

/// Name of the run file in its directory.
pub const RUN_FILE_NAME: &str = "run.json";

/// A run file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// The file system refused.
    #[error("cannot {action} {}: {problem}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's error; not a source, since the text has it.
        problem: std::io::Error,
    },
    /// Not JSON, or not a run.
    #[error("{} is not a run file: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by another version of the layout.
    #[error(
        "{} has schema version {found}, this procbench reads version {read}: use the procbench that wrote it",
        path.display()
    )]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// The version it states.
        found: u64,
        /// The version that is read.
        read: u32,
    },
    /// No run file in the directory.
    #[error("there is no {RUN_FILE_NAME} in or below {}", .0.display())]
    NoRuns(PathBuf),
}

/// For `map_err`: what could not be done, and where.
fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RunFileError {
    let path = path.to_owned();
    move |problem| RunFileError::Io {
        action,
        path,
        problem,
    }
}

/// For `map_err`: the run file at `path` is none.
fn malformed(path: &Path) -> impl FnOnce(serde_json::Error) -> RunFileError {
    move |problem| RunFileError::Malformed {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

/// Writes `contents` to `path` through a temporary file in the same directory,
/// so that an interruption leaves the old file or the new one, never half of it.
///
/// # Errors
/// When the directory is not writable or the disk is full.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), RunFileError> {
    let dir = path
        .parent()
        .filter(|d| !d.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(io("create", dir))?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(io("write in", dir))?;
    file.write_all(contents).map_err(io("write", path))?;
    file.as_file().sync_all().map_err(io("write", path))?;
    file.persist(path).map_err(|e| io("write", path)(e.error))?;
    detail(&format!("procbench: wrote {}", path.display()));
    Ok(())
}

/// Writes `run` to `dir/run.json`; returns the path.
///
/// # Errors
/// When the file cannot be written.
pub fn write_run(dir: &Path, run: &Run) -> Result<PathBuf, RunFileError> {
    write_json(dir, RUN_FILE_NAME, serde_json::to_vec(run))
}

/// Writes JSON to a file in `dir`, with a line's end; returns the path.
///
/// # Errors
/// When there is none, or the file cannot be written.
pub fn write_json(
    dir: &Path,
    name: &str,
    json: serde_json::Result<Vec<u8>>,
) -> Result<PathBuf, RunFileError> {
    let path = dir.join(name);
    let mut json = json.map_err(malformed(&path))?;
    json.push(b'\n');
    write_atomically(&path, &json)?;
    Ok(path)
}

/// Reads a run from a file, or from `run.json` in a directory.
///
/// # Errors
/// When it is missing, not a run, or of another schema version.
pub fn read_run(path: &Path) -> Result<Run, RunFileError> {
    let path = if path.is_dir() {
        path.join(RUN_FILE_NAME)
    } else {
        path.to_owned()
    };
    read_json(&path, SCHEMA_VERSION)
}

/// Reads JSON of one version of its layout.
///
/// # Errors
/// When the file is missing, not JSON of that shape, or of another version.
pub fn read_json<T: DeserializeOwned>(path: &Path, schema: u32) -> Result<T, RunFileError> {
    let text = std::fs::read_to_string(path).map_err(io("read", path))?;
    // The version is looked at alone first: the rest of another layout need not parse.
    #[derive(serde::Deserialize)]
    struct Version {
        schema_version: u64,
    }
    let version: Version = serde_json::from_str(&text).map_err(malformed(path))?;
    if version.schema_version != u64::from(schema) {
        return Err(RunFileError::OtherSchema {
            path: path.to_owned(),
            found: version.schema_version,
            read: schema,
        });
    }
    serde_json::from_str(&text).map_err(malformed(path))
}

/// Every run file in or below `dir`, sorted by path.
///
/// # Errors
/// When `dir` cannot be read or holds none.
pub fn find_runs(dir: &Path) -> Result<Vec<PathBuf>, RunFileError> {
    let found = files_named(dir, RUN_FILE_NAME)?;
    match found.is_empty() {
        true => Err(RunFileError::NoRuns(dir.to_owned())),
        false => Ok(found),
    }
}

/// Every file of this name in or below `dir`, sorted by path; `dir` itself if it is a file.
///
/// # Errors
/// When a directory cannot be read.
pub fn files_named(dir: &Path, name: &str) -> Result<Vec<PathBuf>, RunFileError> {
    fn walk(dir: &Path, name: &str, found: &mut Vec<PathBuf>) -> Result<(), RunFileError> {
        for entry in std::fs::read_dir(dir).map_err(io("read", dir))? {
            let path = entry.map_err(io("read", dir))?.path();
            if path.is_dir() {
                walk(&path, name, found)?;
            } else if path.file_name().is_some_and(|n| n == name) {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    if dir.is_file() {
        found.push(dir.to_owned());
    } else {
        walk(dir, name, &mut found)?;
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn a_run_round_trips_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let run = sample_run(3);
        let path = write_run(dir.path(), &run).unwrap();
        assert_eq!(read_run(&path).unwrap(), run);
        assert_eq!(read_run(dir.path()).unwrap(), run);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(find_runs(dir.path()).unwrap(), [path]);
    }

    #[test]
    fn unknown_factors_are_ignored_and_other_schemas_refused() {
        let dir = tempfile::tempdir().unwrap();
        let run = sample_run(2);
        let path = write_run(dir.path(), &run).unwrap();
        let mut json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        json["blocks"][0]["factors"]["moon_phase"] = "full".into();
        std::fs::write(&path, json.to_string()).unwrap();
        assert_eq!(read_run(&path).unwrap(), run);

        json["schema_version"] = 999.into();
        json["blocks"] = "of another shape".into();
        std::fs::write(&path, json.to_string()).unwrap();
        let error = read_run(&path).unwrap_err();
        assert!(
            matches!(error, RunFileError::OtherSchema { found: 999, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_truncated_file_is_one_clear_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_run(dir.path(), &sample_run(2)).unwrap();
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        let message = read_run(&path).unwrap_err().to_string();
        assert!(
            message.contains("not a run file") && !message.contains('\n'),
            "{message}"
        );
    }

    proptest::proptest! {
        /// A run file that was damaged is refused in words, or read.
        #[test]
        fn no_damage_makes_the_reader_panic(
            at in 0..100_000usize,
            cut in 0..40usize,
            put in "[0-9a-z\\[\\]{}\",:.-]{0,6}",
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = write_run(dir.path(), &sample_run(2)).unwrap();
            let mut text = std::fs::read(&path).unwrap();
            let at = at % text.len();
            let end = (at + cut).min(text.len());
            text.splice(at..end, put.bytes());
            std::fs::write(&path, &text).unwrap();
            if let Err(refused) = read_run(&path) {
                let told = refused.to_string();
                assert!(told.contains("run.json") && !told.contains('\n'), "{told}");
            }
        }
    }
}
