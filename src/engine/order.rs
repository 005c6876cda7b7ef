//! One order in memory: its facts, what was published of it, and its next timer.

use crate::domain::{Event, Exception, Str, Timestamp};
use crate::policy::backlog::Membership;

use super::shard::{Applied, Rejected};

/// The most events kept of one order: far above anything real, so that one broken producer cannot slow a shard.
pub const MAX_EVENTS: usize = 1000;
/// The most lines kept of one order, over all its events.
pub const MAX_LINES: usize = 10_000;

/// Which policy, and which of its cases, an entry of the published set belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaseKey {
    /// The SLA at this place of the policy document.
    Sla(u16),
    /// The check at this place, and the place of its reason.
    Check(u16, u8),
    /// A policy that the document in force does not have.
    Unknown,
}

/// One exception of the published set.
#[derive(Clone, PartialEq, Debug)]
pub struct Published {
    /// What it belongs to.
    pub key: CaseKey,
    /// What was published last.
    pub last: Exception,
    /// It was due before `publish_after`: known here, and never told.
    pub silent: bool,
    /// Its trigger is not among the facts (it lies before the first offset read): nothing more is judged of it.
    pub frozen: bool,
}

/// One order.
#[derive(Debug, Default)]
pub struct Order {
    /// Its id.
    pub id: Str,
    /// Its facts: each identity once, in (event_time, position) order.
    pub events: Vec<Event>,
    /// What was published of it.
    pub published: Vec<Published>,
    /// SLAs (by place) whose cycle's end was counted.
    pub ended: Vec<u16>,
    /// Where it stands in each backlog's queues, by the policy's place; empty before it was judged.
    pub stays: Vec<Vec<Membership>>,
    /// When it next wants to be asked: fires when the frontier is past this.
    pub timer: Option<Timestamp>,
    /// When it closed, in record time.
    pub closed_at: Option<Timestamp>,
    /// Facts changed since it was last judged.
    pub dirty: bool,
}

impl Order {
    /// Merges one event: commutative, associative and idempotent. Of one identity, the first in the log stands.
    ///
    /// # Errors
    /// The event is new and the order cannot take it; nothing was changed.
    pub fn merge(&mut self, event: Event) -> Result<Applied, Rejected> {
        let Some(i) = self.events.iter().position(|known| known.same_identity(&event)) else {
            self.check_bounds(&event)?;
            self.insert(event);
            return Ok(Applied::New);
        };
        let known = &self.events[i];
        let applied = match event.same_content(known) {
            true if event.position == known.position => Applied::Reread,
            true => Applied::Repeat,
            false => Applied::Conflict,
        };
        if event.position < known.position {
            self.events.remove(i);
            self.insert(event);
        }
        Ok(applied)
    }

    fn insert(&mut self, event: Event) {
        let at = self.events.partition_point(|known| known.order_key() < event.order_key());
        self.events.insert(at, event);
    }

    fn check_bounds(&self, event: &Event) -> Result<(), Rejected> {
        let lines = |e: &Event| e.details.as_ref().and_then(|d| d.lines.as_ref()).map_or(0, Vec::len);
        if self.events.len() >= MAX_EVENTS {
            return Err(Rejected::TooManyEvents { limit: MAX_EVENTS });
        }
        let Some(details) = &event.details else { return Ok(()) };
        let own_lines = lines(event);
        if own_lines > 0 && own_lines + self.events.iter().map(lines).sum::<usize>() > MAX_LINES {
            return Err(Rejected::TooManyLines { limit: MAX_LINES });
        }
        if details.amount.is_some() && !self.fits(event, |e| e.details.as_ref()?.amount.map(|m| m.amount_minor.into()))
        {
            return Err(Rejected::Overflow { what: "amounts" });
        }
        let pieces = |e: &Event| {
            let lines = e.details.as_ref()?.lines.as_ref()?;
            Some(lines.iter().map(|l| i128::from(l.quantity)).sum())
        };
        if own_lines > 0 && !self.fits(event, pieces) {
            return Err(Rejected::Overflow { what: "quantities" });
        }
        Ok(())
    }

    /// True where the figure, added up over all events without regard to sign, stays within 64 bits.
    fn fits(&self, event: &Event, figure: impl Fn(&Event) -> Option<i128>) -> bool {
        let all = self.events.iter().chain([event]).filter_map(figure);
        all.map(i128::abs).sum::<i128>() <= i128::from(i64::MAX)
    }

    /// The newest record time among its events; where the facts do not reach back so far, the frontier at which
    /// something was last published of it.
    pub fn last_activity(&self) -> Timestamp {
        let published = self.published.iter().map(|p| p.last.frontier).filter(|_| self.events.is_empty());
        self.events.iter().map(|e| e.record_time).chain(published).max().unwrap_or(Timestamp::MIN)
    }
}
