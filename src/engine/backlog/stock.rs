//! The stock that `oversold` holds against demand: levels and movements of every sku at every location.
//!
//! The stock of a sku at an instant is the sum over its locations of the newest level at or before that instant and of what
//! moved since. It hangs on the set of events alone, not on their order. A location counts once a level of it is known:
//! what moved before says nothing, since nobody knows from where it started.
//!
//! It is told to a lane as a shard's figures are, by grid point, under a number that no shard has: so the lane judges no
//! grid point that the inventory has not passed.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Millis, Position, StockChange, StockEvent, Str, StreamId, Timestamp};
use crate::policy::Backlog;
use crate::policy::backlog::GroupKey;

use super::lane::Lane;
use super::{Grid, Partial};

/// The number under which the stock speaks to a lane: no shard's.
pub(super) const STOCK: i32 = -1;
/// Skus at locations that are kept.
const PLACES_MAX: usize = 500_000;
/// Events of one sku at one location that are kept; beyond, the oldest is added to the level before it.
const EVENTS_MAX: usize = 10_000;

/// The code of the dead letter that a stock event becomes where there are too many skus.
pub const TOO_MANY_SKUS: &str = "too_many_skus";

/// What became of a stock event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StockApplied {
    /// It counts.
    New,
    /// It was known.
    Repeat,
    /// A newer level tells more than it could.
    Superseded,
    /// There are too many skus and locations: it is a dead letter.
    Full,
}

/// Who said it: what is said twice under one identity counts once.
type Identity = (StreamId, Str, Str);

#[derive(Debug)]
pub(super) struct Stock {
    grid: Grid,
    grace: Millis,
    /// The last grid point told.
    through: Timestamp,
    skus: BTreeMap<Str, Sku>,
    places: usize,
    /// The grid points at which a sku changes.
    due: BTreeSet<(Timestamp, Str)>,
}

#[derive(Debug, Default)]
struct Sku {
    places: BTreeMap<Str, Place>,
    /// Of everything that the places keep.
    identities: BTreeSet<Identity>,
    told: Option<i64>,
}

#[derive(Debug, Default)]
struct Place {
    /// The newest level that the frontier has passed.
    base: Option<Level>,
    /// What was said of later instants, in the order in which it counts.
    later: BTreeMap<(Timestamp, Position), (StockChange, Identity)>,
}

#[derive(Debug)]
struct Level {
    at: (Timestamp, Position),
    available: i64,
    identity: Identity,
}

impl Stock {
    pub fn new(grid: Grid, grace: Millis) -> Self {
        let (through, skus, due) = (Timestamp::MIN, BTreeMap::new(), BTreeSet::new());
        Stock { grid, grace, through, skus, places: 0, due }
    }

    /// Takes in an event. What comes late, or twice, in whatever order, ends in the same stock.
    pub fn apply(&mut self, event: &StockEvent) -> StockApplied {
        let is_new = self.skus.get(&event.sku).is_none_or(|sku| !sku.places.contains_key(&event.location));
        if is_new && self.places >= PLACES_MAX {
            return StockApplied::Full;
        }
        let sku = self.skus.entry(event.sku.clone()).or_default();
        let identity = (event.position.stream, event.source.clone(), event.event_id.clone());
        if sku.identities.contains(&identity) {
            return StockApplied::Repeat;
        }
        self.places += usize::from(is_new);
        let place = sku.places.entry(event.location.clone()).or_default();
        let at = (event.event_time, event.position);
        if place.base.as_ref().is_some_and(|base| base.covers(at, event.change)) {
            return StockApplied::Superseded;
        }
        sku.identities.insert(identity.clone());
        place.later.insert(at, (event.change, identity));
        if place.later.len() > EVENTS_MAX
            && let Some(gone) = place.fold_oldest()
        {
            sku.identities.remove(&gone);
        }
        let point = self.grid.at_or_after(event.event_time).max(self.grid.after(self.through));
        self.due.insert((point, event.sku.clone()));
        StockApplied::New
    }

    /// Moves the frontier: what is available of each sku from which grid point on, where that is news.
    pub fn advance(&mut self, frontier: Timestamp) -> Vec<(Timestamp, Str, i64)> {
        let to = self.through.max(self.grid.passed(frontier, self.grace));
        let mut told = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= to) {
            let Some((at, name)) = self.due.pop_first() else { break };
            let Some(sku) = self.skus.get_mut(&name) else { continue };
            let available = sku.pass(at);
            if available != sku.told
                && let Some(available) = available
            {
                sku.told = Some(available);
                told.push((at, name, available));
            }
        }
        self.through = to;
        told
    }

    /// The next grid point at which something changes.
    pub fn next_point(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Sku {
    /// What is available at the grid point `at`, which is passed; `None` where no level is known.
    fn pass(&mut self, at: Timestamp) -> Option<i64> {
        let mut sum: Option<i64> = None;
        for place in self.places.values_mut() {
            for gone in place.settle(at) {
                self.identities.remove(&gone);
            }
            if let Some(available) = place.available(at) {
                sum = Some(sum.unwrap_or(0).saturating_add(available));
            }
        }
        sum
    }
}

impl Place {
    /// The newest level at or before `at` becomes the base. Gives the identities of what it makes worthless.
    fn settle(&mut self, at: Timestamp) -> Vec<Identity> {
        let is_level = |change: &StockChange| matches!(change, StockChange::Level(_));
        let passed = self.later.iter().rev().filter(|((time, _), _)| *time <= at);
        let Some(newest) = passed.filter(|(_, (change, _))| is_level(change)).map(|(key, _)| *key).next() else {
            return Vec::new();
        };
        let mut gone: Vec<Identity> = self.base.take().map(|base| base.identity).into_iter().collect();
        let held = std::mem::take(&mut self.later);
        for (key, (change, identity)) in held {
            match change {
                StockChange::Level(available) if key == newest => {
                    self.base = Some(Level { at: key, available, identity });
                }
                StockChange::Moved(_) if key.0 > newest.0 => drop(self.later.insert(key, (change, identity))),
                StockChange::Level(_) if key > newest => drop(self.later.insert(key, (change, identity))),
                _ => gone.push(identity),
            }
        }
        gone
    }

    /// What is available at `at`. A level says how many there are after all that moved up to its own instant.
    fn available(&self, at: Timestamp) -> Option<i64> {
        let base = self.base.as_ref().map(|base| (base.at.0, base.available));
        let until = self.later.iter().take_while(|((time, _), _)| *time <= at);
        let known = until.fold(base, |known, ((time, _), (change, _))| match (change, known) {
            (StockChange::Level(available), _) => Some((*time, *available)),
            (StockChange::Moved(by), Some((since, available))) if *time > since => {
                Some((since, available.saturating_add(*by)))
            }
            (StockChange::Moved(_), known) => known,
        });
        known.map(|(_, available)| available)
    }

    /// Adds the oldest event to the level before it; without a level, it is forgotten.
    fn fold_oldest(&mut self) -> Option<Identity> {
        let (at, (change, identity)) = self.later.pop_first()?;
        match (change, &mut self.base) {
            (StockChange::Level(available), base) => {
                return base.replace(Level { at, available, identity }).map(|base| base.identity);
            }
            (StockChange::Moved(by), Some(base)) => {
                (base.at, base.available) = (at, base.available.saturating_add(by));
            }
            (StockChange::Moved(_), None) => {}
        }
        Some(identity)
    }
}

impl Level {
    /// Whether an event of that instant can change nothing any more.
    fn covers(&self, at: (Timestamp, Position), change: StockChange) -> bool {
        match change {
            StockChange::Level(_) => at <= self.at,
            StockChange::Moved(_) => at.0 <= self.at.0,
        }
    }
}

impl Lane {
    /// Takes in a stock event; `None` for a policy that asks for no stock.
    pub fn take_stock(&mut self, event: &StockEvent) -> Option<StockApplied> {
        Some(self.stock.as_mut()?.apply(event))
    }

    /// Every inventory partition has come to `frontier`.
    pub fn stock_passed(&mut self, frontier: Timestamp, policy: &Backlog) {
        let Some(stock) = &mut self.stock else { return };
        for (at, sku, depth) in stock.advance(frontier) {
            let group = GroupKey::new([Some(sku)]);
            let (entered, left, oldest_since, wanting) = (0, 0, None, Vec::new());
            self.take(STOCK, Partial { policy: 0, group, at, depth, oldest_since, entered, left, wanting }, policy);
        }
        self.heard.passed(STOCK, frontier);
    }

    /// Whether the inventory lies ahead of the shards by more than should wait here.
    pub fn is_full_of_stock(&self, shards: usize) -> bool {
        let is_ahead = || self.heard.frontier(STOCK) > self.heard.by_shards(shards);
        self.stock.is_some() && self.pending() > PENDING_OF_STOCK && is_ahead()
    }
}

/// So much may wait for shards that are behind the inventory before that is read on.
const PENDING_OF_STOCK: usize = 200_000;

#[cfg(test)]
#[path = "tests/stock.rs"]
mod tests;
