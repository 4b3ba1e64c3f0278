//! What one worker records during one block. Owned by the worker: no lock, no
//! allocation, no output while it measures.

use std::collections::BTreeMap;

use super::{CpuAccount, Role, RoleTally, SeriesHistogram, SeriesKey, WorkerHistogram};

/// Index of a declared series in its [`Recorder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesId(usize);

/// A worker's histograms, declared beforehand.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    series: Vec<(SeriesKey, WorkerHistogram)>,
}

impl Recorder {
    /// Declares a series, or finds it if it was declared before.
    pub fn declare(&mut self, key: SeriesKey) -> SeriesId {
        if let Some(found) = self.series.iter().position(|(k, _)| *k == key) {
            return SeriesId(found);
        }
        self.series.push((key, WorkerHistogram::default()));
        SeriesId(self.series.len() - 1)
    }

    /// Records one duration in ns.
    #[inline]
    pub fn record(&mut self, id: SeriesId, ns: u64) {
        self.series[id.0].1.record(ns);
    }
}

/// Everything the workers of one block recorded, merged.
#[derive(Debug, Clone, Default)]
pub struct BlockRecord {
    /// Histograms by series; series without samples are left out.
    pub series: BTreeMap<SeriesKey, SeriesHistogram>,
    /// Counts by role.
    pub tallies: BTreeMap<Role, RoleTally>,
    /// Begin and end (CLOCK_MONOTONIC, ns) of every statement of each reader, where they are kept (traced blocks).
    pub statements: Vec<Vec<(u64, u64)>>,
    /// CPU used by the workers of a role, in ns.
    pub cpu_ns: BTreeMap<Role, u64>,
    /// CPU used by the busiest load thread, in ns.
    pub busiest_thread_ns: u64,
    /// What the load threads of a role used, and how long they waited for a core (server).
    pub load_threads: BTreeMap<Role, CpuAccount>,
}

impl BlockRecord {
    /// Adds one worker's record.
    pub fn merge_worker(
        &mut self,
        role: Role,
        recorder: &Recorder,
        tally: &RoleTally,
        cpu_ns: u64,
    ) {
        for (key, histogram) in recorder.series.iter().filter(|(_, h)| !h.is_empty()) {
            self.series.entry(*key).or_default().merge_worker(histogram);
        }
        self.tallies.entry(role).or_default().merge(tally);
        *self.cpu_ns.entry(role).or_default() += cpu_ns;
    }

    /// Adds another record (of other workers in the same block).
    pub fn merge(&mut self, other: &BlockRecord) {
        for (key, histogram) in &other.series {
            self.series.entry(*key).or_default().merge(histogram);
        }
        for (role, tally) in &other.tallies {
            self.tallies.entry(*role).or_default().merge(tally);
        }
        self.statements.extend(other.statements.iter().cloned());
        self.busiest_thread_ns = self.busiest_thread_ns.max(other.busiest_thread_ns);
        for (role, cpu) in &other.cpu_ns {
            *self.cpu_ns.entry(*role).or_default() += cpu;
        }
        for (role, account) in &other.load_threads {
            self.load_threads.entry(*role).or_default().add(account);
        }
    }
}
