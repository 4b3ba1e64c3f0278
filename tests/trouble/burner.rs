//! The helper of `cpu-burn` by itself: the bursts of its children, and what it leaves.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::place::{children, state};
use crate::procbench_process::wait_for;

const MS: u64 = 1_000_000;

/// What each child is asked to use, in ns: far more than what it needs for fork, talk and exit.
const BURSTS: [u64; 3] = [20 * MS, 30 * MS, 40 * MS];

struct Helper {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_procbench"))
            .arg("__burner")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut helper = Helper { child, answers };
        assert_eq!(helper.line(), "ready\n");
        helper
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    /// Children forked, CPU of the helper, CPU of the children; from now on it uses `parent_ns` per fork.
    fn account(&mut self, parent_ns: u64) -> [u64; 3] {
        let requests = self.child.stdin.as_mut().unwrap();
        requests.write_all(&parent_ns.to_le_bytes()).unwrap();
        let line = self.line();
        let numbers = line.split_ascii_whitespace().map(|n| n.parse().unwrap());
        numbers.collect::<Vec<u64>>().try_into().unwrap()
    }

    /// A client whose child has ended its first burst, and that child.
    fn connect(&self) -> (UnixStream, u32) {
        let before = children(self.child.id());
        let name = format!("procbench-burner-{}", self.child.id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let mut client = UnixStream::connect_addr(&address).unwrap();
        client
            .write_all(&BURSTS.map(u64::to_le_bytes).concat())
            .unwrap();
        assert_eq!(answer(&mut client), Some(b'.'));
        let now = children(self.child.id());
        let new: Vec<u32> = now.into_iter().filter(|c| !before.contains(c)).collect();
        assert_eq!(new.len(), 1, "{new:?}");
        (client, new[0])
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the child says; `None` at its end.
fn answer(client: &mut UnixStream) -> Option<u8> {
    let mut byte = [0];
    (client.read(&mut byte).unwrap() > 0).then_some(byte[0])
}

/// CPU that a process has used once it sleeps, in ns.
fn used_when_asleep(pid: u32) -> u64 {
    wait_for("its sleep", || (state(pid).unwrap() == 'S').then_some(()));
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_child_uses_its_cpu_in_three_bursts_and_sleeps_until_its_client_asks() {
    const PARENT_NS: u64 = 10 * MS;
    let [first, second, third] = BURSTS;
    let mut helper = Helper::start();
    let [forked, parent_before, _] = helper.account(PARENT_NS);
    assert_eq!(forked, 0);
    let (mut client, child) = helper.connect();
    // The other one waits all the while, and is not served in its place.
    let (mut other, of_other) = helper.connect();
    assert_ne!(child, of_other);
    let after_first = used_when_asleep(child);
    assert!(
        (first..first + second).contains(&after_first),
        "{after_first}"
    );
    client.write_all(b"n").unwrap();
    assert_eq!(answer(&mut client), Some(b'.'));
    let after_second = used_when_asleep(child);
    let expected = first + second..first + second + third;
    assert!(expected.contains(&after_second), "{after_second}");
    client.write_all(b"n").unwrap();
    // The last burst has no answer but the end.
    assert_eq!(answer(&mut client), None);
    assert!(used_when_asleep(of_other) < first + second);
    for _ in 0..2 {
        other.write_all(b"n").unwrap();
    }
    assert_eq!(answer(&mut other), Some(b'.'));
    assert_eq!(answer(&mut other), None);
    let [forked, parent, children_ns] = helper.account(0);
    assert_eq!(forked, 2);
    // Each process uses its own part: the helper before each fork, the children all of their bursts.
    assert!(parent - parent_before >= 2 * PARENT_NS, "{parent}");
    assert!(children_ns >= 2 * (first + second + third), "{children_ns}");
    assert!(children(helper.child.id()).is_empty());
}

#[test]
fn a_child_ends_with_its_client_and_uses_no_more_cpu() {
    let mut helper = Helper::start();
    let (client, _) = helper.connect();
    drop(client);
    // It waits for the child.
    let [forked, _, children_ns] = helper.account(0);
    assert_eq!(forked, 1);
    assert!(children_ns < BURSTS[0] + BURSTS[1], "{children_ns}");
    assert!(children(helper.child.id()).is_empty());
}

#[test]
fn no_child_outlives_the_helper() {
    let mut helper = Helper::start();
    let (mut client, child) = helper.connect();
    drop(helper.child.stdin.take());
    assert!(helper.child.wait().unwrap().success());
    assert_eq!(answer(&mut client), None);
    wait_for("its end", || {
        state(child).is_none_or(|s| s == 'Z').then_some(())
    });
}
