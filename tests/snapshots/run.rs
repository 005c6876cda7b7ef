//! Whole runs whose snapshots lie in a bucket.

use std::time::Duration;

use crate::proxy::Proxy;
use crate::shop::{HOUR, MINUTE, Options, PATIENCE, Shop, assert_published_once, fates, now_ms, told, wait_for_truth};
use crate::support::{Broker, Process, Workdir, eventually};

const RUN: [&str; 3] = ["run", "--config", "orderwatch.yaml"];
/// What SIGTERM may take.
const LEAVES_WITHIN: Duration = Duration::from_secs(10);

/// A shop whose snapshots go through a proxy.
struct Stand {
    shop: Shop,
    proxy: Proxy,
}

impl Stand {
    fn new() -> Stand {
        let stand = Stand { shop: Shop::new(Broker::shared(), 2, &Options::default()), proxy: Proxy::start() };
        let folder = format!("file://{}/snapshots", stand.shop.workdir.path().display());
        let text = stand.shop.workdir.read("orderwatch.yaml").replace(&folder, &stand.proxy.url());
        stand.shop.workdir.write("orderwatch.yaml", text.replace("every: 2s", "every: 500ms"));
        stand
    }

    /// A process in a folder, which knows nothing of another one's.
    fn start(&self, workdir: &Workdir) -> Process {
        let environment = self.proxy.environment();
        let environment = environment.each_ref().map(|(key, value)| (*key, value.as_str()));
        let mut process = Process::spawn_with(workdir, &RUN, &environment);
        process.wait_ready(PATIENCE);
        process
    }

    fn tell(&self, part: &[(String, &'static str, i64)]) {
        self.shop.broker().producer().send_all(part.iter().map(|(order, kind, at)| self.shop.event(order, kind, *at)));
    }
}

/// Waits until more is published than at the call.
#[track_caller]
fn wait_for_more(shop: &Shop, before: usize) {
    eventually(PATIENCE, "more to be published", || match shop.history().len() {
        now if now > before => Ok(()),
        now => Err(format!("still {now}")),
    });
}

#[test]
fn a_run_goes_on_through_every_fault_of_its_bucket_and_another_machine_takes_over() {
    let stand = Stand::new();
    let (shop, proxy) = (&stand.shop, &stand.proxy);
    let fates = fates(200, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let parts: Vec<_> = told.chunks(told.len().div_ceil(5)).collect();
    let mut first = stand.start(&shop.workdir);
    stand.tell(parts[0]);
    first.wait_snapshots(2.0, PATIENCE);

    // Slower than the interval.
    let said = shop.history().len();
    proxy.set(|faults| faults.hold_parts = true);
    stand.tell(parts[1]);
    eventually(PATIENCE, "an upload that hangs", || if proxy.held() > 0 { Ok(()) } else { Err("none".to_owned()) });
    wait_for_more(shop, said);
    assert!(proxy.held() <= 2, "one upload of each shard at a time");
    let written = first.snapshots();
    proxy.set(|faults| faults.hold_parts = false);
    first.wait_snapshots(written + 1.0, PATIENCE);

    let said = shop.history().len();
    proxy.set(|faults| faults.expired = true);
    stand.tell(parts[2]);
    // Long after the last event was read: a shard whose snapshot failed is not idle.
    first.wait_metric("orderwatch_snapshot_failures_total", &[], PATIENCE, |n| n >= 10.0);
    wait_for_more(shop, said);
    let log = first.stderr();
    assert!(log.contains("snapshot failed; the one before stands") && log.contains("ExpiredToken"), "{log}");
    let written = first.snapshots();
    proxy.set(|faults| faults.expired = false);
    first.wait_snapshots(written + 2.0, PATIENCE);

    // Killed within an upload, while the list does not show the newest before it.
    proxy.set(|faults| (faults.hold_parts, faults.hide_newest) = (true, true));
    stand.tell(parts[3]);
    eventually(
        PATIENCE,
        "an upload to be killed in",
        || if proxy.held() > 0 { Ok(()) } else { Err("none".to_owned()) },
    );
    first.kill();
    proxy.set(|faults| faults.hold_parts = false);
    let elsewhere = shop.beside();
    let mut second = stand.start(&elsewhere);
    stand.tell(parts[4]);
    wait_for_truth(shop, &fates);
    assert_eq!(second.stderr().matches("snapshot loaded").count(), 2, "{}", second.stderr());
    assert_eq!(second.try_metric("orderwatch_snapshots_skipped_total", &[]), Some(0.0));
    assert_published_once(shop);

    // A hanging upload does not keep it from leaving.
    proxy.set(|faults| faults.hold_parts = true);
    stand.tell(&[("late".to_owned(), "order.cancelled", now_ms())]);
    eventually(PATIENCE, "an upload to leave in", || if proxy.held() > 0 { Ok(()) } else { Err("none".to_owned()) });
    assert!(second.terminate(LEAVES_WITHIN).success(), "{}", second.stderr());
    proxy.set(|faults| faults.hold_parts = false);
}

#[test]
fn a_restore_waits_for_its_bucket_while_the_other_shards_go_on() {
    let stand = Stand::new();
    let (shop, proxy) = (&stand.shop, &stand.proxy);
    let fates = fates(100, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let (earlier, later) = told.split_at(told.len() / 2);
    let mut first = stand.start(&shop.workdir);
    let elsewhere = shop.beside();
    let mut second = stand.start(&elsewhere);
    stand.tell(earlier);
    for process in [&first, &second] {
        process.wait_metric("orderwatch_shards", &[("state", "running")], PATIENCE, |n| n == 1.0);
        process.wait_snapshots(1.0, PATIENCE);
    }

    proxy.set(|faults| faults.expired = true);
    first.kill();
    eventually(PATIENCE, "the restore that waits", || {
        assert!(second.exited().is_none(), "it has ended: {}", second.stderr());
        let log = second.stderr();
        if log.contains("its restore waits") && log.contains("ExpiredToken") { Ok(()) } else { Err(log) }
    });
    let said = shop.history().len();
    stand.tell(later);
    wait_for_more(shop, said);
    assert_eq!(second.metric("orderwatch_shards", &[("state", "running")]), 1.0);

    proxy.set(|faults| faults.expired = false);
    wait_for_truth(shop, &fates);
    assert_published_once(shop);
    assert!(second.stderr().contains("snapshot loaded"), "{}", second.stderr());
}
