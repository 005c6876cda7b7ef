//! One queue of the sum: its depth, its ages, its flows, and whether it is backed up.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::domain::{BacklogFigures, ExceptionId, Millis, Timestamp};
use crate::policy::Backlog;
use crate::policy::backlog::Bounds;

use super::{Ages, Grid};

const MINUTE_MS: f64 = 60_000.0;

/// One queue, summed over the shards.
#[derive(Debug)]
pub(super) struct Queue {
    /// The name of its exception.
    pub id: ExceptionId,
    pub depth: i64,
    /// What is available of the sku, for a check `oversold`; `None` where nobody has told.
    pub stock: Option<i64>,
    pub ages: Ages,
    pub flows: Flows,
    pub clocks: Clocks,
    /// When it must be looked at next without anything having changed.
    pub due: Option<Timestamp>,
    /// When it can be forgotten, if it stays empty.
    pub idle_at: Option<Timestamp>,
}

/// What is remembered of a queue beside its flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clocks {
    /// The grid point since which an opening bound has been reached without a break, while it is not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_since: Option<Timestamp>,
    /// Set while it is backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Open>,
    /// The grid point since which the clearing bounds have been kept without a break, while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_since: Option<Timestamp>,
}

/// A queue that is backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    /// The grid point at which a bound was first reached.
    pub started_at: Timestamp,
    /// The grid point at which it had been reached for long enough.
    pub opened_at: Timestamp,
}

/// By what a queue is judged, apart from its own state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub policy: &'a Backlog,
    pub grid: Grid,
    pub publish_after: Timestamp,
}

impl Queue {
    pub fn new(id: ExceptionId) -> Self {
        let (ages, flows, clocks) = (Ages::default(), Flows::default(), Clocks::default());
        Queue { id, depth: 0, stock: None, ages, flows, clocks, due: None, idle_at: None }
    }

    /// Replaces one share of the depth by another.
    pub fn share(&mut self, old: (i64, Option<Timestamp>), new: (i64, Option<Timestamp>)) {
        self.depth += new.0 - old.0;
        if old.1 != new.1 {
            // The new one first: the multiset never goes below zero.
            new.1.into_iter().for_each(|since| self.ages.add(since, 1));
            old.1.into_iter().for_each(|since| self.ages.add(since, -1));
        }
    }

    /// Judges the grid point `t`. Nothing may have changed or come due between the last one judged and this.
    /// True where the queue was open and is not any more.
    pub fn judge(&mut self, rules: Rules<'_>, t: Timestamp) -> bool {
        let reached = match rules.policy.is_oversold() {
            true => self.shortage() > 0,
            false => self.reaches(&rules.policy.open_when, t),
        };
        let clocks = &mut self.clocks;
        if clocks.open.is_none() {
            clocks.clear_since = None;
            clocks.reached_since = reached.then_some(clocks.reached_since.unwrap_or(t));
            if let Some(started_at) = clocks.reached_since
                && t >= started_at + rules.policy.open_when.held_for
            {
                clocks.open = Some(Open { started_at, opened_at: t });
                clocks.reached_since = None;
            }
            return false;
        }
        let clear = !reached && self.keeps(&rules.policy.clear_when, t);
        let clocks = &mut self.clocks;
        clocks.clear_since = clear.then_some(clocks.clear_since.unwrap_or(t));
        let closes = clocks.clear_since.is_some_and(|since| t >= since + rules.policy.clear_when.held_for);
        if closes {
            *clocks = Clocks::default();
        }
        closes
    }

    /// The next grid point after `t` at which the verdict can change though nothing else does.
    pub fn next_due(&self, rules: Rules<'_>, t: Timestamp) -> Option<Timestamp> {
        let Rules { policy, grid, publish_after } = rules;
        let oldest = self.ages.oldest();
        let aged = |age: Option<Millis>| Some(oldest? + age?);
        let at = |instant: Option<Timestamp>| instant.map(|i| grid.at_or_after(i)).filter(|due| *due > t);
        let reached = at(aged(policy.open_when.oldest_age));
        let Some(open) = self.clocks.open else {
            let held = self.clocks.reached_since.map(|since| since + policy.open_when.held_for);
            return [reached, at(held)].into_iter().flatten().min();
        };
        let cleared = self.clocks.clear_since.map(|since| since + policy.clear_when.held_for);
        let broken = self.clocks.clear_since.and(aged(policy.clear_when.oldest_age)).map(Timestamp::next);
        let from = rules.counts_from(open);
        let rung = policy.escalate_after.iter().find_map(|rung| at(Some(from + rung.after)));
        let published = at(Some(publish_after));
        [reached, at(cleared), at(broken), rung, published].into_iter().flatten().min()
    }

    /// What is known of the queue at `t`.
    pub fn figures(&self, grid: Grid, t: Timestamp) -> BacklogFigures {
        let (entered, left) = self.flows.sums();
        let window_ms = grid.rate_window().get();
        let shrinks = left - entered;
        let time_to_clear_ms = match self.depth {
            0 => Some(0),
            depth if shrinks > 0 => {
                // Rounded up. An overflow is longer than anything that is worth saying.
                i64::try_from((i128::from(depth) * i128::from(window_ms) - 1) / i128::from(shrinks) + 1).ok()
            }
            _ => None,
        };
        let per_min = |count: i64| count as f64 * MINUTE_MS / window_ms as f64;
        BacklogFigures {
            depth: self.depth,
            oldest_age_ms: self.ages.oldest().map(|since| (t - since).get()),
            inflow_per_min: per_min(entered),
            outflow_per_min: per_min(left),
            time_to_clear_ms,
        }
    }

    /// True where nothing of it need be remembered.
    pub fn is_idle(&self) -> bool {
        let is_empty = self.depth == 0 && self.stock.is_none() && self.flows.0.is_empty();
        is_empty && self.clocks == Clocks::default()
    }

    /// Whether nobody has told what there is of what is wanted: that opens nothing and clears nothing.
    pub fn is_unknown(&self, policy: &Backlog) -> bool {
        policy.is_oversold() && self.stock.is_none() && self.depth > 0
    }

    /// How many pieces are wanted beyond those that there are; 0 where that is not known.
    pub fn shortage(&self) -> i64 {
        self.stock.map_or(0, |stock| self.depth.saturating_sub(stock.max(0)).max(0))
    }

    fn reaches(&self, bounds: &Bounds, t: Timestamp) -> bool {
        let aged = |bound: Millis| self.ages.oldest().is_some_and(|since| t - since >= bound);
        bounds.depth.is_some_and(|bound| self.depth >= bound) || bounds.oldest_age.is_some_and(aged)
    }

    fn keeps(&self, bounds: &Bounds, t: Timestamp) -> bool {
        let young = |bound: Millis| self.ages.oldest().is_none_or(|since| t - since <= bound);
        bounds.depth.is_none_or(|bound| self.depth <= bound) && bounds.oldest_age.is_none_or(young)
    }
}

impl Rules<'_> {
    /// From where escalations count: the opening, or the first grid point at which it could be published. Nobody is
    /// blamed for not having answered what was never said.
    fn counts_from(&self, open: Open) -> Timestamp {
        open.opened_at.max(self.grid.at_or_after(self.publish_after))
    }

    /// How many rungs of `escalate_after` have been reached at `t`.
    pub fn level(&self, open: Open, t: Timestamp) -> u32 {
        let from = self.counts_from(open);
        let reached = self.policy.escalate_after.iter().take_while(|rung| t >= from + rung.after).count();
        u32::try_from(reached).unwrap_or(u32::MAX)
    }
}

/// What came and went, by grid point, within the rates' window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Flows(VecDeque<Flow>);

/// At one grid point: when, how many entered, how many left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flow(Timestamp, i64, i64);

impl Flows {
    /// Grid points come in order.
    pub fn add(&mut self, at: Timestamp, entered: i64, left: i64) {
        if entered == 0 && left == 0 {
            return;
        }
        match self.0.back_mut() {
            Some(last) if last.0 == at => {
                last.1 += entered;
                last.2 += left;
            }
            _ => self.0.push_back(Flow(at, entered, left)),
        }
    }

    /// Forgets what lies out of the window that ends at `t`.
    pub fn prune(&mut self, grid: Grid, t: Timestamp) {
        while self.0.front().is_some_and(|flow| flow.0 + grid.rate_window() <= t) {
            self.0.pop_front();
        }
    }

    /// When the newest of them leaves the window.
    pub fn gone_at(&self, grid: Grid) -> Option<Timestamp> {
        self.0.back().map(|flow| grid.at_or_after(flow.0 + grid.rate_window()))
    }

    fn sums(&self) -> (i64, i64) {
        self.0.iter().fold((0, 0), |(entered, left), flow| (entered + flow.1, left + flow.2))
    }
}
