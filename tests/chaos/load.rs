//! The shop: orders are born at a steady rate, and their events are sent when their time has come. Some are sent in
//! transactions, which commit or abort.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use super::book::{Book, Order, Ticket};
use super::fate::{Way, story};
use super::settings::{Topics, now_ms};

/// What one upstream transaction gathers.
const TRANSACTION_LASTS: Duration = Duration::from_millis(200);
const TRANSACTION_TIMEOUT_MS: &str = "5000";
/// A broker that is restarted is back sooner. A producer that stands still for longer would leave nothing to check.
const DELIVERS_WITHIN: Duration = Duration::from_secs(45);
/// One call to the coordinator; it is made again until it is answered.
const STEP: Duration = Duration::from_secs(5);

pub struct Load {
    pub book: Arc<Book>,
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Writes down what was delivered.
struct Deliveries {
    book: Arc<Book>,
    /// An acknowledged record of a transaction is not known before its commit.
    transactional: bool,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        // What an abort purges was not delivered; a plain record is tried for ever.
        let Ok(message) = result else { return };
        let (place, known) = ((message.partition(), message.offset()), now_ms());
        self.book.change(Ticket::of_opaque(opaque), |told| {
            told.place = Some(place);
            if !self.transactional {
                told.known_ms.get_or_insert(known);
            }
        });
    }
}

impl Load {
    pub fn start(client: &ClientConfig, topics: Topics, seed: u64, per_second: u32) -> Load {
        let (book, ending) = (Arc::new(Book::default()), Arc::new(AtomicBool::new(false)));
        let (hand_over, handed) = channel();
        let every_ms = i64::from(1_000 / per_second.clamp(1, 1_000));
        let plain = Writer { client: client.clone(), topics: topics.clone(), book: Arc::clone(&book) };
        let transactional = Writer { client: client.clone(), topics, book: Arc::clone(&book) };
        let until = Arc::clone(&ending);
        let threads = vec![
            std::thread::spawn(move || plain.run(seed, every_ms, &until, hand_over)),
            std::thread::spawn(move || transactional.run_transactions(&handed)),
        ];
        Load { book, ending, threads }
    }

    /// No more orders are born; waits until all is told of those that are.
    pub fn finish(self) -> Arc<Book> {
        self.ending.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("the load goes on to its end"));
        self.book
    }
}

struct Writer {
    client: ClientConfig,
    topics: Topics,
    book: Arc<Book>,
}

type Client = BaseProducer<Deliveries>;

impl Writer {
    fn producer(&self, settings: &[(&str, &str)], transactional: bool) -> Client {
        let mut config = self.client.clone();
        config.set("enable.idempotence", "true").set("partitioner", "murmur2_random").set("linger.ms", "2");
        config.set("retry.backoff.ms", "20");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        let deliveries = Deliveries { book: Arc::clone(&self.book), transactional };
        config.create_with_context(deliveries).expect("a producer")
    }

    fn run(&self, seed: u64, every_ms: i64, ending: &AtomicBool, hand_over: Sender<Ticket>) {
        let mut client = self.plain();
        let mut delivered = Instant::now();
        let mut due: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
        let mut next_birth = now_ms();
        loop {
            let (now, ends) = (now_ms(), ending.load(Relaxed));
            while !ends && next_birth <= now {
                self.give_birth(seed, next_birth, &mut due);
                next_birth += every_ms;
            }
            while let Some(Reverse((_, opaque))) = due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
                due.pop();
                let ticket = Ticket::of_opaque(opaque);
                let way = self.way(ticket);
                match way {
                    Way::Plain => self.send(&client, ticket),
                    Way::Committed | Way::Aborted => hand_over.send(ticket).expect("the other writer lives"),
                }
            }
            client.poll(Duration::from_millis(2));
            if client.in_flight_count() == 0 {
                delivered = Instant::now();
                if ends && due.is_empty() {
                    return;
                }
            }
            if delivered.elapsed() > DELIVERS_WITHIN {
                println!("the shop's own producer has delivered nothing for {DELIVERS_WITHIN:?}: it is made anew");
                (client, delivered) = (self.plain(), Instant::now());
                self.undelivered().into_iter().for_each(|ticket| self.send(&client, ticket));
            }
        }
    }

    fn plain(&self) -> Client {
        self.producer(&[("message.timeout.ms", "0")], false)
    }

    /// What was sent the plain way and never acknowledged.
    fn undelivered(&self) -> Vec<Ticket> {
        let orders = self.book.orders();
        let all = orders.iter().enumerate().flat_map(|(order, held)| {
            held.told.iter().enumerate().map(move |(event, told)| (Ticket { order, event }, told))
        });
        let lost =
            all.filter(|(_, told)| told.planned.way == Way::Plain && told.sent_ms.is_some() && told.known_ms.is_none());
        lost.map(|(ticket, _)| ticket).collect()
    }

    fn give_birth(&self, seed: u64, born_ms: i64, due: &mut BinaryHeap<Reverse<(i64, usize)>>) {
        let mut orders = self.book.orders();
        let number = orders.len();
        let order = Order::new(number, born_ms, story(seed, number));
        for (event, told) in order.told.iter().enumerate() {
            due.push(Reverse((born_ms + told.planned.sent, Ticket { order: number, event }.opaque())));
        }
        orders.push(order);
    }

    fn way(&self, ticket: Ticket) -> Way {
        self.book.orders()[ticket.order].told[ticket.event].planned.way
    }

    fn send(&self, client: &Client, ticket: Ticket) {
        let (id, kind, value) = {
            let orders = self.book.orders();
            let order = &orders[ticket.order];
            (order.id.clone(), order.told[ticket.event].planned.kind, order.value(ticket.event))
        };
        let now = now_ms();
        self.book.change(ticket, |told| told.sent_ms = told.sent_ms.or(Some(now)));
        let topic = self.topics.of(kind);
        let mut record = BaseRecord::<str, str, usize>::with_opaque_to(topic, ticket.opaque());
        (record.key, record.payload, record.timestamp) = (Some(id.as_str()), Some(value.as_str()), Some(now));
        while let Err((error, back)) = client.send(record) {
            let full = matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            assert!(full, "the shop cannot tell of {id}: {error}");
            client.poll(Duration::from_millis(10));
            record = back;
        }
    }

    /// Until nobody hands over any more.
    fn run_transactions(&self, handed: &Receiver<Ticket>) {
        let mut client = None;
        while let Ok(first) = handed.recv() {
            let mut batch = vec![first];
            let until = Instant::now() + TRANSACTION_LASTS;
            while let Ok(next) = handed.recv_timeout(until.saturating_duration_since(Instant::now())) {
                batch.push(next);
            }
            let (aborted, committed): (Vec<Ticket>, Vec<Ticket>) =
                batch.into_iter().partition(|ticket| self.way(*ticket) == Way::Aborted);
            self.in_transactions(&mut client, &aborted, false);
            self.in_transactions(&mut client, &committed, true);
        }
    }

    /// A transaction that came to nothing is made anew: repeats change no facts. One that aborts has come to what it is
    /// for.
    fn in_transactions(&self, client: &mut Option<Client>, tickets: &[Ticket], commits: bool) {
        let mut done = tickets.is_empty();
        while !done {
            let held = client.take().unwrap_or_else(|| self.transactional());
            let went_well = self.transaction(&held, tickets, commits);
            *client = went_well.then_some(held);
            done = went_well || !commits;
        }
    }

    /// A producer whose id has no transaction open.
    fn transactional(&self) -> Client {
        loop {
            let settings = [
                ("transactional.id", "shop"),
                ("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS),
                ("message.timeout.ms", TRANSACTION_TIMEOUT_MS),
            ];
            let client = self.producer(&settings, true);
            if client.init_transactions(STEP * 4).is_ok() {
                return client;
            }
        }
    }

    /// Tells whether it did what it was to do.
    fn transaction(&self, client: &Client, tickets: &[Ticket], commits: bool) -> bool {
        if client.begin_transaction().is_err() {
            return false;
        }
        tickets.iter().for_each(|ticket| self.send(client, *ticket));
        while client.in_flight_count() > 0 {
            client.poll(Duration::from_millis(2));
        }
        if !commits {
            return until_answered(|| client.abort_transaction(STEP));
        }
        let done = until_answered(|| client.commit_transaction(STEP));
        if done {
            let now = now_ms();
            for ticket in tickets {
                self.book.change(*ticket, |told| told.known_ms = told.known_ms.or(Some(now)));
            }
        }
        done
    }
}

fn until_answered(call: impl Fn() -> Result<(), KafkaError>) -> bool {
    loop {
        match call() {
            Ok(()) => return true,
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
            Err(_) => return false,
        }
    }
}
