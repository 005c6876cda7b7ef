//! Every query of the dashboard returns data from a real Prometheus that scrapes `orderwatch demo`.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::daemon::{Daemon, free_port};
use support::monitoring::{Query, dashboard_queries, without_variables};
use support::process::get;
use support::{Process, Workdir, eventually};

/// Longer than anything here takes; the test ends the demo itself.
const DEMO_FOR: &str = "600s";
/// By then the demo has had its exceptions, snapshots and ended cycles, on a busy machine too.
const DATA_WITHIN: Duration = Duration::from_secs(180);

#[test]
fn every_panel_has_data_from_the_demo() {
    let workdir = Workdir::new();
    let mut demo = Process::spawn(&workdir, &["demo", "--for", DEMO_FOR, "--http", &workdir.listen()]);
    demo.wait_ready(Duration::from_secs(60));
    let prometheus = Prometheus::start(workdir.path(), &workdir.listen());

    for query in dashboard_queries() {
        eventually(DATA_WITHIN, &format!("{}: {}", query.place, query.expr), || prometheus.has_data(&query));
    }
    drop(demo);
}

struct Prometheus {
    daemon: Daemon,
    port: u16,
}

impl Prometheus {
    fn start(folder: &Path, target: &str) -> Prometheus {
        let port = free_port();
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             scrape_configs: [{{job_name: orderwatch, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(&config, text).expect("Prometheus' configuration");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--log.level=warn");
        let log = folder.join("prometheus.log");
        let mut prometheus = Prometheus { daemon: Daemon::spawn("prometheus", command, &log, &log, None), port };
        prometheus.wait_ready();
        prometheus
    }

    fn wait_ready(&mut self) {
        let url = format!("http://127.0.0.1:{}/-/ready", self.port);
        eventually(Duration::from_secs(60), "Prometheus to be ready", || {
            assert!(self.daemon.exited().is_none(), "Prometheus ended:\n{}", self.daemon.tail());
            let answer = get(&url)?;
            if answer.status == 200 { Ok(()) } else { Err(answer.body) }
        });
    }

    /// Whether the query has a sample that is a number, now or at some second of the last two minutes.
    fn has_data(&self, query: &Query) -> Result<(), String> {
        let expr = without_variables(&query.expr, "20s");
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs();
        let mut url = url::Url::parse(&format!("http://127.0.0.1:{}/api/v1/query_range", self.port)).expect("a URL");
        url.query_pairs_mut().extend_pairs([
            ("query", expr.as_str()),
            ("start", &(now - 120).to_string()),
            ("end", &now.to_string()),
            ("step", "1"),
        ]);
        let answer = get(url.as_str())?;
        let body: Value = serde_json::from_str(&answer.body).map_err(|e| format!("{e}: {}", answer.body))?;
        assert_eq!(body["status"], "success", "{}: {expr}: {body}", query.place);
        let series = body["data"]["result"].as_array().expect("a matrix");
        let samples = series.iter().flat_map(|one| one["values"].as_array().expect("samples"));
        let numbers = samples.filter(|sample| sample[1].as_str().is_some_and(|value| value != "NaN"));
        if numbers.count() > 0 { Ok(()) } else { Err(format!("no data in {} series", series.len())) }
    }
}
