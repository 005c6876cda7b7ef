//! The tests' own broker does what the other tests take for granted.

mod support;

use std::time::Duration;

use support::topics::Isolation;
use support::{Broker, Message, unique};

/// 2017-03-14: older than any default of a broker lets a record be, or keeps it.
const LONG_AGO_MS: i64 = 1_489_500_000_000;

#[test]
fn keeps_records_of_any_time_with_key_and_headers() {
    let broker = Broker::shared();
    let topic = unique("old-orders");
    broker.create_topics(&[&topic], 4, &[]);
    let sent = Message::to(&topic).partition(2).key("o-1").value("first").at(LONG_AGO_MS).header("trace", "t-1");

    let (partition, offset) = broker.producer().send(sent);

    let records = broker.read_committed(&topic);
    assert_eq!(records.len(), 1, "{records:?}");
    let read = &records[0];
    assert_eq!((read.partition, read.offset), (partition, offset));
    assert_eq!((partition, offset), (2, 0));
    assert_eq!((read.key().as_str(), read.timestamp_ms), ("o-1", LONG_AGO_MS));
    assert_eq!(read.value.as_deref(), Some(b"first".as_slice()));
    assert_eq!(read.header("trace").as_deref(), Some("t-1"));
}

#[test]
fn shows_committed_records_and_hides_aborted_and_open_ones() {
    let broker = Broker::shared();
    let topic = unique("transactions");
    broker.create_topics(&[&topic], 1, &[]);
    let producer = broker.transactional(&unique("writer"), Duration::from_secs(10));
    let record = |value: &str| Message::to(&topic).partition(0).key("o-1").value(value);

    producer.begin();
    producer.send_all([record("committed")]);
    producer.commit();
    producer.begin();
    producer.send_all([record("aborted")]);
    producer.abort();
    producer.begin();
    producer.send_all([record("open")]);

    assert_eq!(values(&broker.read_committed(&topic)), ["committed"]);
    assert_eq!(values(&broker.read_to_end(&topic, Isolation::Uncommitted)), ["committed", "aborted", "open"]);
    let (stable, high) =
        (broker.end_offset(&topic, 0, Isolation::Committed), broker.end_offset(&topic, 0, Isolation::Uncommitted));
    // Two records and two markers, then the open one.
    assert_eq!((stable, high), (4, 5));
    producer.commit();
    assert_eq!(values(&broker.read_committed(&topic)), ["committed", "open"]);
}

#[test]
fn ends_a_transaction_that_its_writer_left_open() {
    let broker = Broker::shared();
    let topic = unique("left-open");
    broker.create_topics(&[&topic], 1, &[]);
    let producer = broker.transactional(&unique("crashed"), Duration::from_secs(2));
    producer.begin();
    producer.send(Message::to(&topic).partition(0).value("never committed"));
    drop(producer);
    assert_eq!(broker.end_offset(&topic, 0, Isolation::Committed), 0);

    support::eventually(Duration::from_secs(40), "the broker to abort it", || {
        let stable = broker.end_offset(&topic, 0, Isolation::Committed);
        if stable == 2 { Ok(()) } else { Err(format!("the last stable offset is {stable}")) }
    });
    assert_eq!(values(&broker.read_committed(&topic)), [""; 0]);
}

#[test]
fn takes_a_record_of_ten_megabytes() {
    let broker = Broker::shared();
    let topic = unique("large");
    broker.create_topics(&[&topic], 1, &[]);
    broker.producer().send(Message::to(&topic).value(vec![b'x'; 10 << 20]));
    let records = broker.read_committed(&topic);
    assert_eq!(records[0].value.as_ref().map(Vec::len), Some(10 << 20));
}

#[test]
fn has_its_records_after_a_stop_a_crash_and_a_freeze() {
    let broker = Broker::start();
    let topic = unique("kept");
    broker.create_topics(&[&topic], 2, &[]);
    let producer = broker.producer();
    producer.send_all((0..100).map(|n| Message::to(&topic).partition(n % 2).value(n.to_string()).at(LONG_AGO_MS)));

    broker.stop();
    broker.restart();
    assert_eq!(broker.read_committed(&topic).len(), 100);

    broker.kill();
    broker.restart();
    producer.send(Message::to(&topic).partition(0).value("after the crash"));

    broker.freeze();
    assert!(broker.answers(Duration::from_millis(300)).is_err(), "a frozen broker answers nothing");
    broker.thaw();
    let records = broker.read_committed(&topic);
    assert_eq!(records.len(), 101);
    assert!(records.iter().any(|record| record.timestamp_ms == LONG_AGO_MS));
}

fn values(records: &[support::Record]) -> Vec<String> {
    let texts = records.iter().map(|record| record.value.as_deref().unwrap_or_default());
    texts.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}
