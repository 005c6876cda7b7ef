//! One run: a shop, a broker, some processes, and faults, stepped in an order that the seed decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{Config, Delivery};
use crate::domain::{Millis, Timestamp};
use crate::policy::Settings;

use super::broker::{Broker, Member};
use super::deploys::Starting;
use super::edits;
use super::log::Batches;
use super::policies::{Document, config};
use super::process::{Process, Stepped, Surroundings};
use super::rng::Rng;
use super::shelf::Shelf;
use super::shop::{MINUTE, SECOND, Shop};
use super::truth::Aftermath;

/// When every run begins.
const BEGAN: i64 = 1_800_000_000_000;
/// A transaction that is open for longer is aborted by its coordinator.
const TRANSACTION_TIMEOUT: i64 = 5 * SECOND;

/// What a run meets.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub delivery: Delivery,
    /// Policy documents are edited while it runs.
    pub edits: bool,
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

pub struct World {
    pub rng: Rng,
    pub around: Surroundings,
    pub shop: Shop,
    pub processes: BTreeMap<Member, Process>,
    /// Processes that stand still until then; the group gives their shards away meanwhile.
    pub paused: BTreeMap<Member, i64>,
    pub next_member: Member,
    pub outcome: Outcome,
    clocks_jump: bool,
    /// The documents in the order in which they are rolled out; none where they are not edited.
    pub rollout: Vec<Document>,
    /// Processes on their way up.
    pub starting: Vec<Starting>,
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
        let rollout = if scenario.edits { edits::documents(&mut rng) } else { Vec::new() };
        let plain = if rollout.is_empty() { vec![Document::plain()] } else { Vec::new() };
        let documents = edits::by_version(rollout.iter().chain(&plain));
        let mut config = Config { delivery: scenario.delivery, ..config().clone() };
        if let Some(Document { rules, .. }) = rollout.first() {
            let kept = [rules.retain_closed, rules.remember_closed, rules.max_open].map(Millis::new);
            [config.retain_closed, config.remember_closed, config.max_open] = kept;
        }
        let config = Arc::new(config);
        let publish_after = config.start.publish_after.expect("the configuration names it");
        let settings = Arc::new(Settings { publish_after, ..config.settings() });
        let broker = RefCell::new(Broker::new(BEGAN));
        let around = Surroundings {
            broker,
            shelf: Shelf::default(),
            config,
            settings,
            batches: RefCell::new(Batches::default()),
            documents,
            wrong: RefCell::default(),
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
            rollout,
            starting: Vec::new(),
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

    pub fn now(&self) -> i64 {
        self.around.broker.borrow().now
    }

    fn pass_time(&mut self, by: i64) {
        let mut broker = self.around.broker.borrow_mut();
        broker.now += by;
        self.shop.produce(&mut self.rng, &mut broker);
    }

    fn step(&mut self) {
        self.go_on_starting();
        if !self.rollout.is_empty() && self.rng.below(250) == 0 {
            self.redeploy();
        }
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
        if self.processes.is_empty() && self.starting.is_empty() && self.rng.chance(5) {
            self.start_a_process();
        }
    }

    pub fn awake(&self) -> Vec<Member> {
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

    /// Every fault ends, everything is read, and time passes until nothing falls due any more soon.
    fn settle(&mut self) -> Result<(), String> {
        self.paused.clear();
        self.processes.values_mut().for_each(|process| process.wall_offset = 0);
        if self.processes.is_empty() && self.starting.is_empty() {
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
            self.go_on_starting();
            for member in self.awake() {
                let Some(process) = self.processes.get_mut(&member) else { continue };
                if process.turn(&mut self.rng, &self.around) == Stepped::Fatal {
                    self.processes.remove(&member);
                    self.start_a_process();
                    self.rebalance();
                }
            }
            let held = self.processes.values().map(|process| process.frontiers().len()).sum::<usize>();
            let idle = self.starting.is_empty()
                && self.processes.values().all(Process::is_idle)
                && held == self.shop.partitions as usize;
            if idle && self.shop.is_done() && self.now() > horizon {
                return Ok(());
            }
        }
        Err("it never comes to rest".to_owned())
    }

    fn check(&mut self) -> Result<(), String> {
        let frontiers: BTreeMap<i32, Timestamp> =
            self.processes.values().flat_map(|process| process.frontiers()).collect();
        let aftermath = Aftermath { around: &self.around, shop: &self.shop, frontiers: &frontiers };
        self.outcome.states = aftermath.check()?;
        self.outcome.batches = self.around.batches.borrow().len();
        Ok(())
    }
}
