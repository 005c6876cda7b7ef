//! What a slot keeps of an order at rest, and how an order comes and goes.

use crate::domain::Str;
use crate::policy::backlog::Membership;
use crate::policy::interest::Interest;

use super::super::bounds::Sums;
use super::super::facts::{Codebook, Facts, Handle, Spare};
use super::super::inert::Inert;
use super::super::order::{CaseKey, Order, Published};

/// An order at rest.
#[derive(Debug)]
pub(super) struct Resting {
    pub facts: Handle,
    pub birth: u32,
    /// Plain cycles of the first policies whose end was counted, a bit each.
    pub ended: u16,
    /// Those of the first policies that are inert, a bit each, and [`HAS_RARE`].
    pub marks: u8,
    pub dirty: Dirty,
}

/// Whether an order at rest waits to be judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dirty {
    No,
    /// For one event, and who judges it knows what that touched.
    Once,
    /// For more, or for something else.
    Yes,
}

/// There is more of it in [`super::Slots::rare`].
const HAS_RARE: u8 = 1 << 7;

/// What few orders have, see [`Order`].
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub published: Vec<Published>,
    pub ended: Vec<CaseKey>,
    pub stays: Vec<Vec<Membership>>,
    pub settled: Vec<CaseKey>,
}

impl Resting {
    /// The marks of an order: of policies that have no bit it is not kept that they are inert, and they are asked.
    pub fn marks(inert: Inert, has_rare: bool) -> u8 {
        inert.bits() & !HAS_RARE | if has_rare { HAS_RARE } else { 0 }
    }

    pub fn has_rare(&self) -> bool {
        self.marks & HAS_RARE != 0
    }

    pub(super) fn fill(&self, facts: Facts<'_>, codebook: &Codebook, order: &mut Order, spare: &mut Spare) {
        let head = codebook.unpack(facts, spare, &mut order.events);
        order.id = Str::new(head.id);
        (order.entity, order.closed_at) = (head.entity, head.closed_at);
        (order.birth, order.dirty) = (self.birth, self.dirty != Dirty::No);
        order.inert = Inert::of_bits(self.marks & !HAS_RARE);
        // What touched it is not kept here; see [`super::Slots::wake_to_judge`].
        order.touched = if order.dirty { Interest::ALL } else { Interest::NONE };
        let ended = (0..u16::BITS as u16).filter(|place| self.ended >> place & 1 == 1);
        order.ended.extend(ended.map(|place| CaseKey::Sla(place, None)));
    }
}

impl Order {
    pub(super) fn take_rare(&mut self, rare: Rare) {
        let Rare { published, ended, stays, settled } = rare;
        (self.published, self.stays, self.settled) = (published, stays, settled);
        self.ended.extend(ended);
    }

    /// What does not fit beside its facts.
    pub(super) fn rare(&mut self) -> Option<Rare> {
        if self.stays.iter().all(Vec::is_empty) {
            self.stays.clear();
        }
        let Order { published, ended, stays, settled, .. } = self;
        if published.is_empty() && ended.is_empty() && stays.is_empty() && settled.is_empty() {
            return None;
        }
        let (published, ended) = (std::mem::take(published), std::mem::take(ended));
        Some(Rare { published, ended, stays: std::mem::take(stays), settled: std::mem::take(settled) })
    }

    pub(super) fn take_plain_ended(&mut self) -> u16 {
        let mut plain = 0;
        self.ended.retain(|key| match key {
            CaseKey::Sla(place, None) if *place < u16::BITS as u16 => {
                plain |= 1 << place;
                false
            }
            _ => true,
        });
        plain
    }

    pub(super) fn clear(&mut self) {
        let Order { events, published, ended, stays, settled, .. } = self;
        events.clear();
        published.clear();
        ended.clear();
        stays.clear();
        settled.clear();
        (self.id, self.packed, self.closed_at, self.dirty) = (Str::default(), None, None, false);
        (self.touched, self.inert, self.sums) = (Interest::NONE, Inert::default(), Sums::default());
    }
}
