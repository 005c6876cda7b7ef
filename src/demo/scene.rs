//! What the demo sets up: a broker inside this process, topics, a directory with a configuration like any other.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use tempfile::TempDir;

use crate::config::{Config, ConfigErrors};
use crate::domain::Millis;
use crate::kafka::in_process::{InProcessBroker, InProcessError};

use super::log::TOPICS;
use super::office::{CHECKOUTS, INVENTORY};

/// One minute of the shop, in milliseconds: the shop lives at 60x.
pub const MINUTE: Millis = Millis::new(1000);
/// Partitions of every topic.
pub const PARTITIONS: i32 = 3;
/// The histories: what the demo prints.
pub const HISTORIES: [&str; 3] = ["sla-exceptions", "backlog-exceptions", "reconciliation-exceptions"];

/// Why there is no scene.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The in-process broker.
    #[error(transparent)]
    Broker(#[from] InProcessError),
    /// The temporary directory.
    #[error("the demo's directory cannot be written")]
    Directory(#[from] std::io::Error),
    /// The demo's own configuration.
    #[error("the demo's configuration is wrong: {0}")]
    Config(ConfigErrors),
}

/// The scene. The broker and the directory end with it.
pub struct Scene {
    /// The broker.
    pub broker: InProcessBroker,
    /// Where `/metrics` is.
    pub http: SocketAddr,
    dir: TempDir,
}

impl Scene {
    /// Sets everything up, with these policies. `listen` is where HTTP is served; where that is taken, a free port is.
    ///
    /// # Errors
    /// The broker does not start, or the directory cannot be written.
    pub fn set(listen: SocketAddr, policies: &str) -> Result<Self, SceneError> {
        let broker = InProcessBroker::start()?;
        // The broker has no CreateTopics for orderwatch to ask, so all topics are there before it comes.
        for topic in
            TOPICS.iter().chain(&HISTORIES).chain(&["exceptions-current", "dead-letters", CHECKOUTS, INVENTORY])
        {
            broker.create_topic(topic, PARTITIONS)?;
        }
        for topic in ["orderwatch-control", "orderwatch-control-partials"] {
            broker.create_topic(topic, 1)?;
        }
        let http = match TcpListener::bind(listen) {
            Ok(listener) => listener.local_addr()?,
            Err(_) => TcpListener::bind(SocketAddr::new(listen.ip(), 0))?.local_addr()?,
        };
        let dir = TempDir::with_prefix("orderwatch-demo-")?;
        let scene = Scene { broker, http, dir };
        std::fs::write(scene.config_path(), scene.yaml())?;
        std::fs::write(scene.dir.path().join("policies.yaml"), policies)?;
        Ok(scene)
    }

    /// The configuration's path.
    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("orderwatch.yaml")
    }

    /// The configuration, read as `run` reads it.
    ///
    /// # Errors
    /// It is wrong.
    pub fn config(&self) -> Result<Config, SceneError> {
        Config::load(&self.config_path()).map(|(config, _)| config).map_err(SceneError::Config)
    }

    /// Ends it without a word: threads of orderwatch may still be letting go of the broker, and would log that it has gone.
    /// So it stays until the process ends.
    pub fn end(self) {
        std::mem::forget(self.broker);
    }

    fn yaml(&self) -> String {
        let streams: String = TOPICS.iter().map(|topic| format!("  - {{topic: {topic}, format: json}}\n")).collect();
        format!(
            "kafka: {{brokers: \"{}\", group_id: demo}}\nstreams:\n{streams}  - {{topic: {CHECKOUTS}, format: json, entity: checkout}}\n  - {{topic: {INVENTORY}, format: json, key: sku}}\ngrace: 500ms\nbacklog_grid: 1s\n\
             start: {{publish_after: 2000-01-01T00:00:00Z}}\n\
             snapshots: {{url: \"file://{}/snapshots\"}}\nhttp: {{listen: \"{}\"}}\npolicies: policies.yaml\n",
            self.broker.address(),
            self.dir.path().display(),
            self.http,
        )
    }
}
