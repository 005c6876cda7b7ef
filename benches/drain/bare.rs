//! The least that any consumer does: librdkafka's records, one after the other, counted; perhaps decoded.

use std::hint::black_box;
use std::time::{Duration, Instant};

use orderwatch::codec::{Format, RawRecord, StreamCodec, decode};
use orderwatch::demo::log::TOPICS;
use orderwatch::domain::{StreamId, Timestamp};
use rdkafka::Offset;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::{BorrowedMessage, Message};

use super::Measured;
use super::backlog::{Backlog, PARTITIONS};
use crate::live::cpu;
use crate::live::reader::reader;
use crate::streams;
use crate::support::Broker;

/// No drain of a million records takes so long.
const STUCK_AFTER: Duration = Duration::from_secs(60);

pub fn drain(broker: &Broker, backlog: &Backlog, decodes: bool) -> Measured {
    let codecs = TOPICS.map(|topic| streams::codec(topic, Format::Json));
    let (began, cpu_before) = (Instant::now(), cpu::time("self"));
    let consumer = consumer(broker);
    let mut read = 0;
    while read < backlog.events {
        match consumer.poll(STUCK_AFTER) {
            Some(Ok(message)) => {
                if decodes {
                    decode_one(&codecs, &message);
                }
                read += 1;
            }
            Some(Err(e)) => panic!("the bare consumer: {e}"),
            None => panic!("the bare consumer has read {read} of {} and gets no more", backlog.events),
        }
    }
    Measured { took: began.elapsed(), cpu: cpu::time("self") - cpu_before }
}

/// At the beginning of every partition; with what makes librdkafka fast where all of them share one queue.
fn consumer(broker: &Broker) -> BaseConsumer {
    let mut config = broker.client();
    config.set("enable.auto.offset.store", "false").set("fetch.queue.backoff.ms", "5");
    config.set("fetch.message.max.bytes", "1048576").set("queued.max.messages.kbytes", "131072");
    reader(config, &TOPICS, PARTITIONS, Offset::Beginning)
}

fn decode_one(codecs: &[StreamCodec], message: &BorrowedMessage<'_>) {
    let stream = TOPICS.iter().position(|topic| *topic == message.topic()).expect("a topic of ours");
    let raw = RawRecord {
        stream: StreamId(u16::try_from(stream).expect("a few streams")),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().map(Timestamp::from_millis),
        key: message.key(),
        value: message.payload(),
        headers: &[],
    };
    let event = black_box(decode(&codecs[stream], &raw).expect("the shop sends events"));
    assert_eq!(Some(event.order_id.as_bytes()), message.key(), "decoding is wrong");
}
