//! Which milestones the events of one order reach, in one word: most questions are about a milestone that none did.

use crate::domain::{Event, Milestone, Standard};

/// A bit for each standard milestone that an event reaches, and one for all others together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reaches(u32);

const CUSTOM: u32 = 1 << 31;
const _: () = assert!(Standard::ALL.len() <= 29, "a bit for each standard milestone, and two for what else is touched");

fn bit(milestone: &Milestone) -> u32 {
    match milestone {
        Milestone::Standard(standard) => 1 << *standard as u8,
        Milestone::Custom(_) => CUSTOM,
    }
}

impl Reaches {
    pub fn of(events: &[Event]) -> Self {
        Reaches(events.iter().fold(0, |all, event| all | bit(&event.milestone)))
    }

    /// The bit of one milestone.
    pub fn only(milestone: &Milestone) -> u32 {
        bit(milestone)
    }

    /// The bit of every milestone that is no standard one.
    pub const fn any_custom() -> u32 {
        CUSTOM
    }

    /// False where no event reaches it. Derived ones are on no event.
    pub fn may_have(self, milestone: &Milestone) -> bool {
        self.0 & bit(milestone) != 0
    }

    pub fn has(self, standard: Standard) -> bool {
        self.0 & (1 << standard as u8) != 0
    }
}
