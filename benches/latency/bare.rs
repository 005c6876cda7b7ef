//! The baseline: a record that is written alone, until the same subscriber reads it. Nothing is judged.

use std::time::{Duration, UNIX_EPOCH};

use super::watch::Watch;
use crate::support::{Broker, Message, eventually, unique};

const TOPIC: &str = "bare";
const ROUND_TRIPS: usize = 200;
const SEEN_WITHIN: Duration = Duration::from_secs(60);
const TRANSACTION: Duration = Duration::from_secs(30);

/// Medians, in milliseconds.
pub struct Bare {
    /// From its sending on.
    pub record: f64,
    /// From the beginning of a transaction that carries it.
    pub transaction: f64,
}

/// On a broker where nothing else happens.
pub fn measure(broker: &Broker) -> Bare {
    broker.create_topics(&[TOPIC], 1, &[]);
    let watch = Watch::start(broker, TOPIC, 1);
    let (plain, transactional) = (broker.producer(), broker.transactional(&unique("bare"), TRANSACTION));
    let record = median(&watch, "record", |message| {
        plain.send(message);
    });
    let transaction = median(&watch, "transaction", |message| {
        transactional.begin();
        transactional.send(message);
        transactional.commit();
    });
    Bare { record, transaction }
}

fn median(watch: &Watch, what: &str, write: impl Fn(Message)) -> f64 {
    let round_trip = |number: usize| {
        let (key, began) = (format!("{what}-{number}"), UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64() * 1e3);
        write(Message::to(TOPIC).partition(0).key(&key).value("{}"));
        let seen = || watch.seen(&key).ok_or_else(|| "it was not read".to_owned());
        eventually(SEEN_WITHIN, "the record to be read", seen) - began
    };
    let mut each: Vec<f64> = (0..ROUND_TRIPS).map(round_trip).collect();
    each.sort_by(f64::total_cmp);
    each[ROUND_TRIPS / 2]
}
