//! A history: policies and the events of one order, drawn from a seed.

use crate::calendars::{SEASONS, calendar, season};
use crate::oracle::minutes::MINUTE;
use crate::oracle::{Event, Money, Promise, Record, Rung, Sla, Target, When, Which};
use crate::rng::Rng;

const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const TOPICS: [&str; 3] = ["orders", "payments", "fulfillments"];
/// How many calendars there are in a season.
const CALENDARS: usize = 10;

/// An SLA, and what of it only the document says.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub sla: Sla,
    /// Its calendar's number.
    pub calendar: Option<usize>,
    /// Its own grace, ms; without one the streams' applies.
    pub grace: Option<i64>,
}

/// Policies, events, and a frontier at which they are judged.
#[derive(Clone, Debug)]
pub struct History {
    pub season: usize,
    /// The topics as the configuration lists them: a record's stream is a place among these.
    pub topics: [&'static str; 3],
    /// The grace of each of them, ms.
    pub stream_grace: [Option<i64>; 3],
    /// What applies where a stream has none, ms.
    pub grace: i64,
    pub slas: Vec<Drawn>,
    pub records: Vec<Record>,
    pub until: i64,
}

/// So many histories, one seed after another, are told under the same policies: reading these costs more than a history.
pub const FAMILY: u64 = 16;

impl History {
    /// Draws one.
    pub fn draw(seed: u64) -> History {
        let mut history = History::policies(&mut Rng::new(seed / FAMILY));
        Story::new(&mut Rng::new(!seed), &history).tell(&mut history);
        history
    }

    /// Draws policies without events.
    fn policies(rng: &mut Rng) -> History {
        let mut topics = TOPICS;
        rng.shuffle(&mut topics);
        let graces = [0, 5_000, 90_000, 2 * HOUR];
        let mut some_grace = |percent: u64| rng.chance(percent).then(|| graces[rng.below(graces.len())]);
        let stream_grace = [some_grace(15), some_grace(15), some_grace(15)];
        let grace = some_grace(60).unwrap_or(5_000);
        let season = rng.below(SEASONS.len());
        let group_start = START[rng.below(START.len())];
        let calendar = rng.below(CALENDARS);
        let slas =
            (0..rng.between(1, 4)).map(|number| Draft { rng, season, calendar }.sla(number, group_start)).collect();
        History { season, topics, stream_grace, grace, slas, records: Vec::new(), until: 0 }
    }

    /// The SLAs as the oracle takes them.
    pub fn slas(&self) -> Vec<Sla> {
        let of_streams = self.stream_grace.iter().map(|own| own.unwrap_or(self.grace)).max().unwrap_or(self.grace);
        let resolved = |drawn: &Drawn| {
            let mut sla = drawn.sla.clone();
            sla.grace = drawn.grace.unwrap_or(of_streams);
            sla.calendar = drawn.calendar.map(|number| calendar(self.season, number));
            sla
        };
        self.slas.iter().map(resolved).collect()
    }
}

const START: [&str; 6] =
    ["order.placed", "order.placed", "order.paid_in_full", "order.confirmed", "payment.captured", "review.asked"];
const STOP: [&str; 9] = [
    "order.paid_in_full",
    "order.fully_shipped",
    "order.fully_delivered",
    "payment.captured",
    "payment.captured",
    "fulfillment.shipped",
    "fulfillment.delivered",
    "order.confirmed",
    "review.done",
];

/// Draws an SLA.
struct Draft<'a> {
    rng: &'a mut Rng,
    season: usize,
    /// One for all: it takes the engine long to lay one out.
    calendar: usize,
}

impl Draft<'_> {
    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len())]
    }

    fn sla(&mut self, number: i64, group_start: &str) -> Drawn {
        let first_match = self.rng.chance(20).then(|| "group".to_string());
        let start = if first_match.is_some() { group_start } else { self.one_of(&START) };
        let mut stop = self.one_of(&STOP);
        while stop == start {
            stop = self.one_of(&STOP);
        }
        let (target, calendar) = self.target();
        let pauses =
            [("order.held", "order.released"), ("order.held", "order.released"), ("review.asked", "review.done")];
        let pause = self.rng.chance(60).then(|| self.one_of(&pauses));
        let cancel_on: &[&str] = self.one_of(&[&[], &["order.cancelled"], &["order.cancelled", "payment.voided"]]);
        let grace = self.rng.chance(20).then(|| self.one_of(&[0, 1_000, 7 * MINUTE, 3 * HOUR]));
        let sla = Sla {
            id: format!("sla-{number}"),
            when: self.rng.chance(25).then(|| self.when(2)),
            first_match,
            start: start.to_string(),
            stop: stop.to_string(),
            stop_last: self.rng.chance(20),
            cancel_on: cancel_on.iter().map(|kind| kind.to_string()).collect(),
            pause: pause.map(|(from, until)| (from.to_string(), until.to_string())),
            target,
            calendar: calendar.map(|number| crate::calendars::calendar(self.season, number)),
            warn_at: self.one_of::<&[u8]>(&[&[], &[50], &[33, 80], &[10, 95]]).to_vec(),
            escalate_after: self.rungs(),
            owner: "team".to_string(),
            grace: 0,
        };
        Drawn { sla, calendar, grace }
    }

    fn target(&mut self) -> (Target, Option<usize>) {
        let which = if self.rng.chance(30) { Which::Original } else { Which::Latest };
        let calendar = self.calendar;
        match self.rng.below(10) {
            0 => (Target::PromisedShipBy(which), None),
            1 => (Target::PromisedDeliverBy(which), self.rng.chance(30).then_some(calendar)),
            2..=3 => (self.business_days(), Some(calendar)),
            _ => {
                let minutes = self.one_of(&[10, 30, 60, 90, 101, 240, 600, 1080, 1440, 3000]);
                (Target::Duration(minutes * MINUTE), self.rng.chance(55).then_some(calendar))
            }
        }
    }

    fn business_days(&mut self) -> Target {
        let days = self.rng.below(4);
        let cutoff = self.one_of(&[None, Some(600), Some(720), Some(840), Some(1020)]);
        let by = self.one_of(&[None, Some(420), Some(780), Some(1080), Some(1200), Some(1380)]);
        // What comes just before the cutoff must not be due before it starts.
        let is_due_after_its_start = match (cutoff, by) {
            (Some(cutoff), Some(by)) => by > cutoff,
            (None, None) => true,
            _ => false,
        };
        let days = if is_due_after_its_start { days } else { days.max(1) };
        Target::BusinessDays { days, cutoff, by }
    }

    fn rungs(&mut self) -> Vec<Rung> {
        let mut after = 0;
        let mut rungs = Vec::new();
        for name in ["head", "boss", "board"].into_iter().take(self.rng.below(4)) {
            after += self.one_of(&[1, 15, 60, 600, 1500]) * MINUTE;
            rungs.push(Rung { after, owner: self.rng.chance(50).then(|| name.to_string()) });
        }
        rungs
    }

    fn when(&mut self, depth: usize) -> When {
        let minor = self.one_of(&[0, 500, 1_000, 1_500]);
        let (key, text) = self.one_of(&[("channel", "web"), ("channel", "app"), ("region", "EU"), ("region", "US")]);
        match self.rng.below(if depth == 0 { 4 } else { 6 }) {
            0 => When::TotalAtLeast(minor),
            1 => When::TotalBelow(minor),
            2 => When::IsNot(key.to_string(), text.to_string()),
            4 => When::And(Box::new(self.when(depth - 1)), Box::new(self.when(depth - 1))),
            5 => When::Or(Box::new(self.when(depth - 1)), Box::new(self.when(depth - 1))),
            _ => When::Is(key.to_string(), text.to_string()),
        }
    }
}

/// Draws the events.
struct Story<'a> {
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
    fn new(rng: &'a mut Rng, history: &History) -> Story<'a> {
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

    fn tell(mut self, history: &mut History) {
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
