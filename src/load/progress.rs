//! Progress with time left, on stderr. Where stderr is not a terminal: one line
//! every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::{Talk, talks, tell};

/// Where progress goes. Never called while a block is being measured.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Whether lines stand in for the bar.
    plain: bool,
    last_line: Option<Instant>,
}

/// Between two of those lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// Progress on stderr; none where nothing is to be told.
    pub fn stderr() -> Self {
        let mut progress = Self::silent();
        if !talks(Talk::Usual) {
            return progress;
        }
        let terminal = std::io::stderr().is_terminal();
        progress.plain = !terminal;
        if terminal {
            progress.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        progress
    }

    /// No output at all (tests, library use).
    pub fn silent() -> Self {
        Progress {
            bar: ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden()),
            plain: false,
            last_line: None,
        }
    }

    /// Prints one line, such as which server was taken and why.
    pub fn say(&self, line: &str) {
        if self.plain {
            tell(line);
        } else {
            self.bar.println(line);
        }
    }

    /// Starts counting `blocks` blocks.
    pub fn begin(&mut self, what: &str, blocks: u64) {
        self.bar.set_length(blocks);
        self.bar.set_position(0);
        self.bar.reset();
        self.bar.set_prefix(what.to_owned());
        self.style("{elapsed} gone");
    }

    /// One line: the next block is named as far as the terminal is wide.
    fn style(&self, time: &str) {
        let template =
            format!("{{prefix}} [{{bar:12}}] {{pos}}/{{len}} blocks, {time}  {{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    /// So many blocks are done; `next` names the following one.
    pub fn step(&mut self, done: u64, next: &str) {
        self.bar.set_position(done);
        // Before the first block nothing is known of the time.
        if done > 0 {
            self.style("about {eta} left");
        }
        self.bar.set_message(next.to_owned());
        if talks(Talk::Verbose) {
            self.say(&format!("procbench: block {}: {next}", done + 1));
        }
        if self.plain && self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            let of = self.bar.length().unwrap_or(done);
            let gone_s = self.bar.elapsed().as_secs_f64();
            let left = match done {
                0 => String::new(),
                done => {
                    let left_s = gone_s * (of - done) as f64 / done as f64;
                    format!(", about {left_s:.0} s left")
                }
            };
            let what = self.bar.prefix();
            tell(&format!("{what}: {done}/{of} blocks{left}"));
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
