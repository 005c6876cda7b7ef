//! Scenarios: a story in events with times, and what must be said of it, as a document that people who run a shop read.
//!
//! `orderwatch check --scenarios DIR` runs a user's scenarios against a user's policies; `tests/scenarios` are ours. A
//! scenario is judged by the engine of the live run, driven as a replay is; where it comes out otherwise, the difference
//! points at the line.

mod compare;
mod read;

use std::sync::Arc;

use crate::codec::{Format, RawRecord, StreamCodec, decode};
use crate::config::Config;
use crate::config::problem::{Problem, SourceFile};
use crate::config::read::Reader;
use crate::domain::{Exception, StreamId, Timestamp};
use crate::engine::Transition;
use crate::policy::Settings;
use crate::replay::drive::Drive;

use read::{Scenario, Told};

/// Runs one document; what is wrong with it, or comes out otherwise than it says.
pub fn check(file: SourceFile, config: &Config) -> Vec<Problem> {
    let mut reader = Reader::new(Arc::new(file), None);
    reader.root(|r, root| {
        let scenario = read::scenario(r, root, config)?;
        let said = run(r, &scenario, config)?;
        compare::compare(r, &scenario, &said);
        Some(())
    });
    reader.finish()
}

/// What is said of the events, in its order; `None` where one of them is no event.
fn run(r: &mut Reader<'_>, scenario: &Scenario, config: &Config) -> Option<Vec<Exception>> {
    let settings = Settings { publish_after: Timestamp::MIN, ..config.settings() };
    let mut drive = Drive::new([0], &config.policies, &Arc::new(settings));
    let mut said = Vec::new();
    let mut listen = |transition: Transition| {
        if let Transition::Publish(exception) = transition {
            said.push(*exception);
        }
        Ok::<(), std::convert::Infallible>(())
    };
    let mut in_order: Vec<(usize, &Told)> = scenario.events.iter().enumerate().collect();
    in_order.sort_by_key(|(place, told)| (told.at, *place));
    let codecs = config.stream_codecs();
    for (offset, (_, told)) in in_order.into_iter().enumerate() {
        let Ok(()) = drive.advance(told.at, &mut listen);
        let codec = StreamCodec { format: Format::Json, ..codecs.get(told.stream)?.clone() };
        let raw = RawRecord {
            stream: StreamId(u16::try_from(told.stream).ok()?),
            partition: 0,
            offset: offset as i64,
            timestamp: Some(told.at),
            key: Some(told.id.as_bytes()),
            value: Some(&told.payload),
            headers: &[],
        };
        let event = match decode(&codec, &raw) {
            Ok(event) => event,
            Err(malformed) => {
                r.error(
                    &told.span,
                    format!("this event would be a dead letter: {}: {}", malformed.code, malformed.detail),
                );
                return None;
            }
        };
        let Ok(outcome) = drive.apply(event, &mut listen);
        if let Err(rejected) = outcome {
            r.error(&told.span, format!("this event would be a dead letter: {}", rejected.code()));
            return None;
        }
    }
    let Ok(()) = drive.advance(scenario.until, &mut listen);
    let Ok(()) = drive.finish(&mut listen);
    Some(said)
}
