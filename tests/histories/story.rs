//! Draws the events of a history, and the frontier that ends it.

use crate::calendars::season;
use crate::history::{History, TOPICS};
use crate::oracle::minutes::MINUTE;
use crate::oracle::{Event, Money, Promise, Record, Sla, Target};
use crate::rng::Rng;

const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Draws the events.
pub struct Story<'a> {
    rng: &'a mut Rng,
    /// Lengths of time that matter to the SLAs.
    lengths: Vec<i64>,
    topics: [&'static str; 3],
    /// Kinds of events that matter to them.
    kinds: Vec<String>,
    /// Instants told of so far.
    times: Vec<i64>,
    begin: i64,
}

const KINDS: [&str; 14] = [
    "order.placed",
    "order.confirmed",
    "order.held",
    "order.held",
    "order.released",
    "order.released",
    "order.changed",
    "order.changed",
    "order.changed",
    "order.cancelled",
    "payment.captured",
    "fulfillment.shipped",
    "fulfillment.delivered",
    "review.asked",
];

/// What is told of one milestone: of a computed one, the events that it is made of.
fn told_for(milestone: &str) -> &str {
    match milestone {
        "order.paid_in_full" => "payment.captured",
        "order.fully_shipped" => "fulfillment.shipped",
        "order.fully_delivered" => "fulfillment.delivered",
        told => told,
    }
}

/// The kinds that an SLA hangs on, those that matter most more than once.
fn kinds_of(sla: &Sla) -> Vec<String> {
    let (start, stop) = (told_for(&sla.start), told_for(&sla.stop));
    let mut kinds = vec![start.to_string(), start.to_string(), stop.to_string()];
    if let Some((from, until)) = &sla.pause {
        kinds.extend([from, from, until, until].map(String::clone));
    }
    kinds.extend(sla.cancel_on.first().cloned());
    kinds
}

impl<'a> Story<'a> {
    pub fn new(rng: &'a mut Rng, history: &History) -> Story<'a> {
        let mut lengths = vec![0, MINUTE, HOUR, 8 * HOUR, DAY];
        for drawn in &history.slas {
            if let Target::Duration(length) = drawn.sla.target {
                lengths.push(length);
                lengths.extend(drawn.sla.escalate_after.iter().map(|rung| length + rung.after));
            }
        }
        let begin = season(history.season) + rng.between(0, 12 * 24 * 4) * 15 * MINUTE;
        let kinds = history.slas.iter().flat_map(|drawn| kinds_of(&drawn.sla)).collect();
        Story { rng, lengths, topics: history.topics, kinds, times: vec![begin], begin }
    }

    pub fn tell(mut self, history: &mut History) {
        let mut events = vec![self.event("order.placed", self.begin)];
        for _ in 0..self.rng.between(2, 14) {
            let kind = match self.rng.chance(60) {
                true => self.kinds[self.rng.below(self.kinds.len())].clone(),
                false => KINDS[self.rng.below(KINDS.len())].to_string(),
            };
            let at = self.time();
            events.push(self.event(&kind, at));
        }
        if self.rng.chance(10) {
            // Nobody told of the placing.
            events.remove(0);
        }
        let mut records: Vec<Record> = Vec::new();
        for (number, event) in events.into_iter().enumerate() {
            records.push(self.record(Event { event_id: format!("e{number}"), ..event }));
        }
        for _ in 0..self.rng.below(3) {
            let again = self.again(&records);
            records.push(again);
        }
        number_offsets(&mut records, self.rng);
        history.records = records;
        let last = history.records.iter().map(|record| record.event.event_time).max().unwrap_or(self.begin);
        history.until = self.frontier(history, last);
    }

    /// A time near one that was told before, often one that matters.
    fn time(&mut self) -> i64 {
        let from = self.times[self.rng.below(self.times.len())];
        let length = self.lengths[self.rng.below(self.lengths.len())];
        let time = match self.rng.below(10) {
            0..=2 => from + length,
            3 => from + length + self.rng.between(-1, 1) * MINUTE,
            4 => from - self.rng.between(0, 6 * 60) * MINUTE,
            5 => self.begin + self.rng.between(0, 12 * 24 * 4) * 15 * MINUTE,
            _ => from + self.rng.between(0, 48 * 60) * MINUTE,
        };
        let time = time.clamp(self.begin - 3 * DAY, self.begin + 20 * DAY);
        self.times.push(time);
        time
    }

    fn event(&mut self, kind: &str, event_time: i64) -> Event {
        let mut event = Event { kind: kind.to_string(), event_time, source: "shop".to_string(), ..Event::default() };
        match kind {
            "order.placed" => self.order_says(&mut event, 80),
            "order.changed" => self.order_says(&mut event, 35),
            "payment.captured" => event.amount = self.rng.chance(90).then(|| self.money()),
            "fulfillment.shipped" | "fulfillment.delivered" => {
                event.fulfillment_id = self.rng.chance(80).then(|| format!("f{}", self.rng.below(3)));
                event.lines = self.rng.chance(85).then(|| self.lines());
            }
            _ => {}
        }
        if self.rng.chance(if kind == "order.placed" { 80 } else { 15 }) {
            event.attributes.push(("channel".to_string(), self.word(&["web", "app"])));
        }
        if self.rng.chance(if kind == "order.placed" { 60 } else { 15 }) {
            event.attributes.push(("region".to_string(), self.word(&["EU", "US"])));
        }
        event
    }

    fn word(&mut self, words: &[&str]) -> String {
        words[self.rng.below(words.len())].to_string()
    }

    /// What an order's event says of total, lines and promises, each with this chance.
    fn order_says(&mut self, event: &mut Event, percent: u64) {
        event.total = self.rng.chance(percent).then(|| self.money());
        event.lines = self.rng.chance(percent).then(|| self.lines());
        event.promised_ship_by = self.promise(percent);
        event.promised_deliver_by = self.promise(percent);
    }

    fn promise(&mut self, percent: u64) -> Promise {
        if !self.rng.chance(percent) {
            return Promise::Absent;
        }
        if self.rng.chance(15) { Promise::Withdrawn } else { Promise::At(self.time()) }
    }

    fn money(&mut self) -> Money {
        let minor = [0, 500, 500, 1_000, 1_000, 1_500][self.rng.below(6)];
        Money { minor, currency: if self.rng.chance(8) { "USD" } else { "EUR" }.to_string() }
    }

    fn lines(&mut self) -> Vec<(String, i64)> {
        let mut lines = vec![(self.word(&["a", "b"]), self.rng.between(0, 2))];
        if self.rng.chance(30) {
            lines.push((self.word(&["a", "b"]), 1));
        }
        lines
    }

    /// The record of an event: mostly soon after it, at times late, now and then before it.
    fn record(&mut self, event: Event) -> Record {
        let topic = match event.kind.split('.').next() {
            _ if self.rng.chance(8) => TOPICS[self.rng.below(TOPICS.len())],
            Some("fulfillment") => "fulfillments",
            Some("payment") => "payments",
            _ => "orders",
        };
        let stream = self.topics.iter().position(|listed| *listed == topic).unwrap_or_default();
        let late = match self.rng.below(10) {
            0 => -MINUTE * self.rng.between(0, 4),
            1..=2 => MINUTE * self.rng.between(0, 3 * 24 * 60),
            3 => self.lengths[self.rng.below(self.lengths.len())],
            _ => 0,
        };
        Record { stream, offset: 0, record_time: event.event_time + late, event }
    }

    /// A record told before: to the letter, in part otherwise, or as another event of the same parcel.
    fn again(&mut self, records: &[Record]) -> Record {
        let mut record = records[self.rng.below(records.len())].clone();
        record.record_time += self.rng.between(-60, 2 * 24 * 60) * MINUTE;
        match self.rng.below(4) {
            0 => {}
            1 => record.event.event_id += "-again",
            2 => {
                let at = self.times[self.rng.below(self.times.len())];
                let told = self.event(&record.event.kind, at);
                record.event = Event { event_id: record.event.event_id.clone(), ..told };
            }
            _ => record.event.source = "another".to_string(),
        }
        // What is told far ahead of its record is no event.
        record.record_time = record.record_time.max(record.event.event_time - 4 * MINUTE);
        record
    }

    /// Where the frontier ends: past everything, somewhere, or just at a deadline.
    fn frontier(&mut self, history: &History, last: i64) -> i64 {
        let somewhere = self.begin + self.rng.between(0, 14 * 24 * 60) * MINUTE;
        match self.rng.below(4) {
            0 => last + 25 * DAY,
            1 => somewhere,
            _ => {
                let slas = history.slas();
                let verdicts = crate::oracle::expected(&slas, &history.records, somewhere);
                let due = |(sla, verdict): (&Sla, crate::oracle::Verdict)| {
                    verdict.cycle.and_then(|cycle| cycle.deadline).map(|deadline| deadline + sla.grace)
                };
                let due: Vec<i64> = slas.iter().zip(verdicts).filter_map(due).collect();
                self.rng.pick(&due).map_or(somewhere, |due| due + [0, 1, MINUTE, HOUR, DAY][self.rng.below(5)])
            }
        }
    }
}

/// Offsets by record time, but for some that were written out of turn.
fn number_offsets(records: &mut [Record], rng: &mut Rng) {
    records.sort_by_key(|record| record.record_time);
    for index in 1..records.len() {
        if rng.chance(10) {
            records.swap(index - 1, index);
        }
    }
    for (offset, record) in (0..).zip(records.iter_mut()) {
        record.offset = offset;
    }
}
