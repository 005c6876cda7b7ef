use std::sync::Arc;

use super::*;
use crate::config::Config;
use crate::domain::Millis;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// Two partitions of stock, after one stream of orders.
struct Scene {
    config: Config,
    wire: Wire,
    inventory: Inventory,
    sum: BacklogSum,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text =
            "kafka: {brokers: b}\nstreams: [{topic: orders}, {topic: stock, key: sku}]\npolicies: policies.yaml\n";
        let checks = "checks: [{check: oversold, severity: info, owner: a, route: b, expected_outcome: c}]\n";
        std::fs::write(dir.path().join("orderwatch.yaml"), text).unwrap();
        std::fs::write(dir.path().join("policies.yaml"), checks).unwrap();
        let (config, _) = Config::load(&dir.path().join("orderwatch.yaml")).unwrap();
        let (wire, inventory) = (Wire::new(&config, 1 << 20), Inventory::new(1, &[("stock".into(), 2)]));
        let sum = BacklogSum::new(Arc::clone(&config.policies), Arc::new(config.settings()));
        let mut scene = Scene { config, wire, inventory, sum };
        scene.inventory.begin_anew();
        scene
    }

    /// As another process begins, with what was remembered.
    fn move_sum(&mut self, memory: Vec<crate::engine::MemoryRecord>) {
        self.sum = BacklogSum::new(Arc::clone(&self.config.policies), Arc::new(self.config.settings()));
        memory.iter().filter_map(|m| m.value.as_ref()).for_each(|value| self.sum.restore_memory(value).unwrap());
        self.inventory.begin_anew();
    }

    fn read(&mut self, partition: i32, offset: i64, key: &str) {
        let input = InputPartition { stream: StreamId(1), partition };
        let value = format!(r#"{{"event_id":"{offset}","sku":"A","type":"stock.level","available":1}}"#);
        let record = Fetched::bare(input, offset, Some(NOW)).with_value(key.as_bytes(), Some(value.as_bytes()));
        self.inventory.take(Found::Record(Box::new(record)), &mut self.sum, &self.wire, NOW);
    }

    fn ends(&mut self, partition: i32, end: i64) -> Option<Timestamp> {
        let input = InputPartition { stream: StreamId(1), partition };
        self.inventory.ends(input, Ends { high: end, stable: end }, Some(NOW + Millis::from_secs(60)));
        self.inventory.advance(&mut self.sum, &self.wire);
        self.inventory.frontier()
    }
}

#[test]
fn every_partition_is_waited_for() {
    let mut scene = Scene::new();
    scene.read(0, 0, "A");
    assert_eq!(scene.ends(0, 1), None);
    assert_eq!(scene.ends(1, 3), None, "three records are not read");
    assert_eq!(scene.inventory.held().unwrap(), "stock/1 (behind)");
    let input = InputPartition { stream: StreamId(1), partition: 1 };
    scene.inventory.take(Found::At(input, 3), &mut scene.sum, &scene.wire, NOW);
    assert_eq!(scene.ends(1, 3), Some(NOW + Millis::from_secs(60)), "they were markers, or are gone");
    assert_eq!(scene.inventory.positions().iter().map(|(_, next)| *next).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn what_tells_of_no_stock_is_a_dead_letter_once() {
    let mut scene = Scene::new();
    scene.read(0, 0, "A");
    scene.read(0, 1, "B");
    scene.read(7, 0, "A");
    assert_eq!(scene.inventory.letters().len(), 1, "a partition that is none is nothing");
    scene.inventory.aborted();
    scene.read(1, 0, "B");
    assert_eq!(scene.inventory.letters().len(), 2, "the transaction was aborted");
    let memory = scene.sum.drain_memory();
    scene.inventory.committed();
    assert!(!scene.inventory.has_letters());
    scene.move_sum(memory);
    for (partition, offset, key) in [(0, 0, "A"), (0, 1, "B"), (1, 0, "B"), (1, 1, "C")] {
        scene.read(partition, offset, key);
    }
    let letters = scene.inventory.letters();
    assert_eq!(letters.len(), 1, "what was told is not told again");
    let header = letters[0].headers.iter().find(|(name, _)| name == "orderwatch-offset").unwrap();
    assert_eq!(header.1.as_deref(), Some(&b"1"[..]));
}
