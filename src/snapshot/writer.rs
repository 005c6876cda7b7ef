//! Taking snapshots while the shards go on: the loop hands over a slice of orders a turn, a thread compresses and
//! writes them.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::error::StoreError;
use super::format::{Encoder, FormatError};
use super::header::{SnapshotHeader, SnapshotTotals};
use super::store::{NewFile, SnapshotStore};
use crate::engine::{PackedOrders, Shard};
use crate::telemetry::events::{SnapshotFailed, SnapshotPruneFailed, SnapshotWritten};
use crate::telemetry::{SnapshotStatus, emit};

/// Orders copied in one turn: about a millisecond.
const SLICE: usize = 4_000;
/// Slices that wait for the thread; beyond them the loop copies nothing.
const SLICES_AHEAD: usize = 2;

/// Takes snapshots of any number of shards, one at a time of each.
#[derive(Debug)]
pub struct SnapshotWriter {
    store: SnapshotStore,
    keep: usize,
    runtime: Handle,
    under_way: BTreeMap<i32, UnderWay>,
}

/// How a snapshot ended. The log line and the metrics are made already.
#[derive(Debug)]
pub struct SnapshotOutcome {
    /// The shard.
    pub shard: i32,
    /// For `ShardStatus::snapshot`; the one before stands where it failed.
    pub result: Result<SnapshotStatus, StoreError>,
}

#[derive(Debug)]
struct UnderWay {
    feed: Option<Feed>,
    /// The shard left after all of it was handed over: the file is finished and nobody is told.
    left: bool,
    outcome: Receiver<Result<SnapshotStatus, StoreError>>,
}

/// The loop's side of a snapshot that still takes orders.
#[derive(Debug)]
struct Feed {
    slices: SyncSender<Slice>,
    waiting: Option<Slice>,
    cursor: Option<usize>,
}

#[derive(Debug)]
enum Slice {
    Orders(PackedOrders),
    /// The shard has been seen whole: without it, what was written is thrown away.
    End,
}

impl SnapshotWriter {
    /// Writes to `store` and keeps the newest `keep` of each shard.
    pub fn new(store: SnapshotStore, keep: usize, runtime: Handle) -> Self {
        SnapshotWriter { store, keep, runtime, under_way: BTreeMap::new() }
    }

    /// Begins a snapshot of `header.shard`; false where one of it is under way.
    pub fn begin(&mut self, header: SnapshotHeader) -> bool {
        let shard = header.shard;
        if self.under_way.contains_key(&shard) {
            return false;
        }
        let (slices, taken) = sync_channel(SLICES_AHEAD);
        let (done, outcome) = sync_channel(1);
        let (store, keep, runtime) = (self.store.clone(), self.keep, self.runtime.clone());
        self.runtime.spawn_blocking(move || {
            if let Some(result) = write(&store, &header, keep, &taken, &runtime) {
                let _ = done.send(result);
            }
        });
        let feed = Some(Feed { slices, waiting: None, cursor: Some(0) });
        self.under_way.insert(shard, UnderWay { feed, left: false, outcome });
        true
    }

    /// True while a snapshot of this shard is being taken or written.
    pub fn is_under_way(&self, shard: i32) -> bool {
        self.under_way.contains_key(&shard)
    }

    /// Copies the shard's next slice, where a snapshot of it wants one and the thread keeps up. Call it once a turn.
    /// True where it copied something. `may_end`: everything that the shard has read is committed; only then is the
    /// snapshot ended, so that no restore finds in it what its group has not committed yet.
    pub fn feed(&mut self, shard: &mut Shard, may_end: bool) -> bool {
        self.feed_from(shard.partition(), may_end, |cursor| shard.copy_orders(cursor, SLICE))
    }

    /// True while the shard is being copied.
    pub fn is_copying(&self, shard: i32) -> bool {
        self.under_way.get(&shard).is_some_and(|under_way| under_way.feed.is_some())
    }

    /// True where all of the shard was copied and its snapshot waits for a commit.
    pub fn waits_for_a_commit(&self, shard: i32) -> bool {
        self.under_way.get(&shard).and_then(|under_way| under_way.feed.as_ref()).is_some_and(Feed::is_at_its_end)
    }

    /// [`SnapshotWriter::feed`] for anything that can be copied with a cursor.
    pub(super) fn feed_from(
        &mut self,
        shard: i32,
        may_end: bool,
        copy: impl FnOnce(usize) -> (PackedOrders, Option<usize>),
    ) -> bool {
        let Some(under_way) = self.under_way.get_mut(&shard) else { return false };
        let Some(feed) = under_way.feed.as_mut() else { return false };
        if !may_end && feed.is_at_its_end() {
            return false;
        }
        match feed.turn(copy) {
            Turn::Fed => true,
            Turn::Busy => false,
            Turn::Over => {
                under_way.feed = None;
                false
            }
        }
    }

    /// The shard is leaving: gives its snapshot up, unless all of it was handed over. Its outcome is not told.
    pub fn cancel(&mut self, shard: i32) {
        let Some(under_way) = self.under_way.get_mut(&shard) else { return };
        under_way.left = true;
        if under_way.feed.is_some() {
            self.under_way.remove(&shard);
        }
    }

    /// The snapshots that ended since the last call.
    pub fn poll(&mut self) -> Vec<SnapshotOutcome> {
        let mut ended = Vec::new();
        self.under_way.retain(|shard, under_way| {
            let result = match under_way.outcome.try_recv() {
                Ok(result) => result,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => Err(StoreError::Lost { shard: *shard }),
            };
            if !under_way.left {
                ended.push(SnapshotOutcome { shard: *shard, result });
            }
            false
        });
        ended
    }

    /// Hands over all that is left of `shards` and waits until every snapshot has ended, or until `deadline`: for the
    /// end of a run. `turn` is called between waits, so that the loop's heart goes on beating.
    pub fn finish(
        &mut self,
        shards: &mut [(&mut Shard, bool)],
        deadline: Instant,
        mut turn: impl FnMut(),
    ) -> Vec<SnapshotOutcome> {
        let mut ended = self.poll();
        while !self.under_way.is_empty() && Instant::now() < deadline {
            let mut fed = false;
            for (shard, may_end) in shards.iter_mut() {
                fed |= self.feed(shard, *may_end);
            }
            if !fed {
                // Both sides wait for the disk or the network here; there is nothing to be woken by on two channels.
                std::thread::sleep(Duration::from_millis(1));
            }
            turn();
            ended.extend(self.poll());
        }
        ended
    }
}

enum Turn {
    Fed,
    /// The thread has not taken the last slice yet.
    Busy,
    /// Everything was handed over, or the thread has given up.
    Over,
}

impl Feed {
    fn is_at_its_end(&self) -> bool {
        self.cursor.is_none() && self.waiting.is_none()
    }

    fn turn(&mut self, copy: impl FnOnce(usize) -> (PackedOrders, Option<usize>)) -> Turn {
        if let Some(slice) = self.waiting.take() {
            match self.hand_over(slice) {
                Turn::Fed => {}
                stop => return stop,
            }
        }
        let Some(cursor) = self.cursor else { return self.hand_over(Slice::End) };
        let (orders, next) = copy(cursor);
        self.cursor = next;
        match self.hand_over(Slice::Orders(orders)) {
            Turn::Over => Turn::Over,
            // It was copied, whether or not the thread has room for it already.
            Turn::Fed | Turn::Busy => Turn::Fed,
        }
    }

    fn hand_over(&mut self, slice: Slice) -> Turn {
        let ends = matches!(slice, Slice::End);
        match self.slices.try_send(slice) {
            Ok(()) if ends => Turn::Over,
            Ok(()) => Turn::Fed,
            Err(TrySendError::Full(slice)) => {
                self.waiting = Some(slice);
                Turn::Busy
            }
            Err(TrySendError::Disconnected(_)) => Turn::Over,
        }
    }
}

/// The thread's work. `None` where the loop gave the snapshot up.
fn write(
    store: &SnapshotStore,
    header: &SnapshotHeader,
    keep: usize,
    slices: &Receiver<Slice>,
    runtime: &Handle,
) -> Option<Result<SnapshotStatus, StoreError>> {
    let began = Instant::now();
    let shard = header.shard;
    let result = match write_file(store, header, slices, runtime) {
        Ok(None) => return None,
        Ok(Some((name, bytes, totals))) => {
            let took = began.elapsed();
            emit(SnapshotWritten { shard, name: &name, bytes, orders: totals.orders + totals.tombstones, took });
            if let Err(error) = runtime.block_on(store.prune(&header.group_id, shard, keep)) {
                emit(SnapshotPruneFailed { shard, error: &error.to_string() });
            }
            Ok(SnapshotStatus { taken_at: header.taken_at, bytes, took: Some(took) })
        }
        Err(error) => {
            emit(SnapshotFailed { shard, error: &error.to_string() });
            Err(error)
        }
    };
    Some(result)
}

type Written = (String, u64, SnapshotTotals);

fn write_file(
    store: &SnapshotStore,
    header: &SnapshotHeader,
    slices: &Receiver<Slice>,
    runtime: &Handle,
) -> Result<Option<Written>, StoreError> {
    let mut out = Vec::new();
    let encoder = Encoder::new(header, &mut out).map_err(|e| unpackable(header, e))?;
    let mut file = runtime.block_on(store.create(&header.group_id, header.shard, header.taken_at))?;
    match fill(&mut file, header, (encoder, out), slices, runtime) {
        Ok(Some(totals)) => {
            let (name, bytes) = runtime.block_on(file.finish())?;
            Ok(Some((name, bytes, totals)))
        }
        given_up => {
            // A bucket keeps, and charges for, the parts of an upload that is neither completed nor aborted.
            runtime.block_on(file.abort());
            given_up.map(|_| None)
        }
    }
}

/// Everything up to the file's last byte. `None` where the loop gave the snapshot up.
fn fill(
    file: &mut NewFile,
    header: &SnapshotHeader,
    (mut encoder, mut out): (Encoder, Vec<u8>),
    slices: &Receiver<Slice>,
    runtime: &Handle,
) -> Result<Option<SnapshotTotals>, StoreError> {
    loop {
        match slices.recv() {
            Ok(Slice::Orders(orders)) => {
                encoder.push(&orders, &mut out).map_err(|e| unpackable(header, e))?;
            }
            Ok(Slice::End) => break,
            Err(_) => return Ok(None),
        }
        if !out.is_empty() {
            runtime.block_on(file.write(&out))?;
            out.clear();
        }
    }
    let totals = encoder.finish(&mut out).map_err(|e| unpackable(header, e))?;
    runtime.block_on(file.write(&out))?;
    Ok(Some(totals))
}

fn unpackable(header: &SnapshotHeader, source: FormatError) -> StoreError {
    StoreError::Format { location: format!("the snapshot of shard {}", header.shard), source }
}
