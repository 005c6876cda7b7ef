//! One backlog policy in the sum: its groups' values by shard, its queues, and the grid points that are to be judged.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Millis, Str, Timestamp};
use crate::policy::backlog::GroupKey;
use crate::policy::{Backlog, Settings};

use super::group::{QueueId, Share, Stands, unmet};
use super::heard::{Heard, News, Word};
use super::publish::{Publisher, Verdict};
use super::queue::{Clocks, Flows, Queue, Rules};
use super::record::meaning;
use super::stock::{STOCK, Stock};
use super::{Grid, Partial, Told};

/// One policy's part of the sum.
#[derive(Debug)]
pub(super) struct Lane {
    pub grid: Grid,
    pub grace: Millis,
    /// How it counts.
    pub meaning: Str,
    /// Who tells of each shard, and how far.
    pub heard: Heard,
    /// The last grid point at which something changed or came due. What is told of it, or of an earlier one, is where the
    /// queues stand.
    pub judged: Option<Timestamp>,
    /// The last grid point that every shard has passed.
    pub through: Timestamp,
    /// What shards have told of grid points that are not judged yet, up to [`PENDING_MAX`].
    pending: BTreeMap<(Timestamp, GroupKey, i32), Share>,
    groups: BTreeMap<GroupKey, BTreeMap<i32, Stands>>,
    /// For a check `oversold`: what demand is held against.
    pub stock: Option<Stock>,
    /// Groups that count in [`QueueId::Other`]; empty unless `max_groups` queues exist.
    overflow: BTreeSet<GroupKey>,
    pub queues: BTreeMap<QueueId, Queue>,
    due: BTreeSet<(Timestamp, QueueId)>,
    /// Empty queues that are forgotten when their rates have run out. Nobody is woken for that.
    idle: BTreeSet<(Timestamp, QueueId)>,
    /// Queues to look at again at the next grid point judged, whether or not something changes there.
    recheck: BTreeSet<QueueId>,
    /// From there on; `None` where no grid point is done yet.
    recheck_from: Option<Timestamp>,
    /// Queues whose memory changed since it was last taken.
    pub dirty: BTreeSet<QueueId>,
    /// How often grid points were left out, for a shard was silent for too long.
    pub skipped: u64,
}

/// A shard that is silent lets the others' figures wait; beyond so many, what lies before the newest is left out.
const PENDING_MAX: usize = 1_000_000;
/// The same for `oversold`, whose figures name up to 20 orders each.
const PENDING_OF_DEMAND_MAX: usize = 300_000;

/// What a lane is judged with.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub policy: &'a Backlog,
    pub version: &'a str,
    pub settings: &'a Settings,
    pub publisher: &'a mut Publisher,
}

impl Lane {
    pub fn new(policy: &Backlog, settings: &Settings) -> Self {
        Lane {
            grid: Grid::new(settings.backlog_grid),
            grace: settings.grace_of(policy),
            meaning: meaning(policy, settings),
            heard: Heard::default(),
            judged: None,
            through: Timestamp::MIN,
            pending: BTreeMap::new(),
            groups: BTreeMap::new(),
            stock: policy
                .is_oversold()
                .then(|| Stock::new(Grid::new(settings.backlog_grid), settings.grace_of(policy))),
            overflow: BTreeSet::new(),
            queues: BTreeMap::new(),
            due: BTreeSet::new(),
            idle: BTreeSet::new(),
            recheck: BTreeSet::new(),
            recheck_from: None,
            dirty: BTreeSet::new(),
            skipped: 0,
        }
    }

    /// Takes in what is told of a shard.
    pub fn hear(
        &mut self,
        word: Word<'_>,
        told: impl Iterator<Item = Told>,
        frontier: Option<Timestamp>,
        policy: &Backlog,
    ) {
        for told in told {
            match told {
                Told::Whole { at, .. } => {
                    let news = self.heard.whole(word, at);
                    // Where nothing is known of the shard at the grid points before, they cannot be judged.
                    let hole = at.filter(|at| self.done().is_none_or(|done| *at > self.grid.after(done)));
                    if news == News::First {
                        hole.into_iter().for_each(|at| self.begin_at(at));
                    }
                    if news != News::Again {
                        self.begin_anew(word.shard, at, policy);
                    }
                }
                Told::Partial(partial) if self.heard.is_news(word.shard, word.name, &partial) => {
                    self.take(word.shard, partial, policy);
                }
                Told::Partial(_) => {}
            }
        }
        if let Some(frontier) = frontier.filter(|_| self.heard.listens_to(word.shard, word.name)) {
            self.heard.passed(word.shard, frontier);
        }
    }

    /// Takes in a group's figures.
    pub fn take(&mut self, shard: i32, partial: Partial, policy: &Backlog) {
        let Partial { group, at, depth, oldest_since, entered, left, wanting, .. } = partial;
        let stands = Stands { depth, oldest_since, wanting };
        if self.is_judged(Some(at)) {
            // Its flow was counted then.
            return self.set_known(shard, &group, stands, policy);
        }
        let share = self.pending.entry((at, group, shard)).or_default();
        share.stands = stands;
        share.entered += entered;
        share.left += left;
        let most = if self.stock.is_some() { PENDING_OF_DEMAND_MAX } else { PENDING_MAX };
        if self.pending.len() > most
            && let Some(newest) = self.pending.last_key_value().map(|((at, _, _), _)| *at)
        {
            self.skipped += 1;
            self.begin_at(newest);
        }
    }

    /// From `at` on the shard tells everything anew: what was told of later grid points is void, and a group that is not
    /// told of is empty.
    pub fn begin_anew(&mut self, shard: i32, at: Option<Timestamp>, policy: &Backlog) {
        self.pending.retain(|(told, _, from), _| *from != shard || at.is_some_and(|at| *told < at));
        let standing = self.groups.iter().filter(|(_, by)| by.contains_key(&shard)).map(|(group, _)| group);
        let coming = self.pending.keys().filter(|(_, _, from)| *from == shard).map(|(_, group, _)| group);
        let known: BTreeSet<GroupKey> = standing.chain(coming).cloned().collect();
        for group in known {
            match at.filter(|at| !self.is_judged(Some(*at))) {
                Some(at) => drop(self.pending.insert((at, group, shard), Share::default())),
                None => self.set_known(shard, &group, Stands::default(), policy),
            }
        }
    }

    /// Nothing before the grid point `at` is judged: not all shards told of it by this policy.
    pub fn begin_at(&mut self, at: Timestamp) {
        if self.is_judged(Some(at)) {
            return;
        }
        let later = self.pending.split_off(&(at, GroupKey::new([]), i32::MIN));
        // The newest figures before it are those that stand at it.
        for ((_, group, shard), share) in std::mem::replace(&mut self.pending, later).into_iter().rev() {
            let share = Share { entered: 0, left: 0, ..share };
            self.pending.entry((at, group, shard)).or_insert(share);
        }
        self.judged = Some(at - Millis::new(self.grid.step));
        // What was to be looked at on the way is looked at there, with every shard's figures.
        for timers in [&mut self.due, &mut self.idle] {
            let later = timers.split_off(&(at, QueueId::Own(GroupKey::new([]))));
            self.recheck.extend(std::mem::replace(timers, later).into_iter().map(|(_, id)| id));
        }
        for id in &self.recheck {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.due = queue.due.filter(|due| *due >= at);
                queue.idle_at = queue.idle_at.filter(|idle| *idle >= at);
            }
        }
        self.recheck_from = Some(at).filter(|_| !self.recheck.is_empty());
    }

    /// The last grid point of which nothing is open any more.
    pub fn done(&self) -> Option<Timestamp> {
        self.judged.max(Some(self.through).filter(|through| *through > Timestamp::MIN))
    }

    fn is_judged(&self, at: Option<Timestamp>) -> bool {
        at.is_none_or(|at| self.done().is_some_and(|done| at <= done))
    }

    /// A share as it stood where the queues were judged last.
    fn set_known(&mut self, shard: i32, group: &GroupKey, stands: Stands, policy: &Backlog) {
        if shard != STOCK && stands.depth == 0 && !self.groups.contains_key(group) {
            return;
        }
        let id = self.set_share(policy, group, shard, stands);
        self.look_again(id);
    }

    /// Judges every grid point that all of so many shards have passed. Only those at which something changes or comes due
    /// are looked at.
    pub fn advance(&mut self, shards: usize, context: &mut Context<'_>) {
        let Some(frontier) = self.heard.by_all(shards + usize::from(self.stock.is_some())) else { return };
        self.through = self.through.max(self.grid.passed(frontier, self.grace));
        loop {
            let idle = self.idle.first().map(|(at, _)| *at);
            let Some(point) = [self.next_point(), idle].into_iter().flatten().min() else { return };
            if point > self.through {
                return;
            }
            self.judge(point, context);
        }
    }

    /// The next grid point at which a verdict can change.
    pub fn next_point(&self) -> Option<Timestamp> {
        let pending = self.pending.first_key_value().map(|((at, _, _), _)| *at);
        let due = self.due.first().map(|(at, _)| *at);
        let again = self.recheck_from.or(pending).unwrap_or(self.through);
        let recheck = (!self.recheck.is_empty()).then_some(again);
        let stock = self.stock.as_ref().and_then(Stock::next_point);
        [pending, due, recheck, stock].into_iter().flatten().min()
    }

    /// What is told and not judged yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes back a queue as it was remembered.
    pub fn restore(&mut self, policy: &Backlog, id: QueueId, clocks: Clocks, flows: Flows) {
        let queue = self.queues.entry(id.clone()).or_insert_with(|| Queue::new(id.exception_id(policy)));
        queue.clocks = clocks;
        queue.flows = flows;
        self.look_again(id);
    }

    fn look_again(&mut self, id: QueueId) {
        self.recheck.insert(id);
        self.recheck_from = self.done().map(|done| self.grid.after(done));
    }

    /// Sees to it that a queue whose exception stands open is judged, so that the exception ends if the queue does not
    /// stand any more.
    pub fn expect(&mut self, policy: &Backlog, id: QueueId) {
        self.queues.entry(id.clone()).or_insert_with(|| Queue::new(id.exception_id(policy)));
        self.look_again(id);
    }

    fn judge(&mut self, point: Timestamp, context: &mut Context<'_>) {
        self.judged = self.judged.max(Some(point));
        let mut work = std::mem::take(&mut self.recheck);
        while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= point) {
            let ((_, group, shard), share) = entry.remove_entry();
            if shard != STOCK && share.is_nothing() && !self.groups.contains_key(&group) {
                continue;
            }
            let (entered, left) = (share.entered, share.left);
            let id = self.set_share(context.policy, &group, shard, share.stands);
            // Nobody asks for the rates of a sku's demand.
            if let Some(queue) = self.queues.get_mut(&id).filter(|_| !context.policy.is_oversold()) {
                queue.flows.add(point, entered, left);
            }
            work.insert(id);
        }
        for timers in [&mut self.due, &mut self.idle] {
            while timers.first().is_some_and(|(at, _)| *at <= point) {
                work.extend(timers.pop_first().map(|(_, id)| id));
            }
        }
        while let Some(id) = work.pop_first() {
            self.judge_queue(id, point, context, &mut work);
        }
        context.publisher.expire(point, context.settings.max_open);
    }

    fn judge_queue(&mut self, id: QueueId, point: Timestamp, context: &mut Context<'_>, work: &mut BTreeSet<QueueId>) {
        let &mut Context { policy, version, settings, ref mut publisher } = context;
        let (grid, grace) = (self.grid, self.grace);
        let rules = Rules { policy, grid, publish_after: settings.publish_after };
        let Some(queue) = self.queues.get_mut(&id).filter(|queue| !queue.is_unknown(policy)) else { return };
        queue.flows.prune(grid, point);
        let was_published = publisher.is_open(&queue.id);
        let before = queue.clocks.clone();
        if queue.judge(rules, point) && !was_published {
            publisher.kept_back += 1;
        }
        // A sku with enough of everything is nothing to remember: most are.
        let is_news = !policy.is_oversold() || queue.clocks != before;
        let of_group = match &id {
            QueueId::Own(group) if policy.is_oversold() && queue.clocks.open.is_some() => self.groups.get(group),
            _ => None,
        };
        let unmet = of_group.map_or(Vec::new(), |by| unmet(by, queue.shortage()));
        let level = queue.clocks.open.map_or(0, |open| rules.level(open, point));
        let frontier = (point + grace).next();
        let verdict = Verdict { policy, version, settings, id: &id, queue, level, at: point, frontier, grid, unmet };
        let frozen_until = publisher.publish(&verdict);
        if is_news {
            self.dirty.insert(id.clone());
        }
        if queue.is_idle() && !publisher.is_open(&queue.id) {
            self.vanish(policy, id, work);
            return;
        }
        let thaws = frozen_until.map(|frontier| grid.at_or_after(frontier - grace).max(grid.after(point)));
        let due = [queue.next_due(rules, point), thaws].into_iter().flatten().min();
        let idle = queue.flows.gone_at(grid).filter(|_| queue.depth == 0);
        reschedule(&mut self.due, &id, &mut queue.due, due);
        reschedule(&mut self.idle, &id, &mut queue.idle_at, idle);
    }

    /// Forgets a queue in which nothing is left. Its place goes to the first of the groups that had none.
    fn vanish(&mut self, policy: &Backlog, id: QueueId, work: &mut BTreeSet<QueueId>) {
        let QueueId::Own(group) = &id else {
            if self.overflow.is_empty() {
                self.remove(&id);
            }
            return;
        };
        self.groups.remove(group);
        self.remove(&id);
        let Some(next) = self.overflow.iter().find(|group| !policy.is_other(group)).cloned() else { return };
        self.overflow.remove(&next);
        let id = QueueId::Own(next.clone());
        let mut queue = Queue::new(id.exception_id(policy));
        for (shard, stands) in self.groups.get(&next).into_iter().flatten() {
            if *shard == STOCK {
                queue.stock = Some(stands.depth);
                continue;
            }
            let share = (stands.depth, stands.oldest_since);
            queue.share(Default::default(), share);
            if let Some(other) = self.queues.get_mut(&QueueId::Other) {
                other.share(share, Default::default());
            }
        }
        self.queues.insert(id.clone(), queue);
        work.extend([id, QueueId::Other]);
    }

    fn remove(&mut self, id: &QueueId) {
        let Some(mut queue) = self.queues.remove(id) else { return };
        reschedule(&mut self.due, id, &mut queue.due, None);
        reschedule(&mut self.idle, id, &mut queue.idle_at, None);
    }

    fn set_share(&mut self, policy: &Backlog, group: &GroupKey, shard: i32, stands: Stands) -> QueueId {
        let id = self.place(policy, group);
        let shards = self.groups.entry(group.clone()).or_default();
        let old = shards.remove(&shard).unwrap_or_default();
        let new = (stands.depth, stands.oldest_since);
        if stands.depth != 0 || shard == STOCK {
            shards.insert(shard, stands);
        }
        if shards.is_empty() && id == QueueId::Other {
            self.groups.remove(group);
            self.overflow.remove(group);
        }
        if let Some(queue) = self.queues.get_mut(&id) {
            match shard {
                // Of skus beyond the bound nothing is known, so nothing is said.
                STOCK => queue.stock = Some(new.0).filter(|_| id != QueueId::Other),
                _ => queue.share((old.depth, old.oldest_since), new),
            }
        }
        id
    }

    /// Skus and groups that have no queue of their own.
    pub fn overflowing(&self) -> usize {
        self.overflow.len()
    }

    /// Which queue a group counts in. A new one gets its own while there is room; groups that come at one grid point are
    /// taken in their order, so that every run decides alike.
    fn place(&mut self, policy: &Backlog, group: &GroupKey) -> QueueId {
        let own = QueueId::Own(group.clone());
        if self.queues.contains_key(&own) {
            return own;
        }
        let own_queues = self.queues.len() - usize::from(self.queues.contains_key(&QueueId::Other));
        // A group that is called "other" in all its values is the sum of the others, as its key says.
        let id = if policy.is_other(group) || own_queues >= policy.max_groups { QueueId::Other } else { own };
        if id == QueueId::Other {
            self.overflow.insert(group.clone());
        }
        if !self.queues.contains_key(&id) {
            self.queues.insert(id.clone(), Queue::new(id.exception_id(policy)));
        }
        id
    }
}

fn reschedule(
    timers: &mut BTreeSet<(Timestamp, QueueId)>,
    id: &QueueId,
    held: &mut Option<Timestamp>,
    next: Option<Timestamp>,
) {
    if let Some(old) = std::mem::replace(held, next) {
        timers.remove(&(old, id.clone()));
    }
    timers.extend(next.map(|at| (at, id.clone())));
}
