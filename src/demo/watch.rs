//! A subscriber: reads the output topics, prints what it reads, and keeps count.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::codec::{Format, decode_exception};
use crate::domain::{Exception, ExceptionId, Status, Timestamp};
use crate::kafka::in_process::Subscriber;
use crate::replay::Summary;

use super::figures::{Figures, Scraper};
use super::render::{Palette, Standing};

/// A headline comes so often.
const HEADLINE_EVERY: Duration = Duration::from_secs(5);

/// The watcher.
pub struct Watch {
    subscriber: Subscriber,
    scraper: Scraper,
    palette: Palette,
    /// What stands, by exception_id; what has ended goes.
    standing: HashMap<ExceptionId, Status>,
    counted: Summary,
    figures: Figures,
    next_headline: Instant,
}

impl Watch {
    /// Over a subscriber of the histories.
    pub fn new(subscriber: Subscriber, scraper: Scraper, palette: Palette) -> Self {
        Watch {
            subscriber,
            scraper,
            palette,
            standing: HashMap::new(),
            counted: Summary::default(),
            figures: Figures::default(),
            next_headline: Instant::now() + HEADLINE_EVERY,
        }
    }

    /// Prints the next exception, if one comes within `timeout`, and a headline where one is due.
    ///
    /// # Errors
    /// Standard output is gone.
    pub fn turn(&mut self, timeout: Duration, out: &mut dyn Write) -> io::Result<()> {
        let value = self.subscriber.next(timeout);
        // Whatever is no exception was not written by orderwatch.
        if let Some(exception) = value.and_then(|value| decode_exception(&value, Format::Json).ok()) {
            self.count(&exception);
            out.write_all(self.palette.exception(&exception).as_bytes())?;
        }
        if Instant::now() >= self.next_headline {
            self.next_headline += HEADLINE_EVERY;
            self.scrape();
            let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
            out.write_all(self.palette.headline(now, &self.figures, self.standing()).as_bytes())?;
        }
        out.flush()
    }

    /// How many events orderwatch has read by now, as it says itself.
    pub fn scrape(&mut self) -> u64 {
        if let Some(figures) = self.scraper.scrape() {
            self.figures = figures;
        }
        self.figures.events
    }

    /// What was counted, for the table at the end.
    pub fn summary(mut self, orders: u64) -> Summary {
        self.counted.events = self.figures.events;
        self.counted.orders = orders;
        self.counted.dead_letters = self.figures.dead_letters;
        self.counted
    }

    fn count(&mut self, exception: &Exception) {
        self.counted.published(exception);
        if exception.status.has_ended() {
            self.standing.remove(&exception.exception_id);
        } else {
            self.standing.insert(exception.exception_id.clone(), exception.status);
        }
    }

    fn standing(&self) -> Standing {
        let count = |status| self.standing.values().filter(|s| **s == status).count();
        Standing { at_risk: count(Status::AtRisk), opened: count(Status::Opened), escalated: count(Status::Escalated) }
    }
}
