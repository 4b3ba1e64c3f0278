//! What is compared: the kinds of load, and what one stretch of a side gave.

use std::fmt;

use procbench::arm::Arm;

/// A kind of load with its number of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub load: Load,
    pub clients: u32,
}

/// A kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// A connection for each transaction, simple protocol.
    Churn,
    /// Persistent connections, prepared statement.
    Prepared,
}

impl Cell {
    /// What the comparison is about.
    pub const ALL: [Cell; 4] = [
        Cell::new(Load::Churn, 1),
        Cell::new(Load::Churn, 4),
        Cell::new(Load::Churn, 16),
        Cell::new(Load::Prepared, 8),
    ];

    const fn new(load: Load, clients: u32) -> Self {
        Cell { load, clients }
    }

    /// procbench's arm that does the same.
    pub fn arm(self) -> Arm {
        match self.load {
            Load::Churn => Arm::Unpooled,
            Load::Prepared => Arm::KeptOpen,
        }
    }

    /// pgbench's options for it. With `-C` a pgbench thread connects synchronously, so clients that share
    /// one would wait for each other's connects: each has its own.
    pub fn pgbench_arguments(self, prepared_jobs: u32) -> Vec<String> {
        let (protocol, jobs): (&str, u32) = match self.load {
            Load::Churn => ("-C -M simple", self.clients),
            Load::Prepared => ("-M prepared", prepared_jobs),
        };
        format!("-n -S {protocol} -c {} -j {jobs}", self.clients)
            .split(' ')
            .map(str::to_owned)
            .collect()
    }
}

/// `churn, 4 clients`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = match self.load {
            Load::Churn => "churn",
            Load::Prepared => "prepared",
        };
        let plural = if self.clients == 1 { "" } else { "s" };
        write!(f, "{load}, {} client{plural}", self.clients)
    }
}

/// What one stretch gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Transactions that succeeded, a second.
    pub per_second: f64,
    /// CPU of the client side a transaction, in us.
    pub cpu_us: f64,
}
