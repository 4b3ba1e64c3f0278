//! What `benches/pgbench` reads from pgbench's output.

#[path = "../../benches/pgbench/report.rs"]
mod report;

use report::Report;

const OF_15: &str = "\
pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: <builtin: select only>
scaling factor: 1
query mode: simple
number of clients: 16
number of threads: 16
maximum number of tries: 1
duration: 3 s
number of transactions actually processed: 1547
number of failed transactions: 2 (0.129%)
latency average = 31.086 ms
average connection time = 29.581 ms
tps = 514.698041 (including reconnection times)
";

/// Two rates: the first has the time to connect in it.
const OF_13: &str = "\
number of transactions actually processed: 186812/200000
latency average = 0.128 ms
tps = 62256.118023 (including connections establishing)
tps = 62301.005911 (excluding connections establishing)
";

#[test]
fn counts_and_rate_are_read() {
    let report = Report::parse(OF_15).unwrap();
    assert_eq!((report.transactions, report.failed), (1547, 2));
    assert_eq!(report.per_second, 514.698041);
    let report = Report::parse(OF_13).unwrap();
    assert_eq!((report.transactions, report.failed), (186_812, 0));
    assert_eq!(report.per_second, 62256.118023);
}

#[test]
fn a_missing_line_or_no_transaction_is_an_error() {
    for label in ["number of transactions", "tps"] {
        let cut: Vec<&str> = OF_15.lines().filter(|l| !l.starts_with(label)).collect();
        let error = Report::parse(&cut.join("\n")).unwrap_err().to_string();
        assert!(error.contains(label), "{error}");
    }
    assert!(Report::parse(&OF_15.replace("1547", "0")).is_err());
}
