//! Reading a snapshot back: the newest that is whole and ours; a damaged one is skipped for the one before, loudly.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::StoreError;
use super::format::{Body, Chunk, Decoder, FormatError, Opened};
use super::header::{SnapshotHeader, SnapshotInput, SnapshotTotals};
use super::store::{SnapshotName, SnapshotStore};
use super::wire::{BadMessage, entity_in, event_in};
use crate::codec::generated::orderwatch::internal::v1::SnapshotOrder;
use crate::domain::{Entity, Event, Str, StreamId, Timestamp};
use crate::engine::{RestoredOrder, Stored, Tombstone, Unpacker};
use crate::telemetry::emit;
use crate::telemetry::events::{SnapshotLoaded, SnapshotSkipped, SnapshotStreamDropped};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bodies that lie open before they are taken, of a megabyte or so each.
const BODIES_AHEAD: usize = 4;

/// Bodies as they are opened, in their order.
type Ahead = mpsc::Receiver<(Body, Opened)>;

/// Whose snapshot is wanted.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The consumer group.
    pub group_id: Str,
    /// The Kafka cluster's id; empty where the broker names none, and then it is not compared.
    pub cluster_id: String,
    /// The shard.
    pub shard: i32,
    /// The declared topics and what each is about, indexed by `StreamId`.
    pub streams: Vec<(Str, Entity)>,
}

/// A snapshot whose every checksum is right.
#[derive(Debug)]
pub struct Found {
    /// Where it lies.
    pub name: SnapshotName,
    /// What it says of itself.
    pub header: SnapshotHeader,
    /// What it holds.
    pub totals: SnapshotTotals,
    checked_in: Duration,
    store: SnapshotStore,
    streams: Vec<(Str, Entity)>,
}

impl SnapshotStore {
    /// The newest snapshot of `expected` that is whole; `None` where there is none. It was read to its end, so what it
    /// says will come can be relied on.
    ///
    /// # Errors
    /// The place cannot be listed, or snapshots are there and none of them could be read (a damaged one is no error).
    pub async fn newest(&self, expected: &Expected) -> Result<Option<Found>, StoreError> {
        let mut unread = None;
        for name in self.list(&expected.group_id, expected.shard).await?.into_iter().rev() {
            match self.examine(&name, expected).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) => {
                    let reason = error.to_string();
                    emit(SnapshotSkipped { shard: expected.shard, name: &name.path, reason: &reason });
                    if matches!(error, StoreError::Io { .. }) {
                        unread = Some(error);
                    }
                }
            }
        }
        unread.map_or(Ok(None), Err)
    }

    async fn examine(&self, name: &SnapshotName, expected: &Expected) -> Result<Found, StoreError> {
        let began = Instant::now();
        let (header, totals) = self.verify(&name.path).await?;
        let checked_in = began.elapsed();
        let other = [
            ("group", header.group_id.to_string(), expected.group_id.to_string()),
            ("shard", header.shard.to_string(), expected.shard.to_string()),
            ("cluster", header.cluster_id.clone(), expected.cluster_id.clone()),
        ]
        .into_iter()
        .find(|(what, theirs, ours)| theirs != ours && (*what != "cluster" || !theirs.is_empty() && !ours.is_empty()));
        if let Some((what, theirs, ours)) = other {
            return Err(StoreError::Foreign { location: self.locate(&name.path), what, theirs, ours });
        }
        let (store, streams) = (self.clone(), expected.streams.clone());
        Ok(Found { name: name.clone(), header, totals, checked_in, store, streams })
    }

    /// Reads a snapshot to its end and checks every checksum, without unpacking it.
    ///
    /// # Errors
    /// It cannot be read, or is not whole.
    pub async fn verify(&self, path: &str) -> Result<(SnapshotHeader, SnapshotTotals), StoreError> {
        let (mut header, mut totals) = (None, SnapshotTotals::default());
        let mut chunks = self.chunks(path).await?;
        while let Some(chunk) = chunks.next().await? {
            match chunk {
                Chunk::Header(h) => header = Some(*h),
                Chunk::Body(_) => {}
                Chunk::Trailer(t) => totals = t,
            }
        }
        let header = header.ok_or(FormatError::Foreign);
        let header = header.map_err(|source| StoreError::Format { location: self.locate(path), source })?;
        Ok((header, totals))
    }

    async fn chunks(&self, path: &str) -> Result<Chunks, StoreError> {
        let pieces = self.read(path).await?;
        Ok(Chunks { pieces, decoder: Decoder::default(), location: self.locate(path) })
    }
}

/// The chunks of a file, as its pieces come.
struct Chunks {
    pieces: BoxStream<'static, Result<Vec<u8>, StoreError>>,
    decoder: Decoder,
    location: String,
}

impl Chunks {
    /// The next; `None` at the end of a whole file.
    async fn next(&mut self) -> Result<Option<Chunk>, StoreError> {
        loop {
            let next = self.decoder.next_chunk();
            if let Some(chunk) = next.map_err(|e| self.bad(e))? {
                return Ok(Some(chunk));
            }
            let Some(piece) = self.pieces.next().await else {
                return self.decoder.finish().map(|()| None).map_err(|e| self.bad(e));
            };
            self.decoder.feed(&piece?);
        }
    }

    fn bad(&self, source: FormatError) -> StoreError {
        StoreError::Format { location: self.location.clone(), source }
    }
}

impl Found {
    /// Hands all orders to `take`. Events of a stream that is not declared any more, or is about another entity now, are left
    /// out, loudly.
    ///
    /// # Errors
    /// It cannot be read any more: what was taken is a part, make the shard anew.
    pub async fn read(&self, take: &mut (dyn FnMut(Stored) + Send)) -> Result<SnapshotTotals, StoreError> {
        let began = Instant::now();
        take(Stored::Announced(self.totals));
        let mut orders = OrderReader::new(&self.header, &self.streams);
        let (mut bodies, ahead) = self.open_ahead();
        while let Some((body, opened)) = bodies.recv().await {
            let taken = orders.body(&body, opened, take);
            taken.map_err(|source| StoreError::Format { location: self.store.locate(&self.name.path), source })?;
        }
        ahead.await.unwrap_or(Err(StoreError::Lost { shard: self.header.shard }))?;
        let (shard, name) = (self.header.shard, self.name.path.as_str());
        if orders.totals != self.totals {
            let source = FormatError::Totals { announced: self.totals, found: orders.totals };
            return Err(StoreError::Format { location: self.store.locate(name), source });
        }
        for (topic, events) in &orders.dropped {
            emit(SnapshotStreamDropped { shard, name, topic, events: *events });
        }
        let (taken_at, checked, took) = (self.header.taken_at, self.checked_in, began.elapsed());
        emit(SnapshotLoaded { shard, name, taken_at, orders: self.totals.orders, checked, took });
        Ok(orders.totals)
    }

    /// Reads and decompresses on a thread of its own, a few bodies ahead of who takes them.
    fn open_ahead(&self) -> (Ahead, JoinHandle<Result<(), StoreError>>) {
        let (ahead, bodies) = mpsc::channel(BODIES_AHEAD);
        let (store, path, runtime) = (self.store.clone(), self.name.path.clone(), Handle::current());
        let reading = async move {
            let mut chunks = store.chunks(&path).await?;
            while let Some(chunk) = chunks.next().await? {
                let Chunk::Body(body) = chunk else { continue };
                let opened = body.open().map_err(|e| chunks.bad(e))?;
                if ahead.send((body, opened)).await.is_err() {
                    // Nobody takes them any more, and whoever does not says why.
                    break;
                }
            }
            Ok(())
        };
        (bodies, tokio::task::spawn_blocking(move || runtime.block_on(reading)))
    }

    /// When it was taken.
    pub fn taken_at(&self) -> Timestamp {
        self.header.taken_at
    }
}

/// Opens bodies. Where the streams declared now are the file's inputs, orders stay as they lie in it; else each event's input
/// is mapped to a stream.
struct OrderReader {
    streams: Vec<Result<StreamId, Str>>,
    unpacker: Unpacker,
    unfinished: Option<(Str, Vec<Event>)>,
    dropped: BTreeMap<Str, u64>,
    totals: SnapshotTotals,
}

impl OrderReader {
    fn new(header: &SnapshotHeader, streams: &[(Str, Entity)]) -> Self {
        let stream_of = |input: &SnapshotInput| {
            let is_it = |(topic, entity): &(Str, Entity)| *topic == input.topic && *entity.name() == input.entity;
            let index = streams.iter().position(is_it).and_then(|i| u16::try_from(i).ok());
            index.map(StreamId).ok_or_else(|| input.topic.clone())
        };
        OrderReader {
            streams: header.inputs.iter().map(stream_of).collect(),
            unpacker: Unpacker::default(),
            unfinished: None,
            dropped: BTreeMap::new(),
            totals: SnapshotTotals::default(),
        }
    }

    fn body(&mut self, body: &Body, opened: Opened, take: &mut (dyn FnMut(Stored) + Send)) -> Result<(), FormatError> {
        let bad = |e: BadMessage| body.malformed(e.to_string());
        match opened {
            Opened::Packed(packed) => {
                self.totals += packed.held();
                let is_as_then = |(input, stream): (usize, &Result<StreamId, Str>)| {
                    stream.as_ref().is_ok_and(|stream| usize::from(stream.0) == input)
                };
                if self.streams.iter().enumerate().all(is_as_then) {
                    take(Stored::Packed(packed));
                    return Ok(());
                }
                let mut orders = Vec::new();
                self.unpacker.read(&packed, &mut |order| orders.push(order));
                orders.into_iter().try_for_each(|order| self.order(order, take)).map_err(bad)
            }
            Opened::Messages(messages) => {
                messages.into_iter().try_for_each(|message| self.message(message, take)).map_err(bad)
            }
        }
    }

    fn order(&mut self, order: RestoredOrder, take: &mut (dyn FnMut(Stored) + Send)) -> Result<(), BadMessage> {
        let RestoredOrder::Open(events) = order else {
            take(Stored::Order(order));
            return Ok(());
        };
        let mut known = Vec::with_capacity(events.len());
        for mut event in events {
            if let Some(stream) = self.stream_of(event.position.stream.0.into())? {
                event.position.stream = stream;
                known.push(event);
            }
        }
        if !known.is_empty() {
            take(Stored::Order(RestoredOrder::Open(known)));
        }
        Ok(())
    }

    /// The stream that an input of the file is now; `None` where it is none any more, which is counted.
    fn stream_of(&mut self, input: u32) -> Result<Option<StreamId>, BadMessage> {
        match self.streams.get(input as usize) {
            Some(Ok(stream)) => Ok(Some(*stream)),
            Some(Err(topic)) => {
                *self.dropped.entry(topic.clone()).or_default() += 1;
                Ok(None)
            }
            None => Err(BadMessage(format!("an event names input {input}, which the header lacks"))),
        }
    }

    /// A message of an earlier version: an order, or a part of one.
    fn message(&mut self, message: SnapshotOrder, take: &mut (dyn FnMut(Stored) + Send)) -> Result<(), BadMessage> {
        let SnapshotOrder { order_id, events, closed_at_ms, continues, entity } = message;
        if let Some(closed_at_ms) = closed_at_ms {
            self.totals.tombstones += 1;
            let closed_at = Timestamp::from_millis(closed_at_ms);
            let tombstone = Tombstone::of(&entity_in(entity), &order_id, closed_at);
            take(Stored::Order(RestoredOrder::Tombstone(tombstone)));
            return Ok(());
        }
        let (order_id, mut known) =
            self.unfinished.take().unwrap_or_else(|| (Str::from(order_id), Vec::with_capacity(events.len())));
        self.totals.events += events.len() as u64;
        for event in events {
            if let Some(stream) = self.stream_of(event.input)? {
                known.push(event_in(event, &order_id, stream)?);
            }
        }
        if continues {
            self.unfinished = Some((order_id, known));
            return Ok(());
        }
        self.totals.orders += 1;
        if !known.is_empty() {
            take(Stored::Order(RestoredOrder::Open(known)));
        }
        Ok(())
    }
}
