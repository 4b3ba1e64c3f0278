//! Searches, each in a process of its own: a checker may abort where it finds something.

use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One search.
pub struct Job {
    /// Its name; also the argument that makes the process do it.
    pub name: &'static str,
    /// Explores; panics or aborts where something is found.
    pub explore: fn(),
    /// None for what must pass; a word of the report for what must be caught.
    pub must_find: Option<&'static str>,
}

impl Job {
    /// A search that must find nothing.
    pub fn passes(name: &'static str, explore: fn()) -> Self {
        Self {
            name,
            explore,
            must_find: None,
        }
    }

    /// A search that must find a planted bug, and say this word about it.
    pub fn caught(name: &'static str, explore: fn(), word: &'static str) -> Self {
        Self {
            name,
            explore,
            must_find: Some(word),
        }
    }
}

/// The main function of a test program: without a job's name as its argument, all jobs in
/// child processes, one a core, a line for each; then says whether all came out as they must.
pub fn main(jobs: &[Job]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(job) = jobs
        .iter()
        .find(|job| arguments.iter().any(|a| a == job.name))
    {
        (job.explore)();
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--list") {
        jobs.iter().for_each(|job| println!("{}: test", job.name));
        return ExitCode::SUCCESS;
    }
    // As libtest: a word chooses the jobs that hold it.
    let chosen: Vec<&Job> = jobs
        .iter()
        .filter(|job| {
            let words = arguments.iter().filter(|a| !a.starts_with('-'));
            words.clone().count() == 0 || words.into_iter().any(|word| job.name.contains(word))
        })
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(job) = chosen.get(next.fetch_add(1, Relaxed)) {
                    if let Err(why) = carry_out(job) {
                        println!("{}: WRONG: {why}", job.name);
                        wrong.lock().unwrap().push(job.name);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!(
        "{} of {} searches came out as they must",
        chosen.len() - wrong.len(),
        chosen.len()
    );
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn carry_out(job: &Job) -> Result<(), String> {
    let begun = std::time::Instant::now();
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new(this)
        .arg(job.name)
        .env("RUST_BACKTRACE", "0")
        .output()
        .map_err(|e| e.to_string())?;
    let report = String::from_utf8_lossy(&output.stderr);
    let seconds = begun.elapsed().as_secs_f64();
    match job.must_find {
        None if output.status.success() => {
            println!("{}: passed, {seconds:.1} s", job.name);
            Ok(())
        }
        None => Err(report.into_owned()),
        Some(_) if output.status.success() => Err("the planted bug is not caught".to_owned()),
        Some(word) if report.contains(word) => {
            let said = report
                .lines()
                .find(|line| line.contains(word))
                .unwrap_or_default();
            println!("{}: caught, {seconds:.1} s: {said}", job.name);
            Ok(())
        }
        Some(word) => Err(format!("caught, but not for \"{word}\": {report}")),
    }
}
