//! One order, unpacked: its facts, and what was published of it. In this folder `order` stands for
//! whatever a stream is about: a checkout or a return is kept and judged in the same way.

use crate::domain::{EntityId, Event, Exception, Str, Timestamp};
use crate::policy::backlog::Membership;
use crate::policy::cycle::CycleKey;
use crate::policy::interest::Interest;

use super::bounds::Sums;
use super::facts::Handle;
use super::inert::Inert;
use super::shard::{Applied, Rejected};

/// The events of a usual order: it is placed, paid, packed, shipped and delivered.
const USUAL_EVENTS: usize = 5;

/// Which policy, and which of its cases, an entry of the published set belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CaseKey {
    /// The SLA at this place of the policy document, and which of its cycles.
    Sla(u16, CycleKey),
    /// The check at this place, and the place of its reason.
    Check(u16, u8),
    /// A policy that the document in force does not have; the number tells several of an order apart.
    Unknown(u16),
}

impl CaseKey {
    /// Whether it is a cycle of the SLA at this place.
    pub(super) fn is_of_sla(&self, place: usize) -> bool {
        matches!(self, CaseKey::Sla(at, _) if usize::from(*at) == place)
    }

    /// What tells it from the SLA's other cycles.
    pub(super) fn cycle(&self) -> Option<&str> {
        match self {
            CaseKey::Sla(_, cycle) => cycle.as_deref(),
            _ => None,
        }
    }
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
    /// Why it is not judged, where it is not.
    pub frozen: Frozen,
}

/// What keeps a published state from being judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frozen {
    /// Nothing.
    No,
    /// What it rests on lies before the first offset read: it is never retracted, and only an event ends it.
    Past,
}

/// One order.
#[derive(Debug, Default)]
pub struct Order {
    /// Its id.
    pub id: Str,
    /// What it is.
    pub entity: EntityId,
    /// Tells it from an order that had the same id before, in this shard's memory.
    pub birth: u32,
    /// Its facts: each identity once, in (event_time, position) order.
    pub events: Vec<Event>,
    /// What was published of it.
    pub published: Vec<Published>,
    /// Cycles whose end was counted.
    pub ended: Vec<CaseKey>,
    /// Where it stands in each backlog's queues, by the policy's place; empty before it was judged.
    pub stays: Vec<Vec<Membership>>,
    /// What is not judged, for it was over when the policies changed.
    pub settled: Vec<CaseKey>,
    /// When it closed, in record time.
    pub closed_at: Option<Timestamp>,
    /// Facts changed since it was last judged.
    pub dirty: bool,
    /// What they touch.
    pub touched: Interest,
    /// Policies that were found to have nothing to say of it.
    pub inert: Inert,
    /// What its events come to, as far as they were added up.
    pub(super) sums: Sums,
    /// Its facts as they lie packed, and how many events they hold that are its first, unchanged; 0 where they are not.
    pub(super) packed: Option<(Handle, usize)>,
}

impl Order {
    /// Merges one event: commutative, associative and idempotent. Of one identity, the first in the log stands.
    ///
    /// # Errors
    /// The event is new and the order cannot take it; nothing was changed.
    pub fn merge(&mut self, event: Event) -> Result<(Applied, Changed), Rejected> {
        let known = self.events.iter().enumerate().find(|(_, known)| known.same_identity(&event));
        let Some((i, known)) = known else {
            let sums = self.check_bounds(&event, None)?;
            let is_newest = self.events.last().is_none_or(|last| last.event_time < event.event_time);
            self.touched = self.touched.and(Interest::touched_by(&event, is_newest));
            self.insert(event);
            self.sums = sums;
            return Ok((Applied::New, Changed(true)));
        };
        let applied = match event.same_content(known) {
            true if event.position == known.position => Applied::Reread,
            true => Applied::Repeat,
            false => Applied::Conflict,
        };
        let earlier = event.position < known.position;
        if earlier {
            let sums = self.check_bounds(&event, Some(i))?;
            self.touched = Interest::ALL;
            self.events.remove(i);
            self.repack_from(i);
            self.insert(event);
            self.sums = sums;
        }
        Ok((applied, Changed(earlier)))
    }

    fn insert(&mut self, event: Event) {
        if self.events.capacity() == 0 {
            self.events.reserve(USUAL_EVENTS);
        }
        let at = self.events.partition_point(|known| known.order_key() < event.order_key());
        self.repack_from(at);
        self.events.insert(at, event);
    }

    fn repack_from(&mut self, at: usize) {
        if let Some((_, known)) = &mut self.packed
            && at < *known
        {
            *known = 0;
        }
    }

    /// What the order comes to with the event. `replaced`: the place of the event that this one takes.
    fn check_bounds(&self, event: &Event, replaced: Option<usize>) -> Result<Sums, Rejected> {
        let kept = self.events.iter().enumerate().filter(|(i, _)| Some(*i) != replaced).map(|(_, e)| e);
        let before = Some(self.sums).filter(|sums| replaced.is_none() && sums.events == self.events.len());
        before.unwrap_or_else(|| kept.fold(Sums::default(), Sums::and)).with(event)
    }

    /// The earliest record time among its events.
    pub fn first_record_time(&self) -> Timestamp {
        self.events.iter().map(|e| e.record_time).min().unwrap_or(Timestamp::MAX)
    }

    /// True where the facts hold what an exception rests on.
    pub fn knows_trigger(events: &[Event], exception: &Exception, topics: &[Str]) -> bool {
        let Some(trigger) = &exception.trigger else { return true };
        events.iter().any(|e| {
            let topic = topics.get(usize::from(e.position.stream.0));
            e.position.offset == trigger.offset && topic == Some(&trigger.topic)
        })
    }

    /// The newest record time among its events; where the facts do not reach back so far, the frontier at which
    /// something was last published of it.
    pub fn last_activity(&self) -> Timestamp {
        let published = self.published.iter().map(|p| p.last.frontier).filter(|_| self.events.is_empty());
        self.events.iter().map(|e| e.record_time).chain(published).max().unwrap_or(Timestamp::MIN)
    }
}

/// Whether an event changed an order's facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed(pub bool);
