//! A shard to take snapshots of.

use std::sync::Arc;

use orderwatch::domain::{Millis, Timestamp};
use orderwatch::engine::{RestoredOrder, Shard, Tombstone};
use orderwatch::policy::Settings;

/// A shard of the group `shop` that remembers so many closed orders and holds no open one.
pub fn shard(partition: i32, remembered: u64) -> Shard {
    let settings = Settings {
        streams: vec!["orders".into()],
        group_id: "shop".into(),
        entities: Default::default(),
        grace: Millis::ZERO,
        stock_grace: Millis::ZERO,
        retain_closed: Millis::from_secs(3600),
        remember_closed: Millis::from_secs(3600),
        max_open: Millis::from_secs(3600),
        backlog_grid: Millis::from_secs(10),
        publish_after: Timestamp::MIN,
        replay: None,
    };
    let mut shard = Shard::new(partition, Arc::default(), Arc::new(settings));
    shard.mute();
    for n in 0..remembered {
        let closed_at = Timestamp::from_millis(n as i64);
        shard.restore_order(RestoredOrder::Tombstone(Tombstone::of("order", &format!("o-{n}"), closed_at)));
    }
    shard
}
