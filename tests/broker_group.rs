//! Several processes of one group against a real broker: rolling restarts, takeovers, spares, zombies, static members.

mod shop;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use shop::members::{RUN, readiness, shared, wait_shared};
use shop::{HOUR, MINUTE, Options, PATIENCE, Shop, assert_published_once, fates, now_ms, told, wait_for_truth};
use support::{Broker, Process, Workdir, eventually};

/// What SIGTERM may take.
const LEAVES_WITHIN: Duration = Duration::from_secs(10);
/// Longer than a zombie's session (3 s), its open transaction (10 s) and the broker's look at it (1 s).
const LONGER_THAN_A_TRANSACTION_MS: i64 = 13_000;

type Told = (String, &'static str, i64);

fn send(shop: &Shop, events: &[Told]) {
    shop.broker().producer().send_all(events.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
}

fn wait_until(at_ms: i64) {
    eventually(PATIENCE, "time to pass", || if now_ms() >= at_ms { Ok(()) } else { Err("not yet".to_owned()) });
}

/// Three processes on two shards: one is spare. Each is restarted in its turn, the last two are killed.
fn rolls_and_fails_over(properties: &'static str) {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 2, &Options { properties, ..Options::default() });
    let fates = fates(200, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let mut parts = told.chunks(told.len().div_ceil(5));
    let mut send_some = || send(&shop, parts.next().unwrap_or_default());

    let others = [shop.beside(), shop.beside()];
    let dirs: [&Workdir; 3] = [&shop.workdir, &others[0], &others[1]];
    let mut processes = dirs.map(|dir| Process::ready(dir, &RUN, PATIENCE));
    let held = wait_shared(&shop, &processes.each_ref());
    let spare = held.iter().position(BTreeSet::is_empty).expect("three members, two shards");
    eventually(PATIENCE, "the spare to say so", || {
        let body = readiness(&processes[spare])?;
        let said = processes[spare].stderr().matches("this member holds no shard").count();
        let noted = body["notes"]["spare"].as_str().unwrap_or_default().contains("takes over when one goes");
        // Once each time that it is one: while the third joins, a shard may go round by way of the one that was spare before.
        let is_said = (1..=2).contains(&said);
        if noted && body["ready"] == true && is_said { Ok(()) } else { Err(format!("{said} lines, {body}")) }
    });

    for n in 0..3 {
        send_some();
        assert!(processes[n].terminate(LEAVES_WITHIN).success(), "{}", processes[n].stderr());
        processes[n] = Process::ready(dirs[n], &RUN, PATIENCE);
        wait_shared(&shop, &processes.each_ref());
    }
    let [mut first, mut second, mut third] = processes;
    for victim in [&mut first, &mut second] {
        send_some();
        victim.kill();
    }
    wait_shared(&shop, &[&third]);
    wait_for_truth(&shop, &fates);
    assert_published_once(&shop);
    assert!(readiness(&third).expect("an answer")["notes"]["spare"].is_null(), "it holds shards now");
    assert!(third.terminate(LEAVES_WITHIN).success(), "{}", third.stderr());
}

#[test]
fn shards_move_in_rolling_restarts_and_after_kills() {
    rolls_and_fails_over(Options::default().properties);
}

#[test]
fn shards_move_under_the_next_group_protocol_too() {
    rolls_and_fails_over("group.protocol: consumer");
}

/// What stood still for longer than its session and its transaction is a zombie when it goes on: it may commit nothing.
fn comes_back_from_the_dead(orders: usize, every_ms: i64, falls: impl Fn(&Shop, &Process)) {
    let broker = Broker::shared();
    let shop = Shop::new(broker, 4, &Options::default());
    let other = shop.beside();
    let fates = fates(orders, now_ms() - 24 * HOUR, every_ms);
    let told = told(&fates);
    let (earlier, later) = told.split_at(told.len() * 3 / 4);
    let mut zombie = shop.start();
    let mut heir = Process::ready(&other, &RUN, PATIENCE);
    wait_shared(&shop, &[&zombie, &heir]);
    send(&shop, earlier);
    falls(&shop, &zombie);
    zombie.freeze();
    let fell = now_ms();
    wait_shared(&shop, &[&heir]);
    send(&shop, later);
    wait_for_truth(&shop, &fates);
    let before = shop.history().len();
    wait_until(fell + LONGER_THAN_A_TRANSACTION_MS);

    zombie.thaw();
    eventually(PATIENCE, "it to be a member again", || {
        // Amid a commit it cannot know what became of that, and ends: whoever looks after it starts it again.
        if let Some(status) = zombie.exited() {
            assert_eq!(status.code(), Some(1), "{}", zombie.stderr());
            zombie = shop.start();
        }
        // It may still say what it had, and end a moment later.
        let held = shared(&shop, &[&zombie, &heir])?;
        if held.iter().any(|shards| shards.is_empty()) { Err("one has no shard".to_owned()) } else { Ok(()) }
    });
    assert_eq!(shop.history().len(), before, "it has said nothing stale");
    // What comes now is judged by both, once.
    let more = shop::fates(40, now_ms() - 12 * HOUR, MINUTE);
    let more: Vec<_> = more.into_iter().map(|fate| shop::Fate { id: format!("new-{}", fate.id), ..fate }).collect();
    send(&shop, &shop::told(&more));
    let all: Vec<_> = fates.into_iter().chain(more).collect();
    wait_for_truth(&shop, &all);
    assert_published_once(&shop);
    for process in [&mut zombie, &mut heir] {
        assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
    }
}

#[test]
fn a_zombie_that_comes_back_says_nothing_stale() {
    comes_back_from_the_dead(200, MINUTE, |shop, zombie| {
        // It rests: all was read, and it waits for more.
        zombie.wait_metric("orderwatch_input_lag_records", &[], PATIENCE, |lag| lag == 0.0);
        eventually(PATIENCE, "something to be said", || {
            if shop.history().is_empty() { Err("nothing yet".to_owned()) } else { Ok(()) }
        });
    });
}

#[test]
fn a_zombie_from_the_middle_of_a_catch_up_says_nothing_stale() {
    comes_back_from_the_dead(6_000, 10_000, |_, zombie| {
        zombie.wait_metric("orderwatch_exceptions_total", &[], PATIENCE, |n| n > 0.0);
    });
}

#[test]
fn a_loop_that_stood_longer_than_the_poll_interval_joins_again() {
    const INTERVAL_MS: i64 = 3_000;
    let broker = Broker::shared();
    let properties = "session.timeout.ms: \"3000\", heartbeat.interval.ms: \"300\", max.poll.interval.ms: \"3000\"";
    let shop = Shop::new(broker, 2, &Options { properties, ..Options::default() });
    let fates = fates(200, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let (earlier, later) = told.split_at(told.len() / 2);
    let mut process = shop.start();
    send(&shop, earlier);
    process.wait_metric("orderwatch_exceptions_total", &[], PATIENCE, |n| n > 0.0);
    process.freeze();
    wait_until(now_ms() + 2 * INTERVAL_MS);
    send(&shop, later);
    process.thaw();
    wait_for_truth(&shop, &fates);
    wait_shared(&shop, &[&process]);
    let said = process.stderr();
    assert!(said.matches("shards assigned").count() > 1, "it joined again: {said}");
    assert_published_once(&shop);
    assert!(process.terminate(LEAVES_WITHIN).success(), "{}", process.stderr());
}

#[test]
fn a_static_member_finds_its_shards_waiting() {
    let broker = Broker::shared();
    let properties = "session.timeout.ms: \"45000\", heartbeat.interval.ms: \"300\", group.instance.id: one";
    let shop = Shop::new(broker, 4, &Options { properties, ..Options::default() });
    let other = shop.beside();
    let two = other.read("orderwatch.yaml").replace("group.instance.id: one", "group.instance.id: two");
    other.write("orderwatch.yaml", two);
    let fates = fates(200, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let (earlier, later) = told.split_at(told.len() / 2);
    let mut first = shop.start();
    let mut second = Process::ready(&other, &RUN, PATIENCE);
    let held = wait_shared(&shop, &[&first, &second]);
    let assigned = |process: &Process| process.stderr().matches("shards assigned").count();
    let before = assigned(&second);
    send(&shop, earlier);

    // A rolling restart moves nothing.
    assert!(first.terminate(LEAVES_WITHIN).success(), "{}", first.stderr());
    assert!(first.stderr().contains("the group keeps our shards"), "{}", first.stderr());
    send(&shop, later);
    let mut first = shop.start();
    assert_eq!(wait_shared(&shop, &[&first, &second]), held);
    wait_for_truth(&shop, &fates);
    assert_eq!(assigned(&second), before, "the other's shards stayed where they were: {}", second.stderr());
    assert_eq!(assigned(&first), 1);

    // SIGINT leaves for good, without a wait for the session.
    first.interrupt();
    assert!(first.wait_exit(LEAVES_WITHIN).success(), "{}", first.stderr());
    wait_shared(&shop, &[&second]);

    // Two with one name: the one before ends, and says why.
    let impostor = shop.beside();
    impostor.write("orderwatch.yaml", other.read("orderwatch.yaml").replace(&other.listen(), &impostor.listen()));
    let third = Process::ready(&impostor, &RUN, PATIENCE);
    assert_eq!(second.wait_exit(PATIENCE).code(), Some(1));
    assert!(second.stderr().contains("another process has the same group.instance.id"), "{}", second.stderr());
    wait_shared(&shop, &[&third]);
    assert_published_once(&shop);
}
