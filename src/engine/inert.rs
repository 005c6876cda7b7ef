//! Which policies have nothing more to say of an order until an event touches them, so that they need not be asked.
//!
//! A policy is inert where it has no case, or a cycle that ended in time and was counted, and nothing published. That hangs on
//! facts alone and on no frontier. Where the order's life is over all are asked: when it closed hangs on each.

use crate::policy::Policies;
use crate::policy::interest::Interest;

/// What each policy of a document is interested in.
#[derive(Clone, Debug, Default)]
pub(super) struct Interests {
    slas: Vec<Interest>,
    checks: Vec<Interest>,
    queues: Vec<Interest>,
}

/// A set of policies: the SLAs in file order, then the checks. What has no room in it is never inert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inert(u16);

impl Interests {
    pub fn of(policies: &Policies) -> Self {
        Interests {
            slas: policies.slas.iter().map(|sla| sla.interest()).collect(),
            checks: policies.checks.iter().map(|check| check.interest()).collect(),
            queues: policies.queues().map(|queue| queue.interest()).collect(),
        }
    }

    /// Those of `inert` that are so still, after what was touched since.
    pub fn untouched(&self, inert: Inert, touched: Interest) -> Inert {
        if inert.0 == 0 || touched == Interest::NONE {
            return inert;
        }
        let mut left = inert;
        for (place, interest) in self.slas.iter().chain(&self.checks).take(u16::BITS as usize).enumerate() {
            left.0 &= !(u16::from(interest.meets(touched)) << place);
        }
        left
    }

    /// Where a check stands among all policies.
    pub fn place_of_check(&self, check: usize) -> usize {
        self.slas.len() + check
    }

    /// Whether the members of a backlog's queues may be others.
    pub fn touches_queue(&self, queue: usize, touched: Interest) -> bool {
        self.queues.get(queue).is_none_or(|interest| interest.meets(touched))
    }
}

impl Inert {
    /// The first eight policies, a bit each.
    pub fn bits(self) -> u8 {
        self.0 as u8
    }

    /// What [`Inert::bits`] told.
    pub fn of_bits(bits: u8) -> Self {
        Inert(bits.into())
    }

    pub fn has(self, place: usize) -> bool {
        place < u16::BITS as usize && self.0 >> place & 1 == 1
    }

    pub fn insert(&mut self, place: usize) {
        if place < u16::BITS as usize {
            self.0 |= 1 << place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Milestone;

    #[test]
    fn what_is_touched_is_asked_again() {
        let placed = Interest::in_milestone(&Milestone::parse("order.placed"));
        let packed = Interest::in_milestone(&Milestone::parse("fulfillment.packed"));
        let interests = Interests { slas: vec![placed, packed], checks: vec![packed], queues: vec![placed] };
        let mut inert = Inert::default();
        (0..3).for_each(|place| inert.insert(place));
        inert.insert(16);
        assert_eq!(interests.untouched(inert, Interest::NONE), inert);
        let left = interests.untouched(inert, packed);
        assert_eq!([0, 1, 2, 3, 16].map(|place| left.has(place)), [true, false, false, false, false]);
        assert_eq!(interests.untouched(inert, Interest::ALL), Inert::default());
        assert!(interests.touches_queue(0, placed) && !interests.touches_queue(0, packed));
        assert!(interests.touches_queue(1, packed), "a queue that nobody knows is asked");
    }
}
