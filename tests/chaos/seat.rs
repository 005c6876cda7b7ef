//! A place in the group: a folder, a port, a way to the broker, and the process that runs there, one after the other.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::settings::{self, Delivery};
use crate::support::daemon::{Daemon, free_port};
use crate::support::door::Door;
use crate::support::process::get;
use crate::support::wait::try_eventually;

const BINARY: &str = env!("CARGO_BIN_EXE_orderwatch");
/// A snapshot that comes to more is cut short, as a full disk cuts it.
const DISK_HOLDS_BYTES: u64 = 2_048;
/// What SIGTERM may take.
const LEAVES_WITHIN: Duration = Duration::from_secs(15);
/// The limit ends a write and not the process, and holds for files alone: what is logged goes through a pipe.
const START: &str = r#"trap "" XFSZ; exec "$0" run --config orderwatch.yaml > >(cat) 2> >(cat >&2)"#;

pub struct Seat {
    pub name: String,
    pub door: Door,
    pub folder: PathBuf,
    /// `None` while nothing runs here.
    pub daemon: Option<Daemon>,
    pub frozen: bool,
    pub full: bool,
    /// It was told to end, or will be killed by a trap: by when it must have, and how long it then stays away.
    pub ending: Option<(Instant, Duration)>,
    port: u16,
    starts: u32,
    edits: u32,
}

impl Seat {
    pub fn new(run: &Path, number: usize, delivery: Delivery) -> Seat {
        let name = format!("p{number}");
        let (folder, port, door) = (run.join(&name), free_port(), Door::open());
        std::fs::create_dir_all(&folder).expect("a folder for the process");
        let listen = format!("127.0.0.1:{port}");
        // One place for all: whoever takes a shard over finds its snapshots.
        let text = settings::service(delivery, &door.address(), &listen, &run.join("snapshots"));
        std::fs::write(folder.join("orderwatch.yaml"), text).expect("its configuration");
        let seat = Seat {
            name,
            door,
            folder,
            daemon: None,
            frozen: false,
            full: false,
            ending: None,
            port,
            starts: 0,
            edits: 0,
        };
        seat.write_policies();
        seat
    }

    fn write_policies(&self) {
        std::fs::write(self.folder.join("policies.yaml"), settings::policies(self.edits)).expect("its policies");
    }

    /// The next start finds another text with the same meaning.
    pub fn edit_policies(&mut self) {
        self.edits += 1;
        self.write_policies();
    }

    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "{} runs already", self.name);
        self.starts += 1;
        let mut command = Command::new("bash");
        command.args(["-c", START, BINARY]).current_dir(&self.folder);
        // Who published what is said at debug.
        command.env("ORDERWATCH_LOG", "info,orderwatch::telemetry::events::output=debug");
        let (stdout, log) = (self.folder.join("stdout"), self.log());
        self.daemon = Some(Daemon::spawn(&self.name, command, &stdout, &log, None));
    }

    /// Where the process that runs here, or ran last, logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("log-{:03}", self.starts))
    }

    /// Every log of this place, oldest first.
    pub fn logs(&self) -> Vec<PathBuf> {
        (1..=self.starts).map(|start| self.folder.join(format!("log-{start:03}"))).collect()
    }

    pub fn wait_ready(&self, timeout: Duration) -> Result<(), String> {
        try_eventually(timeout, || match get(&format!("http://127.0.0.1:{}/readyz", self.port))? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(format!("{}: {}", answer.status, answer.body)),
        })
    }

    /// What it says of itself, or why it does not.
    pub fn readiness(&self) -> String {
        get(&format!("http://127.0.0.1:{}/readyz", self.port)).map_or_else(|e| e, |answer| answer.body)
    }

    /// SIGKILL, of a stopped process too.
    pub fn kill(&mut self) {
        self.daemon = None;
        self.ended();
    }

    /// It runs, and nobody has told it to end.
    pub fn is_well(&self) -> bool {
        self.daemon.is_some() && !self.frozen && self.ending.is_none()
    }

    /// SIGTERM; it is started again so long after its end.
    pub fn part(&mut self, away: Duration) {
        self.signal(Signal::TERM);
        self.ending = Some((Instant::now() + LEAVES_WITHIN, away));
    }

    /// SIGTERM; how it ended, or that it did not.
    pub fn leave(&mut self) -> Option<ExitStatus> {
        let mut daemon = self.daemon.take()?;
        daemon.signal(Signal::TERM);
        let left = try_eventually(LEAVES_WITHIN, || daemon.exited().ok_or_else(String::new));
        self.ended();
        left.ok()
    }

    /// How it ended, where it has; whether it was told to stays noted.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        let (status, ending) = (self.daemon.as_mut()?.exited()?, self.ending);
        self.daemon = None;
        self.ended();
        self.ending = ending;
        Some(status)
    }

    fn ended(&mut self) {
        (self.frozen, self.full, self.ending) = (false, false, None);
        self.door.set_trap(None);
    }

    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
        self.frozen = true;
    }

    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
        self.frozen = false;
    }

    pub fn pid(&self) -> Option<Pid> {
        self.daemon.as_ref().and_then(|daemon| i32::try_from(daemon.pid()).ok()).and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        if let Some(daemon) = &self.daemon {
            daemon.signal(signal);
        }
    }

    /// No file that it writes may grow beyond a little; needs no rights, unlike a file system of its own.
    pub fn fill_disk(&mut self) {
        self.limit_files(Some(DISK_HOLDS_BYTES));
        self.full = true;
    }

    pub fn free_disk(&mut self) {
        self.limit_files(None);
        self.full = false;
    }

    fn limit_files(&self, bytes: Option<u64>) {
        let Some(pid) = self.pid() else { return };
        let hard = rustix::process::getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: bytes.or(hard), maximum: hard };
        // It may have ended a moment ago.
        let _ = prlimit(Some(pid), Resource::Fsize, limit);
    }
}
