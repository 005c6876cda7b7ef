//! The jars of the servers that the tests start, fetched once by Maven into cargo's target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Each names a server's version; the cache holds a copy, so that an edit here fetches anew.
const BROKER: &str = include_str!("kafka/pom.xml");
const BUCKETS: &str = include_str!("s3/pom.xml");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// What to do when something is missing; every message about it ends with this.
pub const REMEDY: &str = "run tests/support/prepare.sh, which installs or names what is missing";

/// The folder with the broker's jars. Test binaries and work trees that come at the same time wait for the first one's
/// fetch.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| cached("kafka", BROKER))
}

/// The same for the S3 server.
pub fn s3_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| cached("s3proxy", BUCKETS))
}

fn cached(server: &str, pom: &'static str) -> PathBuf {
    let cache = target().join(format!("{server}-{}", version_of(server, pom)));
    let _lock = lock();
    if !fs::read_to_string(cache.join("pom.xml")).is_ok_and(|held| held == pom) {
        fetch(&cache, pom);
    }
    cache
}

/// Holds the folders for their one change until the lock is dropped; other processes wait for it.
pub fn lock() -> File {
    let lock = File::create(target().join("kafka.lock")).expect("the target folder can be written");
    lock.lock().expect("a lock on the jars' folder");
    lock
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp has a parent")
}

/// The server's version as its pom says it.
fn version_of(server: &str, pom: &'static str) -> &'static str {
    let after = pom.split_once(&format!("<{server}.version>")).expect("the pom names the version").1;
    after.split_once("</").expect("a closed tag").0
}

fn fetch(cache: &Path, text: &str) {
    let _ = fs::remove_dir_all(cache);
    fs::create_dir_all(cache).expect("the jars' folder can be made");
    let pom = cache.join("fetching.xml");
    fs::write(&pom, text).expect("the pom can be written");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(&pom).args([COPY, "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", cache.display()));
    let output = maven.output().unwrap_or_else(|e| panic!("mvn does not start ({e}): {REMEDY}"));
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let errors: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).take(5).collect();
        panic!("mvn cannot fetch {} ({}):\n{}", cache.display(), output.status, errors.join("\n"));
    }
    // Last, so that a fetch cut short leaves no cache that looks whole.
    fs::rename(&pom, cache.join("pom.xml")).expect("the jars' folder can be written");
}

/// The `java` to run: of JAVA_HOME, else of PATH.
pub fn java() -> PathBuf {
    let of_home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    of_home.filter(|java| java.exists()).unwrap_or_else(|| PathBuf::from("java"))
}
