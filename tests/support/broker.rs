//! A real Apache Kafka broker: one KRaft process on this machine, broker and controller in one.
//!
//! `ORDERWATCH_TEST_BROKERS` replaces the shared broker by another one. A test that stops, kills or freezes its broker
//! takes `Broker::start()`, which is always a process of its own: nobody's cluster is stopped for a test, and where
//! there is no Java that test fails and says so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;
use tempfile::TempDir;

use super::daemon::{Daemon, free_port};
use super::jars;

/// How long a broker may take to answer; some 5 s on an idle machine with two cores.
const START_WITHIN: Duration = Duration::from_secs(90);
const STOP_WITHIN: Duration = Duration::from_secs(60);

pub struct Broker {
    addresses: String,
    own: Option<Own>,
}

/// Another port of a broker, which clients that come through it are told under another number: that of a proxy.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub port: u16,
    pub advertised: u16,
}

/// What belongs to a broker that the tests started.
struct Own {
    folder: TempDir,
    /// The flag that names the class archive.
    classes: Option<String>,
    jvm: Mutex<Option<Daemon>>,
}

impl Broker {
    /// The broker of this test binary, started at the first call: tests keep apart by the names of their topics.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("ORDERWATCH_TEST_BROKERS") {
            Ok(addresses) if !addresses.is_empty() => Broker::given(addresses),
            _ => Broker::start(),
        })
    }

    /// A broker of the test's own, which it may stop.
    pub fn start() -> Broker {
        Broker::start_with(&[])
    }

    /// As [`Broker::start`], with broker settings beside or instead of the usual ones.
    pub fn start_with(settings: &[(&str, &str)]) -> Broker {
        let broker = Broker::formatted(settings, &[], class_archive());
        broker.restart();
        broker
    }

    /// As [`Broker::start`], reached through proxies too.
    pub fn start_behind(listeners: &[Listener]) -> Broker {
        let broker = Broker::formatted(&[], listeners, class_archive());
        broker.restart();
        broker
    }

    /// A broker that has its folder and is not running yet.
    fn formatted(settings: &[(&str, &str)], listeners: &[Listener], archive: Option<&Path>) -> Broker {
        let port = free_port();
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the broker");
        let properties = server_properties(folder.path(), [port, free_port()], listeners, settings);
        std::fs::write(folder.path().join("server.properties"), properties).expect("the broker's settings");
        std::fs::write(folder.path().join("log4j2.properties"), include_str!("kafka/log4j2.properties")).expect("logs");
        let classes = archive.map(|path| format!("-XX:SharedArchiveFile={}", path.display()));
        let own = Own { folder, classes, jvm: Mutex::new(None) };
        format_storage(&own);
        Broker { addresses: format!("127.0.0.1:{port}"), own: Some(own) }
    }

    fn given(addresses: String) -> Broker {
        let broker = Broker { addresses, own: None };
        if let Err(reason) = broker.answers(Duration::from_secs(30)) {
            panic!("ORDERWATCH_TEST_BROKERS={}: it does not answer: {reason}", broker.addresses);
        }
        broker
    }

    /// For `bootstrap.servers`.
    pub fn addresses(&self) -> &str {
        &self.addresses
    }

    /// A client configuration that finds this broker and, after a stop, finds it again without delay.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.addresses);
        config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "200");
        config
    }

    /// Ends it in good order.
    pub fn stop(&self) {
        if let Some(mut jvm) = self.jvm().take() {
            jvm.signal(Signal::TERM);
            jvm.wait_exit(STOP_WITHIN);
        }
    }

    /// Ends it as a power cut does.
    pub fn kill(&self) {
        if let Some(mut jvm) = self.jvm().take() {
            jvm.kill();
        }
    }

    /// Leaves it with its connections open and silent, as a cut network does.
    pub fn freeze(&self) {
        self.jvm().as_ref().expect("a running broker").signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.jvm().as_ref().expect("a running broker").signal(Signal::CONT);
    }

    /// Starts it again after `stop` or `kill`, on the same port and data, and waits until it answers.
    pub fn restart(&self) {
        let folder = self.own().folder.path();
        let mut jvm = self.jvm();
        assert!(jvm.is_none(), "the broker is running: stop or kill it first");
        let mut command = java(self.own());
        command.arg("kafka.Kafka").arg(folder.join("server.properties"));
        let log = self.log();
        *jvm = Some(Daemon::spawn("the broker", command, &log, &log, Some(folder)));
        self.wait_until_it_answers(jvm.as_mut().expect("just started"));
    }

    fn wait_until_it_answers(&self, jvm: &mut Daemon) {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let answer = self.answers(Duration::from_millis(500));
            let Err(reason) = answer else { return };
            if let Some(status) = jvm.exited() {
                panic!("the broker ended ({status}) before it answered; it said:\n{}", jvm.tail());
            }
            if Instant::now() >= deadline {
                panic!("the broker has not answered after {START_WITHIN:?} ({reason}); it said:\n{}", jvm.tail());
            }
        }
    }

    /// Where it says what it does.
    pub fn log(&self) -> PathBuf {
        self.own().folder.path().join("broker.log")
    }

    /// Whether a request for metadata is answered within `timeout`.
    pub fn answers(&self, timeout: Duration) -> Result<(), String> {
        let client: BaseConsumer = self.client().create().expect("a Kafka client");
        let metadata = client.fetch_metadata(None, timeout).map_err(|e| e.to_string())?;
        if metadata.brokers().is_empty() { Err("its metadata names no broker".to_owned()) } else { Ok(()) }
    }

    fn jvm(&self) -> MutexGuard<'_, Option<Daemon>> {
        // A test that panicked while it held the lock has failed already; the others may go on.
        self.own().jvm.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    #[track_caller]
    fn own(&self) -> &Own {
        self.own.as_ref().expect(
            "this test stops or starts its broker and was given ORDERWATCH_TEST_BROKERS, which is not ours to stop: \
             take Broker::start() instead of Broker::shared()",
        )
    }
}

/// Starting is mostly loading classes. An archive of them, made once beside the jars by a broker that starts and stops,
/// halves it; where none comes about, brokers start without.
fn class_archive() -> Option<&'static Path> {
    static ARCHIVE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = ARCHIVE.get_or_init(|| {
        let archive = jars::folder().join("classes.jsa");
        let _lock = jars::lock();
        if !archive.exists() {
            let making = archive.with_extension("making");
            let mut broker = Broker::formatted(&[], &[], None);
            let own = broker.own.as_mut().expect("just made");
            own.classes = Some(format!("-XX:ArchiveClassesAtExit={}", making.display()));
            broker.restart();
            broker.stop();
            std::fs::rename(making, &archive).ok()?;
        }
        Some(archive)
    });
    made.as_deref()
}

/// Java as it starts quickly: this broker lives for seconds.
fn java(own: &Own) -> Command {
    let mut command = Command::new(jars::java());
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xlog:cds=off"]);
    command.args(&own.classes);
    command.arg(format!("-Dlog4j2.configurationFile={}", own.folder.path().join("log4j2.properties").display()));
    command.arg("-cp").arg(jars::folder().join("*"));
    command
}

fn format_storage(own: &Own) {
    let mut command = java(own);
    command.args(["kafka.tools.StorageTool", "format", "-t", "b3JkZXJ3YXRjaC10ZXN0cw", "-c"]);
    command.arg(own.folder.path().join("server.properties"));
    let output = command.output().unwrap_or_else(|e| panic!("java does not start ({e}): {}", jars::REMEDY));
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        panic!("the broker's storage cannot be formatted ({}):\n{}", output.status, String::from_utf8_lossy(&said));
    }
}

fn server_properties(
    folder: &Path,
    [port, controller]: [u16; 2],
    listeners: &[Listener],
    settings: &[(&str, &str)],
) -> String {
    let data: PathBuf = folder.join("data");
    let mut listens = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let mut advertised = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    for (n, listener) in listeners.iter().enumerate() {
        listens.push_str(&format!(",PROXY{n}://127.0.0.1:{}", listener.port));
        advertised.push_str(&format!(",PROXY{n}://127.0.0.1:{}", listener.advertised));
        protocols.push_str(&format!(",PROXY{n}:PLAINTEXT"));
    }
    let mut text = format!(
        "listeners={listens}\nadvertised.listeners={advertised}\nlistener.security.protocol.map={protocols}\n\
         inter.broker.listener.name=PLAINTEXT\ncontroller.quorum.voters=1@127.0.0.1:{controller}\nlog.dirs={}\n",
        data.display()
    );
    text.push_str(include_str!("kafka/server.properties"));
    // The last value of a key stands.
    for (key, value) in settings {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}
