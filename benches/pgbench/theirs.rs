//! pgbench's side.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use procbench::config::EndpointHost;
use procbench::server::provision::Endpoint;

use super::cell::{Cell, Stretch};
use super::report::Report;

/// A pgbench program and the server it is to run against.
pub struct Pgbench<'a> {
    pub program: &'a Path,
    pub endpoint: &'a Endpoint,
    /// Threads for the persistent connections.
    pub prepared_jobs: u32,
}

impl Pgbench<'_> {
    fn command(&self, arguments: &[String]) -> anyhow::Result<Command> {
        let EndpointHost::Tcp(host) = &self.endpoint.host else {
            anyhow::bail!("the comparison is over TCP");
        };
        let mut command = Command::new(self.program);
        // Nothing but what is asked for: no TLS or GSS negotiation, no other PG* setting.
        command.env_clear().env("LC_ALL", "C");
        command
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable");
        command.args(["-h", host, "-p", &self.endpoint.port.to_string()]);
        command.args(["-U", &self.endpoint.user]);
        command.args(arguments).arg(&self.endpoint.dbname);
        Ok(command)
    }

    fn run(&self, arguments: &[String]) -> anyhow::Result<String> {
        let output = self.command(arguments)?.output();
        let output = output.with_context(|| format!("cannot run {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "pgbench {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Its tables at scale 1.
    pub fn initialise(&self) -> anyhow::Result<()> {
        self.run(&["-i", "-q", "-s", "1"].map(str::to_owned))
            .map(drop)
    }

    /// One stretch.
    pub fn measure(&self, cell: Cell, seconds: u32) -> anyhow::Result<Stretch> {
        let mut arguments = cell.pgbench_arguments(self.prepared_jobs);
        arguments.extend(["-T".to_owned(), seconds.to_string()]);
        let before = children_cpu_us()?;
        let printed = self.run(&arguments)?;
        let cpu_us = children_cpu_us()? - before;
        let report = Report::parse(&printed)?;
        ensure!(
            report.failed == 0,
            "pgbench reports {} failed transactions",
            report.failed
        );
        Ok(Stretch {
            per_second: report.per_second,
            cpu_us: cpu_us / report.transactions as f64,
        })
    }
}

/// CPU of the children that have been waited for, in us.
fn children_cpu_us() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 * 1e6 + t.tv_usec() as f64;
    Ok(us(usage.user_time()) + us(usage.system_time()))
}
