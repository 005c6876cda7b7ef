//! A real S3 server: one S3Proxy process on this machine. It checks signatures, and a bucket is a folder.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::daemon::{Daemon, free_port};
use crate::support::{jars, process, unique, wait};

/// Some 2 s on an idle machine with two cores.
const START_WITHIN: Duration = Duration::from_secs(60);

/// The key that the server knows, and its secret.
pub const KEY: (&str, &str) = ("orderwatch", "a secret of the tests");

pub struct Server {
    pub port: u16,
    folder: TempDir,
    /// Killed when dropped.
    _jvm: Daemon,
}

impl Server {
    /// The server of this test binary, started at the first call; tests keep apart by their buckets.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Server::start)
    }

    fn start() -> Server {
        let port = free_port();
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the S3 server");
        let buckets = folder.path().join("buckets");
        std::fs::create_dir(&buckets).expect("a folder for the buckets");
        let settings = format!(
            "s3proxy.endpoint=http://127.0.0.1:{port}\ns3proxy.authorization=aws-v2-or-v4\n\
             s3proxy.identity={}\ns3proxy.credential={}\n\
             s3proxy.ignore-unknown-headers=true\n\
             jclouds.provider=filesystem\njclouds.filesystem.basedir={}\njclouds.identity=-\njclouds.credential=-\n",
            KEY.0,
            KEY.1,
            buckets.display()
        );
        let file = folder.path().join("s3proxy.conf");
        std::fs::write(&file, settings).expect("the S3 server's settings");
        let mut command = Command::new(jars::java());
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
        // Its standard error is made into log lines, which must not go there again.
        command.args(["-Dorg.slf4j.simpleLogger.logFile=System.out", "-cp"]).arg(jars::s3_folder().join("*"));
        command.args(["org.gaul.s3proxy.Main", "--properties"]).arg(file);
        let log = folder.path().join("s3proxy.log");
        let mut jvm = Daemon::spawn("the S3 server", command, &log, &log, Some(folder.path()));
        let started = wait::try_eventually(START_WITHIN, || match jvm.exited() {
            Some(status) => panic!("the S3 server ended ({status}); it said:\n{}", jvm.tail()),
            None => process::get(&format!("http://127.0.0.1:{port}/")),
        });
        started.unwrap_or_else(|e| panic!("the S3 server does not answer ({e}); it said:\n{}", jvm.tail()));
        Server { port, folder, _jvm: jvm }
    }

    /// Makes a bucket, and gives its name.
    pub fn bucket(&self) -> String {
        let name = unique("bucket");
        let folder = self.folder.path().join("buckets").join(&name);
        std::fs::create_dir(&folder).expect("a folder for the bucket");
        name
    }
}
