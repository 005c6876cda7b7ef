//! Snapshots in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::engine::RestoredOrder;
use crate::run::RunError;
use crate::run::recovery::{self, Shelved};
use crate::snapshot::SnapshotHeader;

/// How many are kept of a shard.
const KEEP: usize = 3;

/// One that is whole.
#[derive(Debug)]
pub struct Snapshot {
    pub header: SnapshotHeader,
    pub orders: Vec<RestoredOrder>,
}

#[derive(Debug, Default)]
pub struct Shelf {
    held: RefCell<BTreeMap<i32, Vec<Snapshot>>>,
    lags: Cell<bool>,
}

impl Shelf {
    pub fn put(&self, snapshot: Snapshot) {
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

    /// The place is lost.
    pub fn clear(&self) {
        self.held.borrow_mut().clear();
    }
}

impl recovery::Shelf for Shelf {
    fn newest(&self, shard: i32, take: &mut (dyn FnMut(RestoredOrder) + Send)) -> Result<Option<Shelved>, RunError> {
        let held = self.held.borrow();
        let of_shard = held.get(&shard).map(Vec::as_slice).unwrap_or_default();
        let listed = &of_shard[..of_shard.len() - usize::from(self.lags.get() && !of_shard.is_empty())];
        let Some(snapshot) = listed.last() else { return Ok(None) };
        snapshot.orders.iter().cloned().for_each(take);
        Ok(Some(Shelved { header: snapshot.header.clone(), bytes: 0 }))
    }
}
