//! A demonstration's steps side by side.

use super::format::{count, duration, filled, rate, share};
use super::section::{Section, Table, cell};
use crate::record::CpuGroup;
use crate::stats::Stretch;

/// Columns and lines of the terminal that it fits.
const COLUMNS: usize = 80;
const LINES: usize = 24;

/// Why numbers are not to be quoted, in one line: the worst of what disturbed them, if anything did.
#[must_use]
pub fn disturbance(stretches: &[&Stretch], cores: usize) -> Option<String> {
    let most = |share: &dyn Fn(&Stretch) -> Option<f64>| {
        let shares = stretches.iter().filter_map(|s| share(s));
        shares.reduce(f64::max).map(|share| 100.0 * share)
    };
    let others = most(&|s| s.others(cores)).map(|p| {
        format!("Other programs used {p:.0} % of the machine: these numbers are not to be quoted.")
    });
    others.or_else(|| {
        let busy = most(&|s| s.saturated())?;
        Some(format!(
            "The machine was busy to {busy:.0} %: times include waits for the CPU."
        ))
    })
}

/// What the steps came to, and what it may not be used for, in 80 columns.
#[must_use]
pub fn steps_side_by_side(steps: &[Stretch], slow_over_ns: Option<u64>, cores: usize) -> String {
    let numbers = ["trans./s", "conn./s", "p50", "p99", "slow", "server CPU"];
    let mut table = Table::new(["step", "standing"], numbers);
    let of_server = [CpuGroup::Postmaster, CpuGroup::Backends, CpuGroup::Pooler];
    for step in steps {
        let time = |ns: Option<u64>| cell(ns.map(|ns| duration(ns as f64)));
        let used: Vec<&f64> = of_server.iter().filter_map(|g| step.cores.get(g)).collect();
        let used = (!used.is_empty()).then(|| used.into_iter().sum::<f64>());
        table.push(vec![
            step.arm.to_string(),
            count(u64::from(step.standing)),
            rate(step.transactions_per_second),
            rate(step.connections_per_second),
            time(step.p50_ns),
            time(step.p99_ns),
            cell(step.slow_share.map(share)),
            cell(used.map(|cores| format!("{:.0} %", 100.0 * cores))),
        ]);
    }
    let Some(section) = Section::table("The steps side by side", table, [""; 0]) else {
        return "Nothing was measured.\n".to_owned();
    };
    let slow = slow_over_ns.map_or_else(String::new, |ns| {
        format!(
            "slow: over {}, the p99 of the first step (first row). ",
            duration(ns as f64)
        )
    });
    let all: Vec<&Stretch> = steps.iter().collect();
    let caution = disturbance(&all, cores).map_or_else(String::new, |line| format!("{line} "));
    let notes = format!(
        "{caution}{slow}CPU: of one core. Changed settings have rows of their own. The steps ran one after another, not interleaved: this shows, and proves nothing.\nTo quote: procbench run churn-tail."
    );
    let table = section.fitting(COLUMNS, LINES.max(steps.len() + 10) - 6, steps.len());
    format!("{table}\n\n{}\n", filled(&notes, COLUMNS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::testing::sample_run;

    #[test]
    fn it_fits_a_small_terminal_and_says_what_it_is_not() {
        let run = sample_run(2);
        let level = run.levels()[0].clone();
        let blocks = run.blocks_of(Arm::Unpooled, false, &level);
        let step = Stretch::of(&blocks, Some(4_000)).unwrap();
        let text = steps_side_by_side(&vec![step.clone(); 7], Some(4_000), 2);
        assert!(text.lines().count() <= LINES, "{text}");
        assert!(text.lines().all(|l| l.chars().count() <= COLUMNS), "{text}");
        assert!(
            text.replace('\n', " ").contains("not interleaved") && text.contains("4.00 µs"),
            "{text}"
        );
        assert_eq!(text.matches("unpooled").count(), 7, "{text}");
        let many = steps_side_by_side(&vec![step.clone(); 20], None, 2);
        assert_eq!(many.matches("unpooled").count(), 20, "{many}");
        let disturbed = Stretch {
            own_cores: Some(0.6),
            machine_busy: Some(0.75),
            ..step
        };
        let text = steps_side_by_side(&[disturbed], None, 2);
        assert!(text.contains("Other programs used 45 % of the machine"));
        assert_eq!(steps_side_by_side(&[], None, 2), "Nothing was measured.\n");
    }
}
