//! One run: a shop, a broker, some processes, and faults, stepped in an order that the seed decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::config::{Config, Delivery};
use crate::domain::{StreamId, Timestamp};
use crate::engine::clock::CLOCK_HOLD;
use crate::kafka::InputPartition;
use crate::kafka::source::GroupChange;
use crate::policy::Settings;

use super::broker::{Broker, Member};
use super::oracle::{Check, Rules, Sla, Target};
use super::process::{Process, Stepped, Surroundings};
use super::rng::Rng;
use super::shelf::Shelf;
use super::shop::{MINUTE, SECOND, Shop, TOPICS};
use super::truth::{Aftermath, Batches};

/// When every run begins.
const BEGAN: i64 = 1_800_000_000_000;
/// A transaction that is open for longer is aborted by its coordinator.
const TRANSACTION_TIMEOUT: i64 = 5 * SECOND;

const CONFIG: &str = "
kafka: {brokers: none, group_id: sim}
streams: [{topic: orders}, {topic: payments}, {topic: fulfillments}]
delivery: exactly_once
grace: 2s
start: {publish_after: 2000-01-01T00:00:00Z}
retain_closed: 4m
remember_closed: 3m
max_open: 12m
policies: policies.yaml
";

const POLICIES: &str = r#"
slas:
  - {id: paid, start: order.placed, stop: order.paid_in_full, cancel_on: [order.cancelled],
     pause: {from: order.held, until: order.released}, target: 1m, warn_at: [50%, 80%], escalate_after: [30s, 2m],
     severity: critical, owner: o, route: r, expected_outcome: e}
  - {id: shipped, when: 'order.attributes.channel == "web"', start: order.paid_in_full, stop: order.fully_shipped,
     cancel_on: [order.cancelled], target: 90s, warn_at: [80%], escalate_after: [1m],
     severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: last-parcel, start: order.placed, stop: {milestone: fulfillment.shipped, occurrence: last}, target: 2m,
     severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: promised, start: order.placed, stop: order.fully_shipped, cancel_on: [order.cancelled],
     target: promised_ship_by, warn_at: [50%], severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: each-parcel, scope: fulfillment, start: order.placed, stop: fulfillment.shipped, cancel_on: [order.cancelled],
     target: 70s, warn_at: [50%], escalate_after: [1m], severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: each-hold, each: true, start: order.held, stop: order.released, cancel_on: [order.cancelled, order.completed],
     target: 30s, warn_at: [50%], escalate_after: [30s], severity: warning, owner: o, route: r, expected_outcome: e}
checks:
  - {check: amount_mismatch, settle: 20s, severity: warning, owner: o, route: r, expected_outcome: e}
  - {check: shipped_before_payment, settle: 10s, severity: warning, owner: o, route: r, expected_outcome: e}
"#;

/// The same policies in the oracle's words.
fn rules() -> Rules {
    let sla = |id: &str, start: &str, stop: &str, target| Sla {
        id: id.to_owned(),
        when: None,
        start: start.to_owned(),
        stop: stop.to_owned(),
        stop_last: false,
        cancel_on: vec!["order.cancelled".to_owned()],
        pause: None,
        target,
        warn_at: Vec::new(),
        escalate_after: Vec::new(),
        grace: 2 * SECOND,
        by_parcel: false,
        each: false,
    };
    let slas = vec![
        Sla {
            pause: Some(("order.held".to_owned(), "order.released".to_owned())),
            warn_at: vec![50, 80],
            escalate_after: vec![30 * SECOND, 2 * MINUTE],
            ..sla("paid", "order.placed", "order.paid_in_full", Target::Duration(MINUTE))
        },
        Sla {
            when: Some(("channel".to_owned(), "web".to_owned())),
            warn_at: vec![80],
            escalate_after: vec![MINUTE],
            ..sla("shipped", "order.paid_in_full", "order.fully_shipped", Target::Duration(90 * SECOND))
        },
        Sla {
            stop_last: true,
            cancel_on: Vec::new(),
            ..sla("last-parcel", "order.placed", "fulfillment.shipped", Target::Duration(2 * MINUTE))
        },
        Sla { warn_at: vec![50], ..sla("promised", "order.placed", "order.fully_shipped", Target::PromisedShipBy) },
        Sla {
            by_parcel: true,
            warn_at: vec![50],
            escalate_after: vec![MINUTE],
            ..sla("each-parcel", "order.placed", "fulfillment.shipped", Target::Duration(70 * SECOND))
        },
        Sla {
            each: true,
            cancel_on: vec!["order.cancelled".to_owned(), "order.completed".to_owned()],
            warn_at: vec![50],
            escalate_after: vec![30 * SECOND],
            ..sla("each-hold", "order.held", "order.released", Target::Duration(30 * SECOND))
        },
    ];
    let (tolerance, grace) = (0, 2 * SECOND);
    let checks = vec![
        Check::AmountMismatch { id: "amount-mismatch".to_owned(), tolerance, settle: 20 * SECOND, grace },
        Check::ShippedBeforePayment { id: "shipped-before-payment".to_owned(), settle: 10 * SECOND, grace },
    ];
    Rules { slas, checks, retain_closed: 4 * MINUTE, remember_closed: 3 * MINUTE, max_open: 12 * MINUTE }
}

pub fn config() -> &'static Config {
    static CONFIG_READ: OnceLock<Config> = OnceLock::new();
    CONFIG_READ.get_or_init(|| {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("orderwatch.yaml");
        fs::write(&path, CONFIG).expect("written");
        fs::write(folder.path().join("policies.yaml"), POLICIES).expect("written");
        Config::load(&path).expect("a good configuration").0
    })
}

/// What a run meets.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub delivery: Delivery,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub steps: usize,
    pub crashes: usize,
    pub rebalances: usize,
    pub cuts: usize,
    pub states: usize,
    pub batches: usize,
}

struct World {
    rng: Rng,
    around: Surroundings,
    shop: Shop,
    processes: BTreeMap<Member, Process>,
    /// Processes that stand still until then; the group gives their shards away meanwhile.
    paused: BTreeMap<Member, i64>,
    next_member: Member,
    outcome: Outcome,
    clocks_jump: bool,
}

/// Runs a scenario to its end and holds what it left behind against the truth.
///
/// # Errors
/// What is wrong, in words.
pub fn run(scenario: Scenario) -> Result<Outcome, String> {
    let mut world = World::new(scenario);
    world.live();
    world.settle()?;
    world.check()?;
    // Nobody remembers anything but the log and the snapshots.
    world.crash_all();
    world.settle()?;
    world.check()?;
    Ok(world.outcome)
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let mut rng = Rng::new(scenario.seed);
        let partitions = rng.between(1, 3) as i32;
        let orders = 2 + rng.below(5);
        let shop = Shop::new(&mut rng, orders, partitions, BEGAN);
        let config = Arc::new(Config { delivery: scenario.delivery, ..config().clone() });
        let publish_after = config.start.publish_after.expect("the configuration names it");
        let settings = Arc::new(Settings { publish_after, ..config.settings() });
        let broker = RefCell::new(Broker::new(BEGAN));
        let around = Surroundings {
            broker,
            shelf: Shelf::default(),
            config,
            settings,
            batches: RefCell::new(Batches::default()),
            base: Instant::now(),
            began: BEGAN,
        };
        let clocks_jump = rng.chance(15);
        World {
            rng,
            around,
            shop,
            processes: BTreeMap::new(),
            paused: BTreeMap::new(),
            next_member: 1,
            outcome: Outcome::default(),
            clocks_jump,
        }
    }

    /// The time in which everything may happen.
    fn live(&mut self) {
        let until = BEGAN + 14 * MINUTE;
        self.start_a_process();
        while self.now() < until {
            self.outcome.steps += 1;
            let by = match self.rng.below(40) {
                0 => self.rng.between(0, 12 * SECOND),
                n if n < 10 => self.rng.between(0, 1_500),
                _ => self.rng.between(0, 120),
            };
            self.pass_time(by);
            self.step();
        }
    }

    fn now(&self) -> i64 {
        self.around.broker.borrow().now
    }

    fn pass_time(&mut self, by: i64) {
        let mut broker = self.around.broker.borrow_mut();
        broker.now += by;
        self.shop.produce(&mut self.rng, &mut broker);
    }

    fn step(&mut self) {
        match self.rng.below(400) {
            0 => self.crash_one(),
            1 => self.start_a_process(),
            2 => self.rebalance(),
            3 => self.pause_one(),
            4 => {
                let now = self.now();
                self.around.broker.borrow_mut().expire(now - TRANSACTION_TIMEOUT);
            }
            5 => self.compact(),
            6 if self.rng.chance(20) => self.around.shelf.clear(),
            7 if self.clocks_jump => self.jump_a_clock(),
            8 => self.cut(),
            9..60 => self.around.broker.borrow_mut().deliver_a_marker(&mut self.rng),
            _ => self.step_a_process(),
        }
        if self.processes.is_empty() && self.rng.chance(5) {
            self.start_a_process();
        }
    }

    fn awake(&self) -> Vec<Member> {
        let now = self.now();
        let is_awake = |member: &&Member| self.paused.get(*member).is_none_or(|until| *until <= now);
        self.processes.keys().filter(is_awake).copied().collect()
    }

    fn step_a_process(&mut self) {
        let Some(member) = self.rng.pick(&self.awake()).copied() else { return };
        let Some(process) = self.processes.get_mut(&member) else { return };
        if process.step(&mut self.rng, &self.around) == Stepped::Fatal {
            self.processes.remove(&member);
            self.rebalance();
        }
    }

    fn start_a_process(&mut self) {
        if self.processes.len() < 3 {
            let member = self.next_member;
            self.next_member += 1;
            self.processes.insert(member, Process::start(member, &self.around));
            self.rebalance();
        }
    }

    /// Its open transaction stays open, and the group finds out later.
    fn crash_one(&mut self) {
        let members: Vec<Member> = self.processes.keys().copied().collect();
        if let Some(member) = self.rng.pick(&members) {
            self.processes.remove(member);
            self.outcome.crashes += 1;
            if self.rng.chance(50) {
                self.rebalance();
            }
        }
    }

    fn crash_all(&mut self) {
        self.outcome.crashes += self.processes.len();
        self.processes.clear();
        self.paused.clear();
    }

    fn pause_one(&mut self) {
        // Nothing fences a process of `at_least_once` that stands still amid a batch: what it says then is old, and true of
        // its own frontier.
        let exactly_once = self.around.config.delivery == Delivery::ExactlyOnce;
        let may_pause = |process: &Process| exactly_once || !process.is_publishing();
        let members: Vec<Member> =
            self.processes.iter().filter(|(_, process)| may_pause(process)).map(|(member, _)| *member).collect();
        if let Some(member) = self.rng.pick(&members) {
            let until = self.now() + self.rng.between(SECOND, MINUTE);
            self.paused.insert(*member, until);
            if self.rng.chance(60) {
                self.rebalance();
            }
        }
    }

    fn jump_a_clock(&mut self) {
        let now = self.now();
        let members: Vec<Member> = self.processes.keys().copied().collect();
        let process = self.rng.pick(&members).and_then(|member| self.processes.get_mut(member));
        if let Some(process) = process.filter(|process| process.wall_until == 0) {
            process.wall_offset = [-60 * MINUTE, 60 * MINUTE][self.rng.below(2)];
            // It is put right before the process would believe it.
            process.wall_until = now + self.rng.between(0, CLOCK_HOLD.get() - MINUTE);
        }
    }

    fn compact(&mut self) {
        let mut broker = self.around.broker.borrow_mut();
        for partition in 0..self.shop.partitions {
            broker.compact(&self.around.config.outputs.current, partition);
        }
    }

    /// Retention takes the beginning of a shard's inputs: never what a restore or a reader still needs, for the oracle
    /// forgets nothing.
    fn cut(&mut self) {
        let shard = self.rng.below(self.shop.partitions as usize) as i32;
        let covered = self.around.shelf.covers(shard);
        let is_read = |stream, to: i64| {
            let input = InputPartition { stream: StreamId(stream), partition: shard };
            self.processes.values().filter_map(|process| process.position(input)).all(|position| position >= to)
        };
        let of = |topic: &str| covered.get(topic).copied();
        if !(0u16..).zip(TOPICS).all(|(stream, topic)| of(topic).is_some_and(|to| is_read(stream, to))) {
            return;
        }
        let mut broker = self.around.broker.borrow_mut();
        TOPICS.iter().for_each(|topic| broker.cut(topic, shard, of(topic).unwrap_or(0)));
        drop(broker);
        self.outcome.cuts += 1;
        self.around.shelf.was_cut(shard, covered);
    }

    /// The coordinator gives the shards to those who are awake: ranges of them, as the range assignor does.
    fn rebalance(&mut self) {
        self.outcome.rebalances += 1;
        let members = self.awake();
        if self.around.config.delivery == Delivery::AtLeastOnce {
            // A member that is awake gives its shards back before another has them: it ends its batch first.
            for member in &members {
                if let Some(process) = self.processes.get_mut(member) {
                    process.end_batch(&mut self.rng, &self.around);
                }
            }
        }
        let mut broker = self.around.broker.borrow_mut();
        broker.generation += 1;
        broker.members = members.iter().copied().collect();
        let inputs = |shards: &mut dyn Iterator<Item = i32>| -> Vec<InputPartition> {
            let of = |partition| {
                (0u16..).zip(TOPICS).map(move |(stream, _)| InputPartition { stream: StreamId(stream), partition })
            };
            shards.flat_map(of).collect()
        };
        let all = inputs(&mut (0..self.shop.partitions));
        for (member, process) in &mut self.processes {
            let revoked = GroupChange::Revoked { inputs: all.clone(), lost: !members.contains(member) };
            process.inbox.push_back((broker.generation, revoked));
            let Some(place) = members.iter().position(|held| held == member) else { continue };
            let share = |n: usize| (n * self.shop.partitions as usize / members.len()) as i32;
            let mine = inputs(&mut (share(place)..share(place + 1)));
            process.inbox.push_back((broker.generation, GroupChange::Assigned(mine)));
        }
    }

    /// Every fault ends, everything is read, and time passes until nothing falls due any more soon.
    fn settle(&mut self) -> Result<(), String> {
        self.paused.clear();
        self.processes.values_mut().for_each(|process| process.wall_offset = 0);
        if self.processes.is_empty() {
            self.start_a_process();
        }
        self.rebalance();
        let horizon = self.now() + self.rng.between(0, 3 * MINUTE);
        for _ in 0..2_000 {
            let by = self.rng.between(0, 4 * SECOND);
            self.pass_time(by);
            {
                let mut broker = self.around.broker.borrow_mut();
                let now = broker.now;
                broker.expire(now - 4 * TRANSACTION_TIMEOUT);
                broker.deliver_all_markers();
            }
            for member in self.awake() {
                let Some(process) = self.processes.get_mut(&member) else { continue };
                if process.turn(&mut self.rng, &self.around) == Stepped::Fatal {
                    self.processes.remove(&member);
                    self.start_a_process();
                    self.rebalance();
                }
            }
            let held = self.processes.values().map(|process| process.frontiers().len()).sum::<usize>();
            let idle = self.processes.values().all(Process::is_idle) && held == self.shop.partitions as usize;
            if idle && self.shop.is_done() && self.now() > horizon {
                return Ok(());
            }
        }
        Err("it never comes to rest".to_owned())
    }

    fn check(&mut self) -> Result<(), String> {
        let frontiers: BTreeMap<i32, Timestamp> =
            self.processes.values().flat_map(|process| process.frontiers()).collect();
        let (around, shop, rules) = (&self.around, &self.shop, &rules());
        let aftermath = Aftermath { around, shop, rules, frontiers: &frontiers };
        self.outcome.states = aftermath.check()?;
        self.outcome.batches = self.around.batches.borrow().len();
        Ok(())
    }
}
