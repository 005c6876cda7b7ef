//! The orderwatch binary as a process: started in a work folder, asked over HTTP, signalled, killed.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::daemon::{Daemon, free_port};
use super::metrics::{self, Sample};
use super::wait::{eventually, try_eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_orderwatch");
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A folder with configuration and snapshots, and a port for HTTP. It outlives the processes that run in it, one after
/// the other.
pub struct Workdir {
    folder: TempDir,
    port: u16,
}

impl Workdir {
    pub fn new() -> Workdir {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a work folder");
        Workdir { folder, port: free_port() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The address for `http.listen`.
    pub fn listen(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Writes a file into the folder and gives its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
        path
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.path().join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
    }

    /// Runs the binary to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str], timeout: Duration) -> Finished {
        let mut process = Process::spawn(self, args);
        let status = process.wait_exit(timeout);
        Finished { status, stdout: process.stdout(), stderr: process.stderr() }
    }
}

/// What a process that ended has left.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// A running orderwatch; killed when dropped.
pub struct Process {
    daemon: Daemon,
    stdout: PathBuf,
    stderr: PathBuf,
    base: String,
}

impl Process {
    /// Starts the binary in the work folder, with its output in files that are new for each process.
    pub fn spawn(workdir: &Workdir, args: &[&str]) -> Process {
        Process::spawn_with(workdir, args, &[])
    }

    pub fn spawn_with(workdir: &Workdir, args: &[&str], environment: &[(&str, &str)]) -> Process {
        Process::launch(workdir, Command::new(BINARY), args, environment)
    }

    /// As [`Process::spawn`], of another build.
    pub fn spawn_other(binary: &Path, workdir: &Workdir, args: &[&str]) -> Process {
        Process::launch(workdir, Command::new(binary), args, &[])
    }

    /// A process that survives a limit on the size of its files (`RLIMIT_FSIZE`, by default a deadly signal): what is
    /// written beyond the limit fails as it does on a full disk, for root too.
    pub fn spawn_limitable(workdir: &Workdir, args: &[&str]) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#, BINARY]);
        Process::launch(workdir, command, args, &[])
    }

    fn launch(workdir: &Workdir, mut command: Command, args: &[&str], environment: &[(&str, &str)]) -> Process {
        let number = super::serial();
        let stdout = workdir.path().join(format!("stdout-{number}"));
        let stderr = workdir.path().join(format!("stderr-{number}"));
        command.args(args).current_dir(workdir.path()).envs(environment.iter().copied());
        let name = format!("orderwatch {}", args.join(" "));
        let daemon = Daemon::spawn(&name, command, &stdout, &stderr, None);
        Process { daemon, stdout, stderr, base: format!("http://{}", workdir.listen()) }
    }

    /// As [`Process::spawn`], and waits until it is ready.
    #[track_caller]
    pub fn ready(workdir: &Workdir, args: &[&str], timeout: Duration) -> Process {
        let mut process = Process::spawn(workdir, args);
        process.wait_ready(timeout);
        process
    }

    /// Waits until `/readyz` answers with 200.
    #[track_caller]
    pub fn wait_ready(&mut self, timeout: Duration) {
        let outcome = try_eventually(timeout, || {
            if let Some(status) = self.daemon.exited() {
                panic!("orderwatch ended ({status}) before it was ready; it said:\n{}", self.daemon.tail());
            }
            let answer = self.try_get("/readyz")?;
            if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.body)) }
        });
        if let Err(reason) = outcome {
            panic!("not ready after {timeout:?} ({reason}); it said:\n{}", self.daemon.tail());
        }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|e| panic!("GET {path}: {e}; it said:\n{}", self.daemon.tail()))
    }

    /// An answer of any status, or why there is none.
    pub fn try_get(&self, path: &str) -> Result<Answer, String> {
        get(&format!("{}{path}", self.base))
    }

    /// All samples of `/metrics`.
    #[track_caller]
    pub fn samples(&self) -> Vec<Sample> {
        metrics::parse(&self.get("/metrics").body)
    }

    /// The sum of a metric's series whose labels include these.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.try_metric(name, labels).unwrap_or_else(|| panic!("/metrics has no {name} with {labels:?}"))
    }

    /// As [`Process::metric`], and none where there is no such series (yet).
    #[track_caller]
    pub fn try_metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        metrics::sum(&self.samples(), name, labels)
    }

    /// Waits until a metric is as told. A series that is not there is not.
    #[track_caller]
    pub fn wait_metric(&self, name: &str, labels: &[(&str, &str)], timeout: Duration, holds: impl Fn(f64) -> bool) {
        eventually(timeout, &format!("{name}{labels:?}"), || {
            let page = self.try_get("/metrics")?.body;
            match metrics::sum(&metrics::parse(&page), name, labels) {
                Some(value) if holds(value) => Ok(()),
                other => Err(format!("it is {other:?}")),
            }
        });
    }

    /// SIGKILL: what a crash is.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// SIGTERM, and its exit status within `timeout`.
    #[track_caller]
    pub fn terminate(&mut self, timeout: Duration) -> ExitStatus {
        self.daemon.signal(Signal::TERM);
        self.daemon.wait_exit(timeout)
    }

    /// SIGINT: Ctrl-C.
    pub fn interrupt(&self) {
        self.daemon.signal(Signal::INT);
    }

    /// SIGSTOP: a process that hangs.
    pub fn freeze(&self) {
        self.daemon.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.daemon.signal(Signal::CONT);
    }

    /// Waits until so many snapshots are written in all.
    #[track_caller]
    pub fn wait_snapshots(&self, count: f64, timeout: Duration) {
        self.wait_metric("orderwatch_snapshots_total", &[], timeout, |n| n >= count);
    }

    /// How many snapshots it has written.
    pub fn snapshots(&self) -> f64 {
        self.try_metric("orderwatch_snapshots_total", &[]).unwrap_or(0.0)
    }

    /// Limits the size of what it writes from now on, or lifts the limit. For [`Process::spawn_limitable`].
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).expect("a process number"));
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).expect("a limit on a child of ours");
    }

    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.daemon.exited()
    }

    #[track_caller]
    pub fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        self.daemon.wait_exit(timeout)
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stdout).unwrap_or_default()).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }
}

/// GET, with an answer of any status, or why there is none.
pub fn get(url: &str) -> Result<Answer, String> {
    static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
    let agent = AGENT.get_or_init(|| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        config.timeout_global(Some(ANSWER_WITHIN)).max_idle_connections(0).build().new_agent()
    });
    let mut response = agent.get(url).call().map_err(|e| e.to_string())?;
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().map_err(|e| e.to_string())?;
    Ok(Answer { status, body })
}
