//! Snapshots in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::domain::Str;
use crate::engine::{PackedOrders, Stored};
use crate::run::RunError;
use crate::run::recovery::{self, Shelved};
use crate::snapshot::SnapshotHeader;

/// How many are kept of a shard.
const KEEP: usize = 3;

/// One that is whole.
#[derive(Debug)]
pub struct Snapshot {
    pub header: SnapshotHeader,
    pub orders: Vec<PackedOrders>,
}

#[derive(Debug, Default)]
pub struct Shelf {
    held: RefCell<BTreeMap<i32, Vec<Snapshot>>>,
    lags: Cell<bool>,
    /// Shards whose inputs were cut on the word of what is held here: up to where.
    cut: RefCell<BTreeMap<i32, BTreeMap<Str, i64>>>,
}

impl Shelf {
    pub fn put(&self, snapshot: Snapshot) {
        let cut = self.cut.borrow();
        let floor = |topic| cut.get(&snapshot.header.shard).and_then(|of_shard| of_shard.get(topic)).copied();
        // It took so long that retention has overtaken it; the oracle is not told of what would be lost.
        if snapshot.header.inputs.iter().any(|input| floor(&input.topic) > Some(input.next_offset)) {
            return;
        }
        let mut held = self.held.borrow_mut();
        let of_shard = held.entry(snapshot.header.shard).or_default();
        of_shard.push(snapshot);
        if of_shard.len() > KEEP {
            of_shard.remove(0);
        }
    }

    /// The next listing lacks the newest one; or the newest one is damaged, which comes to the same.
    pub fn may_lag(&self, lags: bool) {
        self.lags.set(lags);
    }

    /// By topic, up to where all that may be taken back of a shard reaches; none where too few are held for that.
    pub fn covers(&self, shard: i32) -> BTreeMap<Str, i64> {
        let held = self.held.borrow();
        let mut covered: BTreeMap<Str, i64> = BTreeMap::new();
        let Some(of_shard) = held.get(&shard).filter(|of_shard| of_shard.len() == KEEP) else { return covered };
        for input in of_shard.iter().flat_map(|snapshot| &snapshot.header.inputs) {
            let least = covered.entry(input.topic.clone()).or_insert(input.next_offset);
            *least = input.next_offset.min(*least);
        }
        covered
    }

    /// The inputs of a shard were cut so far.
    pub fn was_cut(&self, shard: i32, covered: BTreeMap<Str, i64>) {
        self.cut.borrow_mut().insert(shard, covered);
    }

    /// The place is lost, unless inputs were cut: then the oracle would have to forget too.
    pub fn clear(&self) {
        if self.cut.borrow().is_empty() {
            self.held.borrow_mut().clear();
        }
    }
}

impl recovery::Shelf for Shelf {
    fn newest(&self, shard: i32, take: &mut (dyn FnMut(Stored) + Send)) -> Result<Option<Shelved>, RunError> {
        let held = self.held.borrow();
        let of_shard = held.get(&shard).map(Vec::as_slice).unwrap_or_default();
        let listed = &of_shard[..of_shard.len() - usize::from(self.lags.get() && !of_shard.is_empty())];
        let Some(snapshot) = listed.last() else { return Ok(None) };
        snapshot.orders.iter().cloned().map(Stored::Packed).for_each(take);
        Ok(Some(Shelved { header: snapshot.header.clone(), bytes: 0 }))
    }
}
