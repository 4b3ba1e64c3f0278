//! The program under test as a child, watched from outside.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use procbench::record::{Run, read_run};

use super::place::{Place, children, program, send, start_ticks};
use super::terminal::Terminal;
use super::wanted;

/// Bound on every wait; generous, since the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(600);

/// Options of a short run of which nothing but the arms matters.
pub const SHORT: &str = "--standing 0 --starts 1 --blocks 6 --duration 600ms --warmup 20ms --readers 2 \
     --clients 2 --client-rate 20 --reader-rate 200 --keep-awake off";

/// Options of a run that is in its middle for long: blocks of 200 ms, hundreds of them.
pub const LONG: &str = "--standing 0 --starts 1 --blocks 150 --duration 30s --warmup 20ms --readers 2 \
     --clients 4 --pool-size 2 --client-rate 100 --reader-rate 200 --keep-awake off";

/// Waits until `ready` gives something.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A running procbench in a process group of its own.
pub struct Procbench<'a> {
    place: &'a Place,
    child: Child,
    owner: String,
    name: String,
    /// Shared memory of its servers.
    shm: BTreeSet<PathBuf>,
}

fn log_files(place: &Place, name: &str) -> (Stdio, Stdio) {
    let file = |suffix: &str| {
        let file = File::create(place.path(&format!("log/{name}.{suffix}")));
        Stdio::from(file.unwrap())
    };
    (file("stdout"), file("stderr"))
}

/// How it ended.
pub struct Ended {
    /// Exit code.
    pub code: Option<i32>,
    /// All it wrote.
    pub stdout: String,
    /// All it wrote.
    pub stderr: String,
}

impl<'a> Procbench<'a> {
    /// Starts `procbench server`, its output directory being `name` in `place`.
    pub fn start(
        place: &'a Place,
        name: &str,
        options: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let streams = log_files(place, name);
        Self::start_with(place, ("server", name), options, environment, streams)
    }

    /// Starts `procbench model`.
    pub fn start_model(place: &'a Place, name: &str, options: &str) -> Self {
        let streams = log_files(place, name);
        Self::start_with(place, ("model", name), options, &[], streams)
    }

    /// Starts `procbench run`.
    pub fn start_run(place: &'a Place, name: &str, options: &str) -> Self {
        let streams = log_files(place, name);
        Self::start_with(place, ("run", name), options, &[], streams)
    }

    /// As [`Procbench::start`], with both output streams closed at the other end, as when a terminal has
    /// gone away.
    pub fn start_unheard(place: &'a Place, name: &str, options: &str) -> Self {
        let unheard = || Stdio::from(std::io::pipe().unwrap().1);
        for stream in ["stdout", "stderr"] {
            fs::write(place.path(&format!("log/{name}.{stream}")), "").unwrap();
        }
        Self::start_with(
            place,
            ("server", name),
            options,
            &[],
            (unheard(), unheard()),
        )
    }

    /// Starts `procbench demo` without a terminal.
    pub fn demo(place: &'a Place, name: &str, options: &str) -> Self {
        let streams = log_files(place, name);
        Self::start_with(place, ("demo", name), options, &[], streams)
    }

    /// Starts `procbench demo` on a terminal; its stderr is apart from it.
    pub fn demo_on(
        terminal: &Terminal,
        (place, name): (&'a Place, &str),
        options: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let (_, stderr) = log_files(place, name);
        let streams = (terminal.stdio(), terminal.stdio(), stderr);
        Self::start_reading(place, ("demo", name), options, environment, streams)
    }

    fn start_with(
        place: &'a Place,
        what: (&str, &str),
        options: &str,
        environment: &[(&str, &str)],
        (stdout, stderr): (Stdio, Stdio),
    ) -> Self {
        let streams = (Stdio::null(), stdout, stderr);
        Self::start_reading(place, what, options, environment, streams)
    }

    fn start_reading(
        place: &'a Place,
        (mode, name): (&str, &str),
        options: &str,
        environment: &[(&str, &str)],
        (stdin, stdout, stderr): (Stdio, Stdio, Stdio),
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_procbench"));
        command
            .arg(mode)
            .args(options.split_ascii_whitespace())
            .arg("--out")
            .arg(place.path(name))
            .env("TMPDIR", place.tmp())
            .env("HOME", place.path("log"))
            .env("PATH", place.search_path())
            .env_remove("PGPASSWORD")
            .env_remove("PGPASSFILE")
            .envs(environment.iter().copied())
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        let child = command.spawn().unwrap();
        let pid = child.id();
        Procbench {
            place,
            child,
            owner: format!("{pid}-{}", start_ticks(pid)),
            name: name.to_owned(),
            shm: BTreeSet::new(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn said(&self, stream: &str) -> String {
        fs::read_to_string(self.place.path(&format!("log/{}.{stream}", self.name))).unwrap()
    }

    fn still_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended ({status}): {}", self.said("stderr"));
        }
    }

    /// Waits until it has said `text` on stderr.
    pub fn wait_until_it_says(&mut self, text: &str) {
        wait_for(&format!("'{text}'"), || {
            let said = self.said("stderr").contains(text);
            if !said {
                self.still_running();
            }
            said.then_some(())
        });
    }

    /// Its child with this program's name that serves: it works in the temp dir, which one that is only
    /// asked for its version does not.
    pub fn child_named(&mut self, name: &str) -> u32 {
        let tmp = self.place.tmp();
        wait_for(name, || {
            self.still_running();
            children(self.pid()).into_iter().find(|pid| {
                let cwd = fs::read_link(format!("/proc/{pid}/cwd"));
                program(*pid) == name && cwd.is_ok_and(|cwd| cwd.starts_with(&tmp))
            })
        })
    }

    /// Waits until several blocks have been measured, and the next is under way: longer than blocks of
    /// churn take in which so many backends are forked. Returns the postmaster.
    pub fn wait_until_mid_run(&mut self) -> u32 {
        // Printed when the server of the blocks is there, and its connections are open.
        self.wait_until_it_says(": 0/");
        let postmaster = if wanted::docker_selected() && !self.containers().is_empty() {
            self.container_pid("postgres")
        } else {
            self.child_named("postgres")
        };
        // A block of LONG has 22 on average.
        self.wait_until_forked(postmaster, 30);
        postmaster
    }

    /// Waits until a server has forked more than this many backends from now on.
    pub fn wait_until_forked(&mut self, postmaster: u32, count: usize) {
        self.note_shared_memory(postmaster);
        let at_first: BTreeSet<u32> = children(postmaster).into_iter().collect();
        let mut forked = BTreeSet::new();
        wait_for("churn", || {
            self.still_running();
            let now = children(postmaster);
            forked.extend(now.into_iter().filter(|p| !at_first.contains(p)));
            (forked.len() > count).then_some(())
        });
    }

    fn note_shared_memory(&mut self, pid: u32) {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        if self.containers().is_empty() {
            let files = maps
                .lines()
                .filter_map(|l| l.split_once("/dev/shm/PostgreSQL."));
            self.shm
                .extend(files.map(|(_, n)| PathBuf::from(format!("/dev/shm/PostgreSQL.{n}"))));
        }
    }

    /// Names of its containers, running or not.
    pub fn containers(&self) -> Vec<String> {
        if !wanted::docker_selected() {
            return Vec::new();
        }
        let filter = format!("name=^procbench-{}-", self.owner);
        docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The container whose first process is this program, with its pid.
    pub fn container_of(&self, wanted: &str) -> (String, u32) {
        let found = self.containers().into_iter().find_map(|name| {
            let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &name]);
            let pid = pid.trim().parse().unwrap();
            (program(pid) == wanted).then_some((name, pid))
        });
        found.unwrap_or_else(|| panic!("no container of {wanted}"))
    }

    fn container_pid(&self, wanted: &str) -> u32 {
        self.container_of(wanted).1
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Sends a signal as the terminal does: to the whole foreground process group.
    pub fn signal_group(&self, signal: Signal) {
        killpg(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> Ended {
        let status = wait_for("the end", || self.child.try_wait().unwrap());
        let ended = Ended {
            code: status.code(),
            stdout: self.said("stdout"),
            stderr: self.said("stderr"),
        };
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    /// The run file, as another command would read it.
    pub fn run(&self) -> Run {
        read_run(&self.place.path(&self.name)).unwrap()
    }

    /// Nothing was measured: one line says why, and there is no directory.
    pub fn assert_nothing_kept(&self, says: &str) {
        let said = self.said("stderr");
        let lines: Vec<&str> = said
            .lines()
            .filter(|l| l.contains("nothing was measured"))
            .collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].contains(says), "'{says}' in: {said}");
        assert!(!self.place.path(&self.name).exists(), "{said}");
        self.assert_nothing_left();
    }

    /// No process, container, directory, socket or shared memory of it is left.
    pub fn assert_nothing_left(&self) {
        assert_eq!(self.place.in_tmp(), Vec::<String>::new());
        assert_eq!(self.containers(), Vec::<String>::new());
        assert_eq!(self.place.processes(), []);
        for file in &self.shm {
            assert!(!file.exists(), "{} is left", file.display());
        }
    }
}

impl Drop for Procbench<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for name in self.containers() {
            docker(&["rm", "--force", "--volumes", &name]);
        }
    }
}

/// The real `docker`, whatever stands in for it before the program under test.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

impl Ended {
    /// Exit code, with all it said when it is another one.
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// The run is partial, says why in one line, and its counts are conserved.
pub fn assert_partial(run: &Run, says: &str) {
    let reason = run.partial_reason().expect("partial");
    assert!(
        reason.contains(says) && !reason.contains('\n'),
        "'{says}' in: {reason}"
    );
    assert_conserved(run);
}

/// Everything scheduled is in exactly one place, in every block.
pub fn assert_conserved(run: &Run) {
    for block in &run.blocks {
        for (role, tally) in &block.tallies {
            assert!(tally.is_conserved(), "{} {role:?}: {tally:?}", block.index);
        }
    }
}

/// Blocks that were measured before the trouble are there, whole and without a trace of it.
pub fn assert_earlier_blocks_whole(run: &Run) {
    assert!(
        run.blocks.len() >= 2,
        "{} blocks: nothing was measured before",
        run.blocks.len()
    );
    for (position, block) in run.blocks.iter().enumerate() {
        assert_eq!(block.index as usize, position, "in order, none left out");
        for (role, tally) in &block.tallies {
            assert_eq!(tally.error_count(), 0, "{role:?}: {tally:?}");
            assert_eq!(tally.cut_off, 0, "{role:?}: {tally:?}");
        }
        let readers = &block.tallies[&procbench::record::Role::Reader];
        assert!(readers.recorded > 0, "{readers:?}");
    }
}
