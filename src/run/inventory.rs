//! The inventory as whoever sums reads it: from bytes to the stock, how far every partition has been read, and what is no
//! stock event.

use std::collections::BTreeMap;

use crate::codec::{MalformedCode, OutputRecord, StreamCodec, dead_letter, decode_stock};
use crate::domain::{Str, StreamId, Timestamp};
use crate::engine::{BacklogSum, EffectiveTime, Ends, Frontier, HeldCause, StockApplied, TOO_MANY_SKUS};
use crate::kafka::inventory::{Found, stream_of};
use crate::kafka::{Fetched, InputPartition};
use crate::telemetry::emit;
use crate::telemetry::events::{BatchApplied, DeadLettered, StreamCounts};

use super::wire::Wire;

/// Dead letters that wait for their transaction before more is read: each may be as large as the largest record.
const LETTERS_MAX: usize = 100;

/// The partitions of all inventory topics.
#[derive(Debug)]
pub struct Inventory {
    topics: Vec<Str>,
    /// Each partition; its place is its number in `frontier`.
    inputs: Vec<InputPartition>,
    frontier: Frontier,
    /// How many of the declared streams are the orders'.
    orders: usize,
    counts: BTreeMap<StreamId, StreamCounts>,
    letters: Vec<OutputRecord>,
    in_flight: usize,
}

impl Inventory {
    /// Nothing was read yet. `topics`: each with its number of partitions, after so many streams of orders.
    pub fn new(orders: usize, topics: &[(Str, usize)]) -> Self {
        let of = |(place, (_, partitions)): (usize, &(Str, usize))| {
            let stream = stream_of(orders, place);
            let partitions = i32::try_from(*partitions).unwrap_or(i32::MAX);
            (0..partitions).map(move |partition| InputPartition { stream, partition })
        };
        let inputs: Vec<InputPartition> = topics.iter().enumerate().flat_map(of).collect();
        let topics = topics.iter().map(|(topic, _)| topic.clone()).collect();
        let (frontier, counts, letters) = (Frontier::new(0), BTreeMap::new(), Vec::new());
        Inventory { topics, inputs, frontier, orders, counts, letters, in_flight: 0 }
    }

    /// It is read from its beginning, by whoever sums now.
    pub fn begin_anew(&mut self) {
        self.frontier = Frontier::new(self.inputs.len());
        for place in 0..self.inputs.len() {
            self.frontier.assign(number(place), 0, EffectiveTime::default());
        }
        self.letters.clear();
        self.in_flight = 0;
    }

    /// Whether no topic tells of stock.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The partitions, each with its topic.
    pub fn inputs(&self) -> Vec<(InputPartition, Str)> {
        self.inputs.iter().map(|input| (*input, self.topic(*input))).collect()
    }

    /// The partitions, each with the next offset to read.
    pub fn positions(&self) -> Vec<(InputPartition, i64)> {
        let position =
            |(place, input): (usize, &InputPartition)| Some((*input, self.frontier.position(number(place))?));
        self.inputs.iter().enumerate().filter_map(position).collect()
    }

    /// Whether more may be read before what was is committed.
    pub fn has_room(&self) -> bool {
        self.letters.len() < LETTERS_MAX
    }

    /// Takes in what the reader found.
    pub fn take(&mut self, found: Found, sum: &mut BacklogSum, wire: &Wire, clock: Timestamp) {
        match found {
            Found::At(input, at) => {
                if let Some(place) = self.place(input) {
                    self.frontier.moved(place, at);
                }
            }
            Found::Record(record) => {
                if let Some(place) = self.place(record.input) {
                    self.record(place, &record, sum, wire, clock);
                }
            }
        }
    }

    fn record(&mut self, place: StreamId, record: &Fetched, sum: &mut BacklogSum, wire: &Wire, clock: Timestamp) {
        let (input, offset) = (record.input, record.offset);
        let topic = self.topic(input);
        // Whoever summed before has counted it, and told of it.
        let is_new = sum.inventory_read(&topic, input.partition, offset);
        let mut counted = StreamCounts::default();
        let read = |frontier: &mut Frontier| frontier.read(place, offset, record.timestamp, clock);
        if record.is_null() {
            counted.nulls += 1;
            read(&mut self.frontier);
        } else if let Some(codec) = self.codec(wire, input) {
            let refused = match record.with_raw(|raw| decode_stock(codec, raw)) {
                Ok(event) => {
                    let effective = read(&mut self.frontier);
                    counted.events += 1;
                    counted.late += u64::from(self.frontier.reached().is_some_and(|reached| effective < reached));
                    let applied = sum.take_stock(&event);
                    counted.duplicates += u64::from(applied == StockApplied::Repeat);
                    let too_many = || (TOO_MANY_SKUS, format!("no room for the sku {}", event.sku));
                    (applied == StockApplied::Full).then(too_many)
                }
                Err(malformed) => {
                    match malformed.code {
                        // Such a record's time is worth as little as its event's.
                        MalformedCode::TooFarInFuture | MalformedCode::TooFarInPast => {
                            self.frontier.moved(place, offset.saturating_add(1));
                        }
                        _ => drop(read(&mut self.frontier)),
                    }
                    Some((malformed.code.as_str(), malformed.detail))
                }
            };
            if let Some((reason, detail)) = refused {
                counted.events = 0;
                if is_new {
                    self.dead_letter(wire, record, &topic, reason, &detail);
                }
            }
        }
        if is_new {
            let counts = self.counts.entry(input.stream).or_default();
            counts.events += counted.events;
            counts.duplicates += counted.duplicates;
            counts.late += counted.late;
            counts.nulls += counted.nulls;
        }
    }

    fn dead_letter(&mut self, wire: &Wire, record: &Fetched, topic: &str, reason: &'static str, detail: &str) {
        let (partition, offset) = (record.input.partition, record.offset);
        emit(DeadLettered { topic, partition, offset, reason, detail });
        let letter =
            record.with_raw(|raw| dead_letter(&wire.dead_letters, raw, reason, detail, topic, wire.dead_letter_bytes));
        self.letters.push(letter);
    }

    /// Tells the sum how far all partitions have been read, and the meters what came.
    pub fn advance(&mut self, sum: &mut BacklogSum, wire: &Wire) {
        for (stream, counts) in std::mem::take(&mut self.counts) {
            emit(BatchApplied { meters: &wire.meters, stream, counts });
        }
        let before = self.frontier.reached();
        if let Some(frontier) = self.frontier.advance().filter(|frontier| before != Some(*frontier)) {
            sum.stock_passed(frontier);
        }
    }

    /// A question for the end of a partition was answered.
    pub fn ends(&mut self, input: InputPartition, ends: Ends, asked_at: Option<Timestamp>) {
        if let Some(place) = self.place(input) {
            self.frontier.ends(place, ends, asked_at);
        }
    }

    /// It was not.
    pub fn unreachable(&mut self) {
        self.frontier.unreachable();
    }

    /// Whether records wait to be read.
    pub fn is_behind(&self) -> bool {
        self.frontier.held().is_some_and(|(_, cause)| cause == HeldCause::Behind)
    }

    /// How far all partitions have been read.
    pub fn frontier(&self) -> Option<Timestamp> {
        self.frontier.reached()
    }

    /// The partition that holds the others back most, and why.
    pub fn held(&self) -> Option<String> {
        let (place, cause) = self.frontier.held()?;
        let input = self.inputs.get(usize::from(place.0))?;
        Some(format!("{}/{} ({})", self.topic(*input), input.partition, cause.as_str()))
    }

    /// The dead letters that are not in the log yet.
    pub fn letters(&mut self) -> &[OutputRecord] {
        self.in_flight = self.letters.len();
        &self.letters
    }

    /// Those that were taken are in the log.
    pub fn committed(&mut self) {
        self.letters.drain(..self.in_flight.min(self.letters.len()));
        self.in_flight = 0;
    }

    /// They are not.
    pub fn aborted(&mut self) {
        self.in_flight = 0;
    }

    /// Whether dead letters wait for a transaction.
    pub fn has_letters(&self) -> bool {
        !self.letters.is_empty()
    }

    fn codec<'w>(&self, wire: &'w Wire, input: InputPartition) -> Option<&'w StreamCodec> {
        wire.inventory.get(usize::from(input.stream.0).checked_sub(self.orders)?)
    }

    fn topic(&self, input: InputPartition) -> Str {
        let place = usize::from(input.stream.0).checked_sub(self.orders);
        place.and_then(|place| self.topics.get(place)).cloned().unwrap_or_default()
    }

    /// Its number in the frontier.
    fn place(&self, input: InputPartition) -> Option<StreamId> {
        self.inputs.iter().position(|held| *held == input).map(number)
    }
}

fn number(place: usize) -> StreamId {
    StreamId(u16::try_from(place).unwrap_or(u16::MAX))
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
