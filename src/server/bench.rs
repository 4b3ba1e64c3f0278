//! Server mode's bench: a fresh server for each visit, load threads, standing
//! connections, and one block after another on them.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::crew::{BlockOrder, CrewError, CrewSpec, LoadThread};
use super::procfs;
use super::provision::{
    PgBouncerSpec, RunningPgBouncer, RunningServer, ServerChoice, ServerKind, ServerSpec,
    ServerUrl, Transport, init_pgbench_accounts, provision, start_pgbouncer,
};
use super::session::Session;
use super::standing::{Layout, Standing};
use crate::arm::Arm;
use crate::config::{Config, Disconnect, Statement};
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::{Bench, Failure};
use crate::load::plan::{BlockSpec, Visit};
use crate::load::{Cancel, Clock, MonotonicClock, OfferedRate, Window, derive_seed};
use crate::record::{AbsentArm, Block, BlockRecord, Factors, Role, ServerProvenance};

/// Longest wait for the server to settle before a block.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);
/// Pause before a block where the server's processes cannot be seen.
const BLIND_PAUSE: Duration = Duration::from_millis(100);
/// From the order to the start of the load.
const LEAD_NS: u64 = 5_000_000;
/// How long operations may take beyond the end of the window.
const DRAIN_NS: u64 = 2_000_000_000;
/// From the loss of connections to the end of the process that held them: the first process of a
/// container ends only after all others in it have been reaped.
const DEATH_THROES: Duration = Duration::from_millis(500);
/// Why an arm is lost.
const PGBOUNCER_DIED: &str = "PgBouncer died in mid-run";
/// Closed-loop calibration of one arm: warm-up and measured time.
const CALIBRATION_NS: (u64, u64) = (150_000_000, 450_000_000);

/// What the server bench needs beside the configuration.
#[derive(Debug, Clone)]
pub struct ServerRequest {
    /// Which server.
    pub choice: ServerChoice,
    /// Major version.
    pub pg_major: Option<u32>,
    /// Transport.
    pub transport: Transport,
    /// What readers and clients run.
    pub query: Statement,
    /// When a disconnect is over.
    pub disconnect: Disconnect,
    /// The user's own PgBouncer, for a server given by URL.
    pub pgbouncer: Option<ServerUrl>,
}

/// Server mode's [`Bench`].
pub struct ServerBench<'a> {
    config: &'a Config,
    request: &'a ServerRequest,
    cancel: Cancel,
    say: &'a dyn Fn(&str),
    began_ns: u64,
    client_rate: OfferedRate,
    /// Arms that take part, as found by [`Bench::prepare`].
    arms: Vec<Arm>,
    open: Option<OpenVisit>,
    provenance: Option<ServerProvenance>,
    remarks: Vec<String>,
    announced: bool,
}

/// Fields drop in order: load first, the server last.
struct OpenVisit {
    readers: Vec<(LoadThread, u32)>,
    clients: LoadThread,
    _standing: Standing,
    pgbouncer: Option<RunningPgBouncer>,
    server: RunningServer,
    base_children: Option<usize>,
    watched: Watched,
    factors: Factors,
}

impl<'a> ServerBench<'a> {
    /// A bench that has not started anything yet.
    pub fn new(
        config: &'a Config,
        request: &'a ServerRequest,
        cancel: Cancel,
        say: &'a dyn Fn(&str),
    ) -> Self {
        ServerBench {
            config,
            request,
            cancel,
            say,
            began_ns: MonotonicClock.now_ns(),
            client_rate: OfferedRate::Max,
            arms: config.arms.clone(),
            open: None,
            provenance: None,
            remarks: Vec::new(),
            announced: false,
        }
    }

    fn is_ours(&self) -> bool {
        !matches!(self.request.choice, ServerChoice::Url(_))
    }

    /// Slots that churn may use at the same time, with room for backends that
    /// have not quite left.
    fn churn_slots(&self) -> u32 {
        2 * self.config.clients + 16
    }

    fn spec(&self, standing: u32) -> ServerSpec {
        let config = self.config;
        // Exactly what is needed: with free slots to spare, placeholders could
        // not decide where churn lands.
        let persistent = config.readers + config.clients + 2 * config.pool_size;
        ServerSpec {
            pg_major: self.request.pg_major,
            max_connections: persistent + standing + self.churn_slots(),
            transport: self.request.transport,
            ..ServerSpec::default()
        }
    }

    fn start_server(&mut self, standing: u32) -> Result<RunningServer, Failure> {
        // Seconds, with an image to be made minutes: not begun after a stop request.
        if self.cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let silent = |_: &str| {};
        let say: &dyn Fn(&str) = if self.announced { &silent } else { self.say };
        let server = provision(&self.request.choice, &self.spec(standing), say)
            .map_err(|e| Failure::Fatal(e.to_string()))?;
        if !self.announced {
            (self.say)(&format!(
                "procbench: PostgreSQL {} ({})",
                server.server_version(),
                server.chosen_because()
            ));
            self.announced = true;
        }
        if self.request.query == Statement::SelectOnly && server.kind() != ServerKind::Url {
            init_pgbench_accounts(&server, 1, &silent)
                .map_err(|e| Failure::Fatal(e.to_string()))?;
        }
        Ok(server)
    }

    /// Readers on each reader thread: one thread a core at most, so that a
    /// reader seldom waits while its thread serves another.
    fn reader_shares(&self) -> impl Iterator<Item = u32> + use<> {
        let readers = self.config.readers;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let threads = cores.min(readers).max(1);
        (0..threads).map(move |t| readers / threads + u32::from(t < readers % threads))
    }

    fn pgbouncer_spec(&self) -> PgBouncerSpec {
        PgBouncerSpec {
            pool_size: self.config.pool_size,
            max_client_conn: 4 * self.config.clients + 100,
            url: self.request.pgbouncer.clone(),
        }
    }

    fn wants_pgbouncer(&self) -> bool {
        self.arms.iter().any(|a| a.needs_pgbouncer())
    }

    /// Waits until the server's child count is back to base, for as long as
    /// [`SETTLE_LIMIT`]. Returns how long, and whether it was met.
    fn settle(&self, visit: &OpenVisit) -> (Duration, bool) {
        let started = Instant::now();
        let (Some(pid), Some(base)) = (visit.server.postmaster_pid(), visit.base_children) else {
            std::thread::sleep(BLIND_PAUSE);
            return (started.elapsed(), true);
        };
        let mut calm = 0;
        while started.elapsed() < SETTLE_LIMIT && !self.cancel.is_cancelled() {
            // The kernel's list may miss an entry while children exit: two
            // readings, some milliseconds apart.
            calm = if procfs::child_count(pid).is_some_and(|n| n <= base) {
                calm + 1
            } else {
                0
            };
            if calm >= 2 {
                return (started.elapsed(), true);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        (started.elapsed(), false)
    }

    /// The child count once it has stayed the same for a while.
    fn stable_children(&self, server: &RunningServer) -> Option<usize> {
        let pid = server.postmaster_pid()?;
        let started = Instant::now();
        let mut last = procfs::child_count(pid)?;
        let mut since = Instant::now();
        while started.elapsed() < Duration::from_secs(5)
            && since.elapsed() < Duration::from_millis(250)
        {
            std::thread::sleep(Duration::from_millis(10));
            let now = procfs::child_count(pid)?;
            if now != last {
                last = now;
                since = Instant::now();
            }
        }
        Some(last)
    }

    fn measure(
        &self,
        visit: &OpenVisit,
        arm: Arm,
        rates: (OfferedRate, OfferedRate),
        lengths_ns: (u64, u64),
        seed_path: u64,
    ) -> Result<(Window, BlockRecord, crate::record::BlockCpu), Failure> {
        let before = CpuReading::take(visit.watched);
        let start_ns = MonotonicClock.now_ns() + LEAD_NS;
        let (warmup_ns, measured_ns) = lengths_ns;
        let window = Window {
            start_ns,
            measure_from_ns: start_ns + warmup_ns,
            end_ns: start_ns + warmup_ns + measured_ns,
            drain_until_ns: start_ns + warmup_ns + measured_ns + DRAIN_NS,
        };
        let order = |role: u64, rate| BlockOrder {
            arm,
            window,
            rate,
            arrivals: self.config.arrivals,
            seed: derive_seed(self.config.seed, &[seed_path, role]),
            cancel: self.cancel.clone(),
        };
        let readers: Vec<_> = visit
            .readers
            .iter()
            .zip(10..)
            .map(|((thread, count), role)| {
                let share = f64::from(*count) / f64::from(self.config.readers);
                (thread, thread.begin(order(role, rates.0.share(share))))
            })
            .collect();
        let clients = visit.clients.begin(order(2, rates.1));
        // Every thread is waited for, also when another one has failed.
        let readers: Vec<_> = readers
            .iter()
            .map(|(thread, answer)| self.outcome(visit, &window, thread, answer))
            .collect();
        let clients = self.outcome(visit, &window, &visit.clients, &clients);
        let mut record = BlockRecord::default();
        for part in readers {
            record.merge(&part.map_err(|e| self.reader_failure(visit, e))?);
        }
        match clients {
            Ok(clients) => record.merge(&clients),
            Err(error) => return Err(self.client_failure(visit, arm, error)),
        }
        let cpu = before.until_now(visit.watched, &record);
        self.check_alive(visit, arm, &record)?;
        Ok((window, record, cpu))
    }

    fn outcome(
        &self,
        visit: &OpenVisit,
        window: &Window,
        thread: &LoadThread,
        answer: &Receiver<Result<BlockRecord, CrewError>>,
    ) -> Result<BlockRecord, CrewError> {
        let patience_ns = window.drain_until_ns + 5_000_000_000;
        let left = Duration::from_nanos(patience_ns.saturating_sub(MonotonicClock.now_ns()));
        match thread.wait(answer, Some(Instant::now() + left), &self.cancel) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(CrewError::Harness(format!(
                "a load thread did not end its block (server {})",
                if visit.server.is_alive() {
                    "alive"
                } else {
                    "dead"
                }
            ))),
            Err(RecvTimeoutError::Disconnected) => {
                Err(CrewError::Harness("a load thread died".to_owned()))
            }
        }
    }

    fn reader_failure(&self, visit: &OpenVisit, error: CrewError) -> Failure {
        let reason = match error {
            CrewError::Harness(reason) => return Failure::Fatal(reason),
            CrewError::Lost(reason) => reason,
        };
        Failure::Fatal(match who_died(visit, Arm::Quiet, DEATH_THROES) {
            Some(_) => format!("the server died (readers cannot reconnect: {reason})"),
            None => format!("the readers cannot reconnect: {reason}"),
        })
    }

    fn client_failure(&self, visit: &OpenVisit, arm: Arm, error: CrewError) -> Failure {
        let reason = match error {
            CrewError::Harness(reason) => return Failure::Fatal(reason),
            CrewError::Lost(reason) => reason,
        };
        match who_died(visit, arm, DEATH_THROES) {
            Some(Died::Server) => Failure::Fatal(format!(
                "the server died (clients cannot reconnect: {reason})"
            )),
            Some(Died::PgBouncer) => Failure::ArmLost(PGBOUNCER_DIED.to_owned()),
            None => Failure::ArmLost(format!("{arm} cannot reconnect: {reason}")),
        }
    }

    fn check_alive(
        &self,
        visit: &OpenVisit,
        arm: Arm,
        record: &BlockRecord,
    ) -> Result<(), Failure> {
        let patience = if lost_connections(record) {
            DEATH_THROES
        } else {
            Duration::ZERO
        };
        match who_died(visit, arm, patience) {
            Some(Died::Server) => {
                return Err(Failure::Fatal("the server died in mid-run".to_owned()));
            }
            Some(Died::PgBouncer) => return Err(Failure::ArmLost(PGBOUNCER_DIED.to_owned())),
            None => {}
        }
        let readers = record.tallies.get(&Role::Reader);
        if let Some(tally) = readers
            && tally.scheduled > 0
            && tally.succeeded() == 0
            && !self.cancel.is_cancelled()
        {
            let class = tally
                .errors
                .keys()
                .next()
                .map_or("cut off", |c| c.0.as_str());
            return Err(Failure::Fatal(format!(
                "no reader statement succeeded ({class})"
            )));
        }
        Ok(())
    }

    fn note_server(&mut self, server: &RunningServer, pgbouncer: Option<&RunningPgBouncer>) {
        if self.provenance.is_some() {
            return;
        }
        let settings = self.read_settings(server).unwrap_or_default();
        if let Some(proxy) = procfs::docker_proxy_pid(server.endpoint()) {
            self.remarks.push(format!(
                "docker-proxy (pid {proxy}) stands between clients and server: its time is in every number"
            ));
        }
        if server.postmaster_pid().is_none() {
            self.remarks.push(
                "the server's processes are not visible: blocks are separated by a fixed pause and its CPU is not counted".to_owned(),
            );
        }
        self.provenance = Some(ServerProvenance {
            kind: server.kind().to_string(),
            chosen_because: server.chosen_because().to_owned(),
            version: server.server_version().to_owned(),
            source: server.image_id().unwrap_or_default().to_owned(),
            auth: if self.is_ours() {
                "trust"
            } else {
                "as the server asks"
            }
            .to_owned(),
            transport: server.endpoint().transport().to_string(),
            pgbouncer: pgbouncer.map(|p| p.version().unwrap_or("of unknown version").to_owned()),
            settings,
        });
    }

    fn read_settings(&self, server: &RunningServer) -> Option<BTreeMap<String, String>> {
        const NAMES: &str = "'huge_pages','max_connections','shared_buffers','autovacuum','jit',\
            'synchronous_commit','fsync','ssl','listen_addresses','superuser_reserved_connections',\
            'password_encryption','data_checksums','log_connections','server_version_num'";
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        runtime.block_on(async {
            let target = super::connect::Target::new(server.endpoint()).ok()?;
            let session = Session::open(&target).await.ok()?;
            let rows = session
                .client()
                .simple_query(&format!(
                    "SELECT name, setting || coalesce(' x ' || unit, '') FROM pg_settings WHERE name IN ({NAMES})"
                ))
                .await
                .ok()?;
            session.close().await;
            Some(
                rows.iter()
                    .filter_map(|row| match row {
                        tokio_postgres::SimpleQueryMessage::Row(row) => {
                            Some((row.get(0)?.to_owned(), row.get(1)?.to_owned()))
                        }
                        _ => None,
                    })
                    .collect(),
            )
        })
    }

    fn factors(&self, server: &RunningServer, standing: u32) -> Factors {
        let setting = |name: &str| {
            self.provenance
                .as_ref()
                .and_then(|p| p.settings.get(name))
                .cloned()
        };
        Factors {
            standing,
            pg: server.pg_major().map(|m| m.to_string()),
            slot_order: Some(if self.is_ours() {
                self.config.slot_order.to_string()
            } else {
                "unknown".to_owned()
            }),
            lock: None,
            transport: Some(server.endpoint().transport().to_string()),
            huge_pages: setting("huge_pages"),
        }
    }
}

/// Which process that an arm needs has ended.
enum Died {
    Server,
    PgBouncer,
}

/// Looks for as long as `patience` whether what the arm needs has ended.
fn who_died(visit: &OpenVisit, arm: Arm, patience: Duration) -> Option<Died> {
    let since = Instant::now();
    loop {
        if !visit.server.is_alive() {
            return Some(Died::Server);
        }
        let needed = arm.needs_pgbouncer();
        if needed && visit.pgbouncer.as_ref().is_none_or(|p| !p.is_alive()) {
            return Some(Died::PgBouncer);
        }
        if since.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether connections broke in this block, as they do when a server dies. 57P01 to 57P03: it is being
/// shut down, has crashed, or is not up.
fn lost_connections(record: &BlockRecord) -> bool {
    let broken = |class: &str| class.starts_with("connect") || class.starts_with("sqlstate-57P0");
    let mut errors = record.tallies.values().flat_map(|t| t.errors.keys());
    errors.any(|class| broken(&class.0))
}

impl Bench for ServerBench<'_> {
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
        if !self.wants_pgbouncer() {
            return Ok(Vec::new());
        }
        let server = self.start_server(0)?;
        match start_pgbouncer(&server, &self.pgbouncer_spec(), self.say) {
            Ok(pgbouncer) => {
                self.note_server(&server, Some(&pgbouncer));
                Ok(Vec::new())
            }
            Err(absent) => {
                self.note_server(&server, None);
                let reason = absent.to_string();
                let gone: Vec<AbsentArm> = self
                    .arms
                    .iter()
                    .filter(|a| a.needs_pgbouncer())
                    .map(|&arm| AbsentArm {
                        arm,
                        reason: reason.clone(),
                        lost: false,
                    })
                    .collect();
                self.arms.retain(|a| !a.needs_pgbouncer());
                Ok(gone)
            }
        }
    }

    fn set_client_rate(&mut self, rate: OfferedRate) {
        self.client_rate = rate;
    }

    fn open_visit(&mut self, visit: &Visit) -> Result<(), Failure> {
        let server = self.start_server(visit.standing)?;
        let failed = |what: &str, message: String| {
            if self.cancel.is_cancelled() {
                return Failure::Interrupted;
            }
            let hint = if message.contains("53300") || message.contains("too many clients") {
                ": ask for fewer standing connections, or raise the server's max_connections"
            } else {
                ""
            };
            Failure::Fatal(format!("{what}: {message}{hint}"))
        };
        let pgbouncer = if self.wants_pgbouncer() {
            let started = start_pgbouncer(&server, &self.pgbouncer_spec(), &|_| {});
            Some(started.map_err(|e| failed("PgBouncer", e.to_string()))?)
        } else {
            None
        };
        let config = self.config;
        let layout = Layout {
            standing: visit.standing,
            placeholders: if self.is_ours() {
                self.churn_slots()
            } else {
                0
            },
            order: config.slot_order,
            descending: server.pg_major().is_none_or(|major| major <= 16),
        };
        let readers = self
            .reader_shares()
            .map(|count| {
                let spec = CrewSpec::Readers {
                    server: server.endpoint().clone(),
                    count,
                    statement: self.request.query.clone(),
                };
                LoadThread::start("readers", spec, &self.cancel).map(|thread| (thread, count))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| failed("the readers cannot connect", e.message))?;
        let clients = LoadThread::start(
            "clients",
            CrewSpec::Clients {
                server: server.endpoint().clone(),
                pgbouncer: pgbouncer.as_ref().map(|p| p.endpoint().clone()),
                count: config.clients,
                statement: self.request.query.clone(),
                disconnect: self.request.disconnect,
                arms: self.arms.clone(),
                pool_size: config.pool_size,
            },
            &self.cancel,
        )
        .map_err(|e| failed("the clients cannot connect", e.message))?;
        let standing = Standing::open(server.endpoint(), layout, &self.cancel)
            .map_err(|e| failed("the standing connections cannot be opened", e.message))?;
        self.note_server(&server, pgbouncer.as_ref());
        let base_children = self.stable_children(&server);
        let watched = Watched {
            postmaster: server.postmaster_pid(),
            pgbouncer: pgbouncer.as_ref().and_then(RunningPgBouncer::pid),
        };
        let factors = self.factors(&server, visit.standing);
        self.open = Some(OpenVisit {
            readers,
            clients,
            _standing: standing,
            pgbouncer,
            server,
            base_children,
            watched,
            factors,
        });
        Ok(())
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
        let visit = self
            .open
            .as_ref()
            .ok_or_else(|| Failure::Fatal("no visit is open".into()))?;
        let (settle, settled) = self.settle(visit);
        let (window, record, cpu) = self.measure(
            visit,
            spec.arm,
            (self.config.reader_rate, self.client_rate),
            (self.config.warmup_ns, self.config.block_ns()),
            u64::from(spec.index) + 1,
        )?;
        Ok(Block {
            index: spec.index,
            arm: spec.arm,
            twin: spec.twin,
            round: spec.round,
            visit: spec.visit,
            factors: visit.factors.clone(),
            start_ns: window.measure_from_ns.saturating_sub(self.began_ns),
            measured_ns: window.measured_ns(),
            settle_ns: settle.as_nanos() as u64,
            settled,
            tallies: record.tallies,
            cpu,
            counters: BTreeMap::new(),
            series: record.series,
        })
    }

    fn sustained_per_second(&mut self, arm: Arm) -> Result<f64, Failure> {
        let visit = self
            .open
            .as_ref()
            .ok_or_else(|| Failure::Fatal("no visit is open".into()))?;
        self.settle(visit);
        let (window, record, _) = self.measure(
            visit,
            arm,
            (self.config.reader_rate, OfferedRate::Max),
            CALIBRATION_NS,
            derive_seed(0, &[arm.index() as u64]),
        )?;
        let done = record
            .tallies
            .get(&Role::Client)
            .map_or(0, |t| t.succeeded());
        Ok(done as f64 * 1e9 / window.measured_ns() as f64)
    }

    fn close_visit(&mut self) {
        self.open = None;
    }

    fn visit_overhead(&self, standing: u32) -> Duration {
        // Start, initdb, placeholders, pools; then some milliseconds a connection.
        Duration::from_millis(3_000 + 4 * u64::from(standing))
    }

    fn block_overhead(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
        (self.provenance.clone(), self.remarks.clone())
    }
}
