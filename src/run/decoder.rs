//! Decoding beside the loop: a thread takes what was polled and gives it back decoded, in the same order.
//!
//! What is there is only a buffer of the shards' [`super::lanes`], which count it as theirs: nothing of it has had an effect,
//! and what comes back for a state of a shard that has gone is thrown away. The lanes' bounds are its bounds.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use crate::codec::StreamCodec;
use crate::kafka::Bell;

use super::RunError;
use super::decoding::Batch;

/// Fewer than this are decoded where they are applied: to wake a thread takes longer.
const WORTH_IT: usize = 64;

/// The thread, as the loop sees it. It ends when this is dropped.
#[derive(Debug)]
pub struct Decoder {
    to: Sender<Batch>,
    from: Receiver<Batch>,
    /// Batches that have not come back.
    away: usize,
}

impl Decoder {
    /// Starts the thread, which rings when a batch is done.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub fn start(codecs: Vec<StreamCodec>, bell: Arc<Bell>) -> Result<Self, RunError> {
        let (to, polled) = channel::<Batch>();
        let (done, from) = channel();
        let spawned = std::thread::Builder::new().name("decode".to_owned()).spawn(move || {
            for mut batch in polled {
                batch.decode(&codecs);
                if done.send(batch).is_err() {
                    return;
                }
                bell.ring();
            }
        });
        spawned.map_err(|source| RunError::System { what: "the decoding thread cannot start".to_owned(), source })?;
        Ok(Decoder { to, from, away: 0 })
    }

    /// Whether so many records are to go there. Where others are there, all must follow: their order is to stay.
    pub fn wants(&self, records: usize) -> bool {
        records >= WORTH_IT || (records > 0 && self.away > 0)
    }

    /// Hands a batch over.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn give(&mut self, batch: Batch) -> Result<(), RunError> {
        self.to.send(batch).map_err(|_| ended())?;
        self.away += 1;
        Ok(())
    }

    /// The next batch that is done.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn take(&mut self) -> Result<Option<Batch>, RunError> {
        match self.from.try_recv() {
            Ok(batch) => {
                self.away -= 1;
                Ok(Some(batch))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ended()),
        }
    }
}

fn ended() -> RunError {
    let source = std::io::ErrorKind::BrokenPipe.into();
    RunError::System { what: "the decoding thread has ended".to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::codec::Format;
    use crate::domain::{Millis, StreamId, Timestamp};
    use crate::kafka::{Fetched, InputPartition};
    use crate::run::decoding::Buffered;

    const LONG: Duration = Duration::from_secs(60);

    fn codecs() -> Vec<StreamCodec> {
        vec![StreamCodec {
            topic: "orders".into(),
            format: Format::Json,
            id: None,
            require: Vec::new(),
            max_record_bytes: 1 << 20,
            max_future_skew: Millis::from_secs(60),
            max_past_skew: Millis::from_secs(60),
        }]
    }

    fn record(offset: i64, value: Option<&str>) -> Buffered {
        let input = InputPartition { stream: StreamId(0), partition: 0 };
        let bare = Fetched::bare(input, offset, Some(Timestamp::from_millis(1_700_000_000_000)));
        bare.with_value(b"o-1", value.map(str::as_bytes)).into()
    }

    fn next(decoder: &mut Decoder, bell: &Bell) -> Batch {
        let began = Instant::now();
        while began.elapsed() < LONG {
            if let Some(batch) = decoder.take().expect("the thread runs") {
                return batch;
            }
            bell.wait(LONG);
        }
        panic!("the bell rang for nothing");
    }

    #[test]
    fn batches_come_back_decoded_in_the_order_in_which_they_went() {
        let bell = Arc::new(Bell::default());
        let mut decoder = Decoder::start(codecs(), Arc::clone(&bell)).unwrap();
        let event =
            r#"{"order_id": "o-1", "event_id": "1", "type": "order.placed", "event_time": "2023-11-14T22:13:20Z"}"#;
        let batches =
            [vec![record(0, Some(event)), record(1, Some("{"))], vec![record(2, None), record(3, Some(event))]];
        for records in batches {
            decoder.give(Batch { records, states: [(0, (7, 1))].into() }).unwrap();
        }
        let mut came = Vec::new();
        for _ in 0..2 {
            let batch = next(&mut decoder, &bell);
            assert_eq!(batch.states.get(&0), Some(&(7, 1)));
            // Without codecs nothing can be decoded any more.
            came.extend(batch.records.into_iter().map(|mut r| (r.record.offset, r.take(&[]).map(|said| said.is_ok()))));
        }
        assert_eq!(came, [(0, Some(true)), (1, Some(false)), (2, None), (3, Some(true))]);
        assert!(decoder.take().unwrap().is_none());
    }

    #[test]
    fn few_records_are_decoded_where_they_are_applied_unless_others_are_ahead_of_them() {
        let bell = Arc::new(Bell::default());
        let mut decoder = Decoder::start(codecs(), Arc::clone(&bell)).unwrap();
        assert_eq!([0, 1, WORTH_IT - 1, WORTH_IT].map(|n| decoder.wants(n)), [false, false, false, true]);
        decoder.give(Batch { records: vec![record(0, None)], states: [(0, (7, 1))].into() }).unwrap();
        assert_eq!([0, 1].map(|n| decoder.wants(n)), [false, true]);
        next(&mut decoder, &bell);
        assert_eq!([0, 1].map(|n| decoder.wants(n)), [false, false]);
    }
}
