//! Against a plain function that steps through every grid point and counts every order anew: random orders, shards that
//! lag, facts that come in any order within grace, corrections, aborts and crashes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::domain::Status;

const GRID: i64 = 10;
const GRACE: i64 = 5;
const HORIZON: i64 = 1200;

/// One transition as both sides tell it.
#[derive(Clone, PartialEq, Debug)]
struct Told {
    status: Status,
    level: u32,
    group: String,
    at: i64,
    started: i64,
    opened: i64,
    depth: i64,
    oldest_age_s: Option<i64>,
    in_out_per_5_min: (i64, i64),
}

/// What should come out, from every stay of every order, told by a function that knows nothing of the code under test.
fn oracle(policy: &Backlog, stays: &[Membership]) -> Vec<Told> {
    #[derive(Default, Clone)]
    struct State {
        reached: Option<i64>,
        open: Option<(i64, i64)>,
        clear: Option<i64>,
        level: u32,
    }
    let sec = |t: Timestamp| t.as_millis() / 1000;
    let bound = |m: Option<Millis>| m.map(|m| m.get() / 1000);
    let groups: BTreeSet<_> = stays.iter().map(|m| m.group.clone()).collect();
    let mut states: BTreeMap<GroupKey, State> = BTreeMap::new();
    let mut told = Vec::new();
    let mut t = 0;
    while t + GRACE < HORIZON {
        for group in &groups {
            let mine = || stays.iter().filter(|m| m.group == *group);
            let present = || mine().filter(|m| sec(m.from) <= t && m.until.is_none_or(|u| t < sec(u)));
            let depth = present().count() as i64;
            let age = present().map(|m| t - sec(m.since)).max();
            let within = |x: Timestamp| sec(x) > t - 300 && sec(x) <= t;
            let came = mine().filter(|m| within(m.from)).count() as i64;
            let went = mine().filter(|m| m.until.is_some_and(within)).count() as i64;

            let (open_when, clear_when) = (policy.open_when, policy.clear_when);
            let reached = open_when.depth.is_some_and(|d| depth >= d)
                || bound(open_when.oldest_age).is_some_and(|a| age.is_some_and(|age| age >= a));
            let kept = !reached
                && clear_when.depth.is_none_or(|d| depth <= d)
                && bound(clear_when.oldest_age).is_none_or(|a| age.is_none_or(|age| age <= a));
            let state = states.entry(group.clone()).or_default();
            let mut tell = |status, level, (started, opened)| {
                told.push(Told {
                    status,
                    level,
                    group: format!("{:?}", group.values()),
                    at: t,
                    started,
                    opened,
                    depth,
                    oldest_age_s: age,
                    in_out_per_5_min: (came, went),
                });
            };
            match state.open {
                None => {
                    state.reached = if reached { state.reached.or(Some(t)) } else { None };
                    if let Some(since) = state.reached
                        && t - since >= open_when.held_for.get() / 1000
                    {
                        *state = State { open: Some((since, t)), ..State::default() };
                        tell(Status::Opened, 0, (since, t));
                    }
                }
                Some(open) => {
                    state.clear = if kept { state.clear.or(Some(t)) } else { None };
                    let closes = state.clear.is_some_and(|since| t - since >= clear_when.held_for.get() / 1000);
                    let level =
                        policy.escalate_after.iter().filter(|r| t - open.1 >= r.after.get() / 1000).count() as u32;
                    if closes {
                        tell(Status::Resolved, state.level, open);
                        *state = State::default();
                    } else if level > state.level {
                        tell(Status::Escalated, level, open);
                        state.level = level;
                    }
                }
            }
        }
        t += GRID;
    }
    told
}

/// Rungs passed in one go collapse to the highest, so only the last of a row of escalations is compared.
fn collapse(told: Vec<Told>) -> Vec<Told> {
    let mut by_group: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for t in told {
        let row = by_group.entry(t.group.clone()).or_default();
        row.retain(|last| {
            !(last.status == Status::Escalated && t.status == Status::Escalated && last.opened == t.opened)
        });
        row.push(t);
    }
    let mut out: Vec<_> = by_group.into_values().flatten().collect();
    // Levels of a resolution hang on which rungs were said, which is compared by the escalations themselves.
    out.iter_mut().for_each(|t| t.level = if t.status == Status::Resolved { 0 } else { t.level });
    out
}

fn tell(e: &Exception) -> Told {
    let sec = |t: Option<Timestamp>| t.unwrap().as_millis() / 1000;
    let figures = e.backlog.unwrap();
    let Subject::Group(pairs) = &e.subject else { panic!("a backlog is about a group") };
    let at = e.frontier.as_millis() - 1 - GRACE * 1000;
    assert_eq!(at % (GRID * 1000), 0, "judged off the grid");
    Told {
        status: e.status,
        level: e.escalation_level,
        group: format!("{:?}", pairs.iter().map(|(_, v)| v.clone()).collect::<Vec<_>>()),
        at: at / 1000,
        started: sec(e.started_at),
        opened: sec(e.breached_at),
        depth: figures.depth,
        oldest_age_s: figures.oldest_age_ms.map(|ms| ms / 1000),
        in_out_per_5_min: (
            (figures.inflow_per_min * 5.0).round() as i64,
            (figures.outflow_per_min * 5.0).round() as i64,
        ),
    }
}

/// A fact of an order comes to be known: from then on its stays are these.
#[derive(Clone, Debug)]
struct Arrival {
    at: i64,
    order: usize,
    stays: Vec<Membership>,
}

#[derive(Clone, Debug)]
struct StayPlan {
    gap: i64,
    length: Option<i64>,
    group: u8,
    since_lag: i64,
    from_delay: i64,
    until_delay: i64,
    /// Known first in another group, or under another age, and put right within grace.
    wrong_first: bool,
}

#[derive(Clone, Debug)]
struct OrderPlan {
    shard: usize,
    stays: Vec<StayPlan>,
}

#[derive(Clone, Debug)]
enum Act {
    /// A shard's frontier moves on by so many seconds.
    Advance { shard: usize, by: i64 },
    /// The transaction fails: what was drained comes again.
    Abort,
    /// The process dies, with or without a batch that was judged and not committed.
    Crash { uncommitted: Option<(usize, i64)> },
    /// Another process restores a shard. `zombie`: what the one before said meanwhile is in the log (at_least_once).
    Move { shard: usize, by: i64, zombie: bool },
    /// Another process sums.
    MoveSum,
}

const GROUPS: [Option<&str>; 3] = [None, Some("EU"), Some("US")];

fn plan_stay() -> impl Strategy<Value = StayPlan> {
    (0..200i64, prop::option::weighted(0.8, 1..300i64), 0..3u8, 0..100i64, 0..=GRACE, 0..=GRACE, any::<bool>())
        .prop_map(|(gap, length, group, since_lag, from_delay, until_delay, wrong_first)| StayPlan {
            gap,
            length,
            group,
            since_lag,
            from_delay,
            until_delay,
            wrong_first,
        })
}

fn plan_orders() -> impl Strategy<Value = Vec<OrderPlan>> {
    let order =
        (0..3usize, prop::collection::vec(plan_stay(), 1..4)).prop_map(|(shard, stays)| OrderPlan { shard, stays });
    prop::collection::vec(order, 1..14)
}

fn plan_acts() -> impl Strategy<Value = Vec<Act>> {
    let advance = || (0..3usize, prop_oneof![1..15i64, 1..120i64, 300..600i64]);
    let act = prop_oneof![
        12 => advance().prop_map(|(shard, by)| Act::Advance { shard, by }),
        1 => Just(Act::Abort),
        1 => prop::option::of(advance()).prop_map(|uncommitted| Act::Crash { uncommitted }),
        2 => (advance(), any::<bool>()).prop_map(|((shard, by), zombie)| Act::Move { shard, by, zombie }),
        2 => Just(Act::MoveSum),
    ];
    prop::collection::vec(act, 0..60)
}

fn plan_policy() -> impl Strategy<Value = Backlog> {
    let held = || prop::sample::select(vec![0i64, 10, 15, 40]);
    let open = (prop::option::of(1..5i64), prop::option::of(10..200i64), held());
    let clear = (prop::option::of(0..4i64), prop::option::of(0..150i64), held());
    let rungs = prop::collection::btree_set(1..400i64, 0..3);
    (open, clear, rungs).prop_map(|((depth, age, held), (clear_depth, clear_age, clear_held), rungs)| {
        let bounds = |depth, age: Option<i64>, held| Bounds { depth, oldest_age: age.map(secs), held_for: secs(held) };
        let open_when = bounds(depth.or(if age.is_none() { Some(2) } else { None }), age, held);
        let mut policy = policy(open_when, bounds(clear_depth, clear_age, clear_held), true);
        policy.escalate_after = rungs.into_iter().map(|after| rung(after, None)).collect();
        policy
    })
}

/// The order's final stays, and how they come to be known.
fn unfold(order: usize, plan: &OrderPlan) -> (Vec<Membership>, Vec<Arrival>) {
    let mut stays: Vec<Membership> = Vec::new();
    let mut facts = Vec::new();
    let mut from = 1;
    for (i, p) in plan.stays.iter().enumerate() {
        from += p.gap;
        let until = p.length.map(|length| from + length);
        let mut this = stay(group(GROUPS[usize::from(p.group) % 3]), from, until);
        this.since = s((from - p.since_lag).max(0));
        if p.wrong_first {
            facts.push((from, i, false, true));
        }
        facts.push((from + p.from_delay, i, false, false));
        facts.extend(until.map(|until| (until + p.until_delay, i, true, false)));
        stays.push(this);
        let Some(until) = until else { break };
        from = until;
    }
    facts.sort_by_key(|(at, i, is_end, wrong)| (*at, *i, *is_end, !wrong));
    let mut known: BTreeMap<usize, Membership> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut arrivals = Vec::new();
    for (at, i, is_end, wrong) in facts {
        let truth = &stays[i];
        if is_end {
            ended.insert(i);
        } else if wrong {
            known.insert(i, Membership { group: group(Some("XX")), since: s(0), ..truth.clone() });
        } else {
            known.insert(i, truth.clone());
        }
        let end = |i: &usize, m: &Membership| m.until.filter(|_| ended.contains(i));
        let stays = known.iter().map(|(i, m)| Membership { until: end(i, m), ..m.clone() }).collect();
        arrivals.push(Arrival { at, order, stays });
    }
    (stays, arrivals)
}

/// The world, and what of it is in the log.
struct Run {
    world: World,
    arrivals: Vec<Vec<Arrival>>,
    /// Per shard: how many arrivals have been applied, and the same when it last committed, with the frontier then.
    applied: Vec<usize>,
    committed: Vec<(usize, Timestamp)>,
    known: BTreeMap<usize, Vec<Membership>>,
    memory: Vec<MemoryRecord>,
    log: Vec<Exception>,
}

impl Run {
    fn advance(&mut self, shard: usize, by: i64) {
        let now = self.world.frontiers[shard].as_millis().max(0) / 1000;
        let to = (now + by).min(HORIZON);
        // Every record below the frontier is read before the frontier moves there, as the clock promises.
        while let Some(arrival) = self.arrivals[shard].get(self.applied[shard]).filter(|a| a.at < to) {
            let old = self.known.insert(arrival.order, arrival.stays.clone()).unwrap_or_default();
            self.world.shards[shard].advance(s(arrival.at));
            self.world.shards[shard].replace(0, &Str::default(), &old, &arrival.stays);
            self.applied[shard] += 1;
        }
        self.world.shards[shard].advance(s(to));
        self.world.frontiers[shard] = s(to).max(self.world.frontiers[shard]);
    }

    /// The shards' transactions, and then the sum's.
    fn commit(&mut self) {
        for shard in 0..self.committed.len() {
            self.world.tell(shard);
            self.committed[shard] = (self.applied[shard], self.world.frontiers[shard]);
        }
        self.world.hear();
        self.log.extend(self.world.drain());
        self.memory.extend(self.world.sum.drain_memory());
        self.world.sum.committed();
    }

    fn abort(&mut self) {
        self.world.hear();
        let (told, memory) = (self.world.drain(), self.world.sum.drain_memory());
        self.world.sum.aborted();
        assert_eq!(self.world.drain(), told);
        assert_eq!(self.world.sum.drain_memory(), memory);
        self.world.sum.aborted();
        for shard in 0..self.committed.len() {
            let (frontier, told) = (self.world.frontiers[shard], self.world.shards[shard].drain());
            let teller = &mut self.world.tellers[shard];
            teller.take(told);
            let records = teller.drain(frontier);
            teller.aborted();
            let said = |records: Vec<PartialsRecord>| records.into_iter().map(|r| r.backlogs).collect::<Vec<_>>();
            assert_eq!(said(teller.drain(frontier)), said(records));
            teller.aborted();
        }
    }

    fn move_shard(&mut self, shard: usize) {
        let (applied, frontier) = self.committed[shard];
        for arrival in &self.arrivals[shard] {
            self.known.remove(&arrival.order);
        }
        let facts = self.arrivals[shard].iter().take(applied);
        let known: BTreeMap<_, _> = facts.map(|a| (a.order, a.stays.clone())).collect();
        let stays: Vec<_> = known.values().cloned().collect();
        self.known.extend(known);
        self.applied[shard] = applied;
        self.world.move_shard(shard, frontier, &stays);
    }

    fn move_sum(&mut self) {
        let newest: BTreeMap<_, _> = self.log.iter().map(|e| (e.exception_id.clone(), e.clone())).collect();
        self.world.move_sum(&self.memory, newest.into_values());
    }
}

fn run(policy: Backlog, orders: &[OrderPlan], acts: &[Act]) -> (Vec<Exception>, Vec<Membership>) {
    let shards = 3;
    let mut arrivals = vec![Vec::new(); shards];
    let mut truth = Vec::new();
    for (order, plan) in orders.iter().enumerate() {
        let (stays, facts) = unfold(order, plan);
        truth.extend(stays);
        arrivals[plan.shard].extend(facts);
    }
    arrivals.iter_mut().for_each(|a: &mut Vec<Arrival>| a.sort_by_key(|a| a.at));
    let mut run = Run {
        world: World::new(vec![policy], settings(), shards),
        arrivals,
        applied: vec![0; shards],
        committed: vec![(0, Timestamp::MIN); shards],
        known: BTreeMap::new(),
        memory: vec![],
        log: vec![],
    };
    for act in acts {
        match act {
            Act::Advance { shard, by } => {
                run.advance(*shard, *by);
                run.commit();
            }
            Act::Abort => run.abort(),
            Act::Crash { uncommitted } => {
                if let Some((shard, by)) = uncommitted {
                    run.advance(*shard, *by);
                }
                (0..shards).for_each(|shard| run.move_shard(shard));
                run.move_sum();
            }
            Act::Move { shard, by, zombie } => {
                run.advance(*shard, *by);
                if *zombie {
                    run.world.tell(*shard);
                }
                run.move_shard(*shard);
            }
            Act::MoveSum => run.move_sum(),
        }
    }
    (0..shards).for_each(|shard| run.advance(shard, HORIZON));
    run.commit();
    (run.log, truth)
}

proptest! {
    #[test]
    fn the_two_phases_say_what_a_count_of_every_grid_point_says(
        policy in plan_policy(), orders in plan_orders(), acts in plan_acts(),
    ) {
        let want = |stays: &[Membership], p: &Backlog| collapse(oracle(p, stays));
        let bounds = super::policy(policy.open_when, policy.clear_when, true);
        let reference = Backlog { escalate_after: policy.escalate_after.clone(), ..bounds };
        let (log, truth) = run(policy, &orders, &acts);
        let got = collapse(log.iter().map(tell).collect());
        prop_assert_eq!(got, want(&truth, &reference));
        incarnations_hold(&log)?;
    }
}

/// At most one opening an incarnation, and every state counted once.
fn incarnations_hold(log: &[Exception]) -> Result<(), TestCaseError> {
    let mut last: BTreeMap<_, (u32, u32, Status)> = BTreeMap::new();
    for e in log {
        let before = last.insert(e.exception_id.clone(), (e.sequence, e.incarnation, e.status));
        match before {
            None => prop_assert_eq!((e.sequence, e.incarnation, e.status), (1, 1, Status::Opened)),
            Some((sequence, incarnation, status)) => {
                prop_assert_eq!(e.sequence, sequence + 1);
                let reopens = e.status == Status::Opened;
                prop_assert_eq!(status.has_ended(), reopens);
                prop_assert_eq!(e.incarnation, incarnation + u32::from(reopens));
            }
        }
    }
    Ok(())
}
