//! What a bench's engine is set up with.

use std::sync::Arc;

use orderwatch::config;
use orderwatch::demo::log::TOPICS;
use orderwatch::domain::{Millis, Str, Timestamp};
use orderwatch::policy::{Policies, Settings};

/// `yaml`: policies.yaml.
pub fn policies(yaml: &str) -> Arc<Policies> {
    Arc::new(config::parse_policies("policies.yaml", yaml).expect("the bench's policies").0)
}

/// A replay's: nothing is left out, no grace, and orders are kept as long as where nothing else is configured.
pub fn settings() -> Settings {
    let days = |days: i64| Millis::from_secs(days * 86_400);
    Settings {
        streams: TOPICS.map(Str::new).into(),
        group_id: "bench".into(),
        entities: Default::default(),
        grace: Millis::ZERO,
        stock_grace: Millis::ZERO,
        retain_closed: days(30),
        remember_closed: days(90),
        max_open: days(180),
        backlog_grid: Millis::from_secs(10),
        publish_after: Timestamp::MIN,
        replay: Some("bench".into()),
    }
}
