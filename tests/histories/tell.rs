//! A history told to the engine, in one order of arrival or another.

use std::path::Path;
use std::sync::Arc;

use orderwatch::codec::{RawRecord, decode};
use orderwatch::config::Config;
use orderwatch::domain::{Event, Exception, StreamId, Timestamp};
use orderwatch::engine::{Shard, Transition};
use orderwatch::policy::Settings;

use crate::document;
use crate::history::History;
use crate::oracle::Record;
use crate::rng::Rng;

/// How records and frontiers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Every record, in any order, and then one frontier.
    AtOnce,
    /// In the order of effective time, the frontier going along: what is late retracts and averts.
    Along,
    /// In any order, the frontier going along as it likes.
    Jumbled,
}

/// What was published at one point of the telling.
#[derive(Debug)]
pub struct Told {
    /// Which records had been told, by place.
    pub known: Vec<usize>,
    /// The frontier, ms.
    pub frontier: i64,
    /// What came out since the point before.
    pub published: Vec<Exception>,
}

/// Both documents through the loader that `orderwatch check` uses.
pub fn load(history: &History, dir: &Path) -> Result<Config, String> {
    let path = dir.join("orderwatch.yaml");
    let write = |path: &Path, text: String| std::fs::write(path, text).map_err(|e| e.to_string());
    write(&path, document::configuration(history))?;
    write(&dir.join("policies.yaml"), document::policies(history))?;
    Config::load(&path).map(|(config, _)| config).map_err(|errors| errors.to_string())
}

/// Tells the history; what was published at every point at which something could be.
pub fn tell(history: &History, config: &Config, arrival: Arrival, rng: &mut Rng) -> Result<Vec<Told>, String> {
    let settings = Settings { publish_after: Timestamp::MIN, ..config.settings() };
    let shard = Shard::new(0, Arc::clone(&config.policies), Arc::new(settings));
    let effective = effective_times(&history.records);
    let mut order: Vec<usize> = (0..history.records.len()).collect();
    match arrival {
        Arrival::AtOnce | Arrival::Jumbled => rng.shuffle(&mut order),
        Arrival::Along => order.sort_by_key(|&place| {
            let record = &history.records[place];
            (effective[place], record.stream, record.offset)
        }),
    }
    let mut telling = Telling { shard, known: Vec::new(), frontier: i64::MIN, told: Vec::new() };
    for place in order {
        match arrival {
            Arrival::AtOnce => {}
            Arrival::Along => telling.advance(effective[place].min(history.until)),
            Arrival::Jumbled => {
                let first = history.records.iter().map(|record| record.record_time).min().unwrap_or(0);
                if rng.chance(50) {
                    telling.advance(rng.between(first.min(history.until), history.until));
                }
            }
        }
        let event = event(history, config, place)?;
        let time = Timestamp::from_millis(effective[place]);
        telling.shard.apply(event, time).map_err(|e| format!("record {place} is refused: {e}"))?;
        telling.known.push(place);
        if arrival != Arrival::AtOnce && rng.chance(80) {
            telling.drain();
        }
    }
    telling.advance(history.until);
    Ok(telling.told)
}

struct Telling {
    shard: Shard,
    known: Vec<usize>,
    frontier: i64,
    told: Vec<Told>,
}

impl Telling {
    fn advance(&mut self, frontier: i64) {
        if frontier > self.frontier {
            self.shard.advance(Timestamp::from_millis(frontier));
            self.frontier = frontier;
            self.drain();
        }
    }

    fn drain(&mut self) {
        let publish = |transition| match transition {
            Transition::Publish(exception) => Some(*exception),
            Transition::Tombstone(_) => None,
        };
        let published = self.shard.drain_transitions(None).into_iter().filter_map(publish).collect();
        self.shard.committed();
        self.told.push(Told { known: self.known.clone(), frontier: self.frontier, published });
    }
}

fn event(history: &History, config: &Config, place: usize) -> Result<Event, String> {
    let record = &history.records[place];
    let payload = document::event(&record.event).to_string();
    let raw = RawRecord {
        stream: StreamId(u16::try_from(record.stream).map_err(|e| e.to_string())?),
        partition: 0,
        offset: record.offset,
        timestamp: Some(Timestamp::from_millis(record.record_time)),
        key: Some(document::ORDER.as_bytes()),
        value: Some(payload.as_bytes()),
        headers: &[],
    };
    let codecs = config.stream_codecs();
    decode(&codecs[record.stream], &raw).map_err(|e| format!("record {place} is a dead letter: {}", e.detail))
}

/// The running maximum of record time in each stream, in offset order.
fn effective_times(records: &[Record]) -> Vec<i64> {
    let until = |of: &Record| {
        let before = records.iter().filter(|record| record.stream == of.stream && record.offset <= of.offset);
        before.map(|record| record.record_time).max().unwrap_or(of.record_time)
    };
    records.iter().map(until).collect()
}
