use super::*;
use std::io::Read;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};

fn division(allowed: &[usize], reader_threads: usize) -> (String, String) {
    let (readers, others) = divide(allowed, reader_threads).unwrap();
    (in_words(&readers), in_words(&others))
}

#[test]
fn readers_get_a_core_for_each_thread_and_at_most_half() {
    let words = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    assert_eq!(division(&[0, 1], 1), words(("0", "1")));
    assert_eq!(division(&[0, 1], 2), words(("0", "1")));
    assert_eq!(division(&[0, 1, 2], 3), words(("0", "1,2")));
    assert_eq!(division(&[2, 3, 5, 7], 4), words(("2,3", "5,7")));
    assert_eq!(division(&[0, 1, 2, 3, 4, 5], 1), words(("0", "1,2,3,4,5")));
    for few in [&[][..], &[3]] {
        let refusal = divide(few, 1).unwrap_err();
        assert!(refusal.contains("at least two cores"), "{refusal}");
    }
}

fn allowed_list(pid: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

/// A shell is the postmaster, two children of it the backends.
#[test]
fn what_is_moved_elsewhere_is_found_and_own_threads_come_back() {
    let before = allowed().unwrap();
    if before.len() < 2 {
        return;
    }
    let script = "sleep 60 & sleep 60 & echo; wait";
    let mut shell = Command::new("sh");
    let mut shell = shell
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = shell.stdout.as_mut().unwrap().read_exact(&mut [0]);
    ready.unwrap();
    let [reader, other] = procfs::children(shell.id()).unwrap()[..] else {
        panic!("not two children");
    };
    let name = i32::try_from(reader).unwrap();

    let cores = Cores::isolate(Some(shell.id()), 1).unwrap();
    for pid in [shell.id(), reader, other] {
        assert_eq!(allowed_list(pid), listed(&cores.others));
    }
    assert_ne!(allowed().unwrap(), before);
    let lost = cores.check_reader(&[]).unwrap_err();
    assert!(lost.contains("a reader's thread"), "{lost}");
    cores.take_this_thread().unwrap();
    cores.take_backends(&[name]).unwrap();
    assert_eq!(allowed_list(reader), listed(&cores.readers));
    cores.check_reader(&[name]).unwrap();
    let lost = cores.check_reader(&[name, 1]).unwrap_err();
    assert!(lost.contains("process 1 "), "{lost}");
    cores.check().unwrap();

    for (pid, set) in [(reader, &cores.readers), (other, &cores.others)] {
        move_to(pid, &cores.all).unwrap();
        let lost = cores.check().unwrap_err();
        assert!(lost.contains(&format!("process {pid} ")), "{lost}");
        move_to(pid, set).unwrap();
        cores.check().unwrap();
    }
    let helper = std::process::id();
    cores.move_helpers([None, Some(helper)]).unwrap();
    cores.check().unwrap();
    move_to(helper, &cores.all).unwrap();
    assert!(
        cores
            .check()
            .unwrap_err()
            .contains(&format!("process {helper} "))
    );

    drop(cores);
    assert_eq!(allowed().unwrap(), before);
    for pid in [reader, other] {
        kill(nix::unistd::Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
    }
    shell.wait().unwrap();
}

/// As the kernel writes it.
fn listed(set: &CpuSet) -> String {
    let cores = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core));
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for core in cores {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == core => *end = core,
            _ => runs.push((core, core)),
        }
    }
    let run = |&(from, to): &(usize, usize)| match from == to {
        true => from.to_string(),
        false => format!("{from}-{to}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

#[test]
fn what_cannot_be_seen_is_refused_in_one_line() {
    let refusal = Cores::isolate(None, 1).unwrap_err();
    assert!(refusal.contains("cannot be seen") && !refusal.contains('\n'));
}
