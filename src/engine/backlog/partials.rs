//! One shard's share of every backlog: which of its orders stand in which queue at each grid point.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Millis, Timestamp};
use crate::policy::backlog::{GroupKey, Membership};
use crate::policy::{Backlog, Policies, Settings};

use super::{Ages, Grid, Partial, Told};

/// A shard states every group again after so many partials ...
const WHOLE_AFTER_PARTIALS: usize = 1_000;
/// ... of each group that stands, and ...
const WHOLE_AFTER_EACH: usize = 4;
/// ... after so much frontier: an owner that comes new needs to read no further back, and the log no longer to keep.
const WHOLE_AFTER: Millis = Millis::from_secs(6 * 3600);

/// One shard's queues and the changes that its frontier has not passed yet.
///
/// An order's change costs O(log n). Memory holds one entry a standing order and one a change ahead of the frontier;
/// a group goes when it is empty.
#[derive(Debug)]
pub struct Partials {
    grid: Grid,
    policies: Vec<PolicyPartials>,
    out: Vec<Told>,
}

#[derive(Debug)]
struct PolicyPartials {
    grace: Millis,
    /// The last grid point spoken of: changes at or before it go to the next one.
    through: Timestamp,
    /// While true, changes up to `through` are what the sum knows already, or will learn as a base.
    loading: bool,
    whole: Whole,
    groups: BTreeMap<GroupKey, Group>,
    /// The grid points at which a group changes.
    due: BTreeSet<(Timestamp, GroupKey)>,
}

/// When the whole is told next.
#[derive(Clone, Copy, Debug)]
enum Whole {
    /// Nobody asks: one sum hears everything from the beginning (a replay).
    Never,
    /// From this grid point on it is this shard that tells; whatever was told before of later ones is void.
    First(Timestamp),
    /// Now and then.
    Again {
        /// Where it was told last.
        last: Timestamp,
        /// Partials since then.
        partials: usize,
    },
}

#[derive(Debug, Default)]
struct Group {
    depth: i64,
    ages: Ages,
    /// By grid point.
    steps: BTreeMap<Timestamp, Step>,
}

/// The changes of one group at one grid point, by the instant from which the order's age counts.
type Step = BTreeMap<Timestamp, Change>;

/// Signed, so that a change taken back before its grid point was passed leaves no trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    entered: i64,
    left: i64,
}

impl Partials {
    /// No orders yet, at the beginning of time.
    pub fn new(policies: &Policies, settings: &Settings) -> Self {
        let of = |backlog: &Backlog| PolicyPartials {
            grace: settings.grace_for(backlog.grace, &backlog.entity),
            through: Timestamp::MIN,
            loading: false,
            whole: Whole::Never,
            groups: BTreeMap::new(),
            due: BTreeSet::new(),
        };
        Partials {
            grid: Grid::new(settings.backlog_grid),
            policies: policies.backlogs.iter().map(of).collect(),
            out: Vec::new(),
        }
    }

    /// Begins a restore, before any order was given: what was told of grid points that `frontier` has passed is in the
    /// partials' topic. Until [`Partials::restored`], what [`Partials::replace`] says of instants up to then is where the
    /// queues stand, and no flow. From the next grid point on, the shard tells.
    pub fn restore_at(&mut self, frontier: Timestamp) {
        for of in &mut self.policies {
            of.through = self.grid.passed(frontier, of.grace);
            of.loading = true;
        }
    }

    /// Ends a restore: every order's memberships have been given.
    pub fn restored(&mut self) {
        let beginning = Timestamp::MIN;
        for (policy, of) in self.policies.iter_mut().enumerate().filter(|(_, of)| of.loading) {
            of.loading = false;
            of.groups.retain(|_, group| group.depth != 0 || !group.steps.is_empty());
            if of.through <= self.grid.passed(beginning, of.grace) {
                self.out.push(Told::Whole { policy, at: None });
                of.whole = Whole::Again { last: beginning, partials: 0 };
            } else {
                of.whole = Whole::First(self.grid.after(of.through));
            }
        }
    }

    /// An order's facts changed: it stood in the queues of `policy` as `old` says and now stands as `new` says (nothing,
    /// where it leaves memory). Both as `Backlog::memberships` makes them.
    pub fn replace(&mut self, policy: usize, old: &[Membership], new: &[Membership]) {
        let grid = self.grid;
        let Some(of) = self.policies.get_mut(policy) else { return };
        let kept = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let (old, new) = (old.get(kept..).unwrap_or_default(), new.get(kept..).unwrap_or_default());
        // The usual change is an order that leaves: only the end of its last stay is new.
        let same_start = |a: &Membership, b: &Membership| (&a.group, a.from, a.since) == (&b.group, b.from, b.since);
        if let ([a], [b]) = (old, new)
            && same_start(a, b)
        {
            of.count_end(grid, a, -1);
            of.count_end(grid, b, 1);
            return;
        }
        // A stay that was over at the last grid point told adds nothing, now or before: an order that leaves memory long
        // after it left the queue is no news.
        let through = of.through;
        let matters = |m: &&Membership| m.until.is_none_or(|until| grid.at_or_after(until) > through);
        for (members, sign) in [(old, -1), (new, 1)] {
            for m in members.iter().filter(matters) {
                of.count(grid, m, m.from, Change { entered: sign, left: 0 });
                of.count_end(grid, m, sign);
            }
        }
    }

    /// Moves the frontier: every grid point that it passes and at which something changed becomes partials.
    pub fn advance(&mut self, frontier: Timestamp) {
        for (policy, of) in self.policies.iter_mut().enumerate() {
            let to = of.through.max(self.grid.passed(frontier, of.grace));
            match of.whole {
                Whole::First(at) if to >= at => of.tell_whole(policy, at, &mut self.out),
                _ if of.wants_whole(to) => of.tell_whole(policy, to, &mut self.out),
                _ => {}
            }
            of.pass(policy, to, &mut self.out);
            of.through = to;
        }
    }

    /// What was passed and not yet taken, in the order of grid points for each policy.
    pub fn drain(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.out)
    }

    /// The instant that the frontier must pass, strictly, before there is something new to tell the sum.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.policies.iter().filter_map(|of| of.due.first().map(|(at, _)| *at + of.grace)).min()
    }

    /// The last grid point of `policy` that the frontier has passed; `None` for an unknown policy.
    pub fn through(&self, policy: usize) -> Option<Timestamp> {
        self.policies.get(policy).map(|of| of.through)
    }

    /// Groups with an order in the queue or a change ahead: what memory is spent on.
    pub fn groups(&self) -> usize {
        self.policies.iter().map(|of| of.groups.len()).sum()
    }
}

impl PolicyPartials {
    /// Tells every change up to the grid point `to`.
    fn pass(&mut self, policy: usize, to: Timestamp, out: &mut Vec<Told>) {
        while self.due.first().is_some_and(|(at, _)| *at <= to) {
            let Some((at, key)) = self.due.pop_first() else { break };
            let Some(group) = self.groups.get_mut(&key) else { continue };
            let flow = group.pass(at);
            out.push(Told::Partial(group.partial(policy, &key, at, flow)));
            if let Whole::Again { partials, .. } = &mut self.whole {
                *partials += 1;
            }
            if group.depth == 0 && group.steps.is_empty() {
                self.groups.remove(&key);
            }
        }
    }

    fn wants_whole(&self, to: Timestamp) -> bool {
        let Whole::Again { last, partials } = self.whole else { return false };
        let many = WHOLE_AFTER_PARTIALS.max(WHOLE_AFTER_EACH * self.groups.len());
        to > last && (partials >= many || to - last >= WHOLE_AFTER)
    }

    /// Tells every change before the grid point `at`, and then all that stands at it.
    fn tell_whole(&mut self, policy: usize, at: Timestamp, out: &mut Vec<Told>) {
        self.pass(policy, at - Millis::new(1), out);
        out.push(Told::Whole { policy, at: Some(at) });
        let from = out.len();
        self.pass(policy, at, out);
        let changed: BTreeSet<GroupKey> = out.iter().skip(from).filter_map(Told::group).cloned().collect();
        let others = self.groups.iter().filter(|(key, group)| group.depth != 0 && !changed.contains(*key));
        out.extend(others.map(|(key, group)| Told::Partial(group.partial(policy, key, at, Change::default()))));
        self.whole = Whole::Again { last: at, partials: 0 };
    }

    fn count_end(&mut self, grid: Grid, m: &Membership, sign: i64) {
        if let Some(until) = m.until {
            self.count(grid, m, until, Change { entered: 0, left: sign });
        }
    }

    /// Books a change that holds from `instant` on at its grid point, or at the next one if that has been passed.
    ///
    /// Taking a change back needs no record of where it was booked: either its grid point lies ahead, then it was booked
    /// there; or it was late and waits at the next one, and so does its opposite; or it has been told, and then the
    /// opposite is news at the next one.
    fn count(&mut self, grid: Grid, m: &Membership, instant: Timestamp, change: Change) {
        let own = grid.at_or_after(instant);
        if !self.groups.contains_key(&m.group) {
            self.groups.insert(m.group.clone(), Group::default());
        }
        let Some(group) = self.groups.get_mut(&m.group) else { return };
        if self.loading && own <= self.through {
            group.apply(m.since, change);
            return;
        }
        let at = own.max(grid.after(self.through));
        let step = group.steps.entry(at).or_default();
        let booked = step.entry(m.since).or_default();
        booked.entered += change.entered;
        booked.left += change.left;
        if *booked == Change::default() {
            step.remove(&m.since);
        }
        if !step.is_empty() {
            self.due.insert((at, m.group.clone()));
            return;
        }
        group.steps.remove(&at);
        self.due.remove(&(at, m.group.clone()));
        if group.depth == 0 && group.steps.is_empty() {
            self.groups.remove(&m.group);
        }
    }
}

impl Group {
    /// Applies what happens at the grid point `at` and says how many came and went. A correction of what was told
    /// already counts as a flow too, the other way: depth always changes by entered − left.
    fn pass(&mut self, at: Timestamp) -> Change {
        let mut flow = Change::default();
        for (since, change) in self.steps.remove(&at).unwrap_or_default() {
            flow.entered += change.entered.max(0) + (-change.left).max(0);
            flow.left += change.left.max(0) + (-change.entered).max(0);
            self.apply(since, change);
        }
        flow
    }

    fn apply(&mut self, since: Timestamp, change: Change) {
        let net = change.entered - change.left;
        self.depth += net;
        if net != 0 {
            self.ages.add(since, net);
        }
    }

    fn partial(&self, policy: usize, group: &GroupKey, at: Timestamp, flow: Change) -> Partial {
        Partial {
            policy,
            group: group.clone(),
            at,
            depth: self.depth,
            oldest_since: self.ages.oldest(),
            entered: flow.entered,
            left: flow.left,
        }
    }
}
