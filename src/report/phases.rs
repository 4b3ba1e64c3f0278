//! What connections are made of, as tables: every phase at every level, and the server's own account.

use itertools::Itertools;

use super::export::csv_line;
use super::format::{count, duration, interval};
use super::level_title::level_title;
use super::section::{Section, Table, cell};
use crate::factor::Factor;
use crate::stats::{Analysis, Anatomy, ConnectionPhase, Estimate, SetupAccount};

/// Said once, below the first table.
const NOTE: &str = "Times are by the client's clock. Means add up to the whole, percentiles do not. Where the server logged its own account of the same connections it stands below.";

/// A table for each arm and level; none for experiments of other kinds.
pub(super) fn phase_tables(analysis: &Analysis) -> Vec<Section> {
    let sections = analysis.anatomies.iter().filter_map(|anatomy| {
        let level = level_title(&anatomy.factors, &analysis.varying);
        let caption = format!("Phases of a connection, {level}, {}", anatomy.arm);
        Section::table(caption, table(anatomy), notes(anatomy))
    });
    let mut sections = sections.collect_vec();
    if let Some(first) = sections.first_mut() {
        first.notes.push(NOTE.to_owned());
    }
    sections
}

fn notes(anatomy: &Anatomy) -> Vec<String> {
    let cpu = anatomy.server_cpu_ns.map(duration);
    let cpu = cpu.map(|cpu| format!("Server CPU: {cpu} per connection."));
    let struck = anatomy.struck.iter().map(|why| format!("[x] {why}"));
    let cautions = anatomy.cautions.iter().map(|why| format!("† {why}"));
    cpu.into_iter().chain(struck).chain(cautions).collect()
}

/// The server's account by its parts, the total last.
pub(super) fn setup_parts(account: &SetupAccount) -> [(&'static str, Estimate); 4] {
    [
        ("server: fork", account.fork),
        ("server: authentication", account.authentication),
        ("server: rest of setup", account.rest),
        ("server: setup total", account.total),
    ]
}

fn table(anatomy: &Anatomy) -> Table {
    let mut table = Table::new(
        ["phase"],
        [
            "connections",
            "mean (95 %)",
            "of the whole",
            "p50 (95 %)",
            "p99 (95 %)",
        ],
    );
    let whole = anatomy.mean(ConnectionPhase::Whole).map(|e| e.value_ns);
    let mut push = |name: &str, samples, mean: Estimate, percentiles: [Option<Estimate>; 2]| {
        let share = whole.map(|whole| format!("{:.1} %", 100.0 * mean.value_ns / whole));
        let mean = interval(mean, duration);
        let mut row = vec![name.to_owned(), count(samples), mean, cell(share)];
        row.extend(percentiles.map(|p| cell(p.map(|e| interval(e, duration)))));
        table.push(row);
    };
    for p in &anatomy.phases {
        push(p.phase.name(), p.samples, p.mean, [p.p50, p.p99]);
    }
    if let Some(account) = &anatomy.server {
        for (name, mean) in setup_parts(account) {
            push(name, account.connections, mean, [None, None]);
        }
    }
    table
}

/// Every number of the tables, a line each.
pub(super) fn phase_csv(analysis: &Analysis) -> String {
    let factors = Factor::all().map(Factor::key).collect_vec().join(",");
    let mut csv = format!(
        "{factors},arm,phase,connections,statistic,value_ns,low_ns,high_ns,adds_up,struck\n"
    );
    for anatomy in &analysis.anatomies {
        let mut line = |phase: &str, samples: u64, statistic: &str, e: Estimate, adds_up: bool| {
            let value = |f| anatomy.factors.get(f).unwrap_or_default();
            let mut fields = Factor::all().map(value).collect_vec();
            fields.extend([anatomy.arm.name(), phase].map(str::to_owned));
            fields.extend([samples.to_string(), statistic.to_owned()]);
            fields.extend([e.value_ns, e.low_ns, e.high_ns].map(|ns| format!("{ns:.0}")));
            fields.push(adds_up.to_string());
            fields.push(anatomy.struck.clone().unwrap_or_default());
            csv += &csv_line(&fields);
        };
        for p in &anatomy.phases {
            let statistics = [("mean", Some(p.mean)), ("p50", p.p50), ("p99", p.p99)];
            for (statistic, estimate) in statistics {
                if let Some(e) = estimate {
                    line(p.phase.name(), p.samples, statistic, e, p.adds_up);
                }
            }
        }
        if let Some(account) = &anatomy.server {
            for (name, mean) in setup_parts(account) {
                line(name, account.connections, "mean", mean, false);
            }
        }
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::{Run, SetupSums};
    use crate::report::figure::Figure;
    use crate::report::phase_drawing::phase_bars;
    use crate::report::section::markdown;
    use crate::testing::{connecting_run, sample_run};

    /// As logged by a server for every block with SCRAM.
    fn logged() -> Run {
        let mut run = connecting_run();
        for block in &mut run.blocks {
            if block.factors.auth == Some(crate::factor::Auth::Scram) {
                block.counters = SetupSums {
                    count: 50,
                    total_us: 70_000,
                    fork_us: 20_000,
                    authentication_us: 35_000,
                }
                .counters();
            }
        }
        run
    }

    #[test]
    fn every_phase_has_its_row_and_the_servers_account_its_own() {
        let run = logged();
        let text = markdown(&phase_tables(&analyse(&run)));
        let rows = |name: &str| text.lines().filter(|l| l.starts_with(name)).count();
        assert_eq!(rows("| whole connection | 800 |"), 2, "{text}");
        assert_eq!(rows("| startup to ready | 800 |"), 2);
        assert_eq!(rows("| last answer to ready |"), 1);
        assert_eq!(rows("| server: setup total | 800 | 1.40 ms"), 1);
        assert!(text.contains("percentiles do not"));
        assert!(text.contains("auth scram, unpooled"));
        assert_eq!(phase_tables(&analyse(&sample_run(8))), []);
    }

    #[test]
    fn the_csv_has_a_line_for_every_number() {
        let run = logged();
        let csv = phase_csv(&analyse(&run));
        let fields = csv.lines().next().unwrap().split(',').count();
        assert!(csv.lines().all(|l| l.split(',').count() == fields), "{csv}");
        let means = csv.lines().filter(|l| l.contains(",mean,")).count();
        // Trust: six phases; SCRAM: nine and the server's four.
        assert_eq!(means, 6 + 9 + 4);
        let whole = csv
            .lines()
            .find(|l| l.contains("scram") && l.contains("whole connection"));
        assert!(
            whole
                .unwrap()
                .contains("unpooled,whole connection,800,mean,")
        );
    }

    #[test]
    fn bars_hold_what_adds_up_and_nothing_else() {
        let run = logged();
        let analysis = analyse(&run);
        let figure = phase_bars(&analysis).unwrap();
        assert_eq!(figure.groups.len(), 1);
        let bars = &figure.groups[0].rows;
        let labels: Vec<&str> = bars.iter().map(|b| b.label.as_str()).collect();
        assert_eq!(labels, ["trust", "scram", "the server's own account"]);
        for (bar, anatomy) in bars[..2].iter().zip(&analysis.anatomies) {
            let drawn: f64 = bar.marks.iter().map(|s| s.estimate.value_ns).sum();
            let whole = anatomy.mean(ConnectionPhase::Whole).unwrap().value_ns;
            assert!((drawn - whole).abs() < 1e-9 * whole);
        }
        let server = bars[2].marks.iter().map(|s| s.estimate.value_ns);
        assert!((server.sum::<f64>() - 1.4e6).abs() < 1.0);
        assert!(figure.svg().unwrap().contains("server: fork"));
        let other = sample_run(8);
        assert!(phase_bars(&analyse(&other)).is_none());
    }
}
