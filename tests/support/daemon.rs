//! A child process that never outlives the test: killed when dropped, and by a guardian when the test process itself
//! is killed or ends without dropping its statics (as the shared broker's is).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait::try_eventually;

pub struct Daemon {
    name: String,
    child: Child,
    guardian: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with standard output in `stdout` and standard error in `log`, both appended to, so that what a
    /// process said before a restart is kept. `scratch` is removed when the test process ends without dropping this.
    pub fn spawn(name: &str, mut command: Command, stdout: &Path, log: &Path, scratch: Option<&Path>) -> Daemon {
        use std::os::unix::process::CommandExt;
        // A process group of its own: a Ctrl-C at the terminal reaches the test, and the guardian does the rest.
        command.stdin(Stdio::null()).stdout(append(stdout)).stderr(append(log)).process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} does not start: {command:?}: {e}"));
        let guardian = guard(child.id(), scratch);
        Daemon { name: name.to_owned(), child, guardian, log: log.to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|e| panic!("{}: {signal:?} to process {pid:?}: {e}", self.name));
    }

    /// The exit status if it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("{}: waiting for it: {e}", self.name))
    }

    #[track_caller]
    pub fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        let ended = try_eventually(timeout, || self.exited().ok_or_else(|| "still running".to_owned()));
        ended
            .unwrap_or_else(|_| panic!("{} has not ended after {timeout:?}; it last said:\n{}", self.name, self.tail()))
    }

    pub fn kill(&mut self) {
        // An error here means that it has ended already, which is what was asked for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The end of what it wrote to standard error.
    pub fn tail(&self) -> String {
        tail(&self.log, 60)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The guardian first: once the child is reaped its number may be given to a stranger.
        let _ = self.guardian.kill();
        let _ = self.guardian.wait();
        self.kill();
    }
}

/// Waits on a pipe whose other end this process holds: however this process ends, the pipe closes, and the guardian
/// kills `pid` and removes `scratch`.
fn guard(pid: u32, scratch: Option<&Path>) -> Child {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"read -r _; kill -9 "$1" 2>/dev/null; [ -z "$2" ] || rm -rf "$2""#, "guardian"]);
    command.arg(pid.to_string()).arg(scratch.unwrap_or(Path::new("")));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().expect("/bin/sh starts")
}

fn append(path: &Path) -> File {
    let opened = File::options().create(true).append(true).open(path);
    opened.unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()))
}

/// The last `lines` lines of a file, for error messages.
pub fn tail(path: &Path, lines: usize) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A TCP port that nobody listens on. Outside the range from which the system gives out ports for connections, so that
/// none of those takes it while a broker is down between stop and restart.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    for _ in 0..1_000 {
        // Spread by process: test binaries of several work trees may run at once.
        let candidate = FIRST + (std::process::id().wrapping_mul(131).wrapping_add(super::serial())) % COUNT;
        let port = u16::try_from(candidate).expect("below 32,000");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free TCP port from {FIRST} to {}", FIRST + COUNT);
}
