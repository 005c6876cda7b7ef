//! The clock that idle partitions advance by: the wall clock at start plus monotonic (boot) time (DESIGN section 4).

use crate::domain::{Millis, Timestamp};

/// How far the wall clock may disagree before idle partitions stand still.
pub const TOLERANCE: Millis = Millis::from_secs(1);
/// How long they stand still before the wall clock is believed.
pub const CLOCK_HOLD: Millis = Millis::from_secs(300);

/// What the clock says. Every reading is at or past the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// Both clocks agree.
    Agreed(Timestamp),
    /// The wall clock was moved by `by`: nothing that is idle advances. So it is too where it was set back and believed,
    /// until it has caught up.
    Hold {
        /// The clock's own time.
        now: Timestamp,
        /// Wall clock less our own.
        by: Millis,
    },
    /// The wall clock has been believed after [`CLOCK_HOLD`].
    Reanchored {
        /// The clock's time from here on.
        now: Timestamp,
        /// Wall clock less our own, before.
        by: Millis,
    },
}

/// Keeps the time by boot time and watches the wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    anchor_wall: Timestamp,
    anchor_boot: Millis,
    last: Timestamp,
    disagrees_since: Option<Millis>,
}

impl Clock {
    /// Starts at the wall clock's time; `boot` is any time that never stops nor jumps.
    pub const fn start(wall: Timestamp, boot: Millis) -> Self {
        Clock { anchor_wall: wall, anchor_boot: boot, last: wall, disagrees_since: None }
    }

    /// The time, from both clocks as they stand.
    pub fn read(&mut self, wall: Timestamp, boot: Millis) -> Reading {
        let own = self.anchor_wall + (boot - self.anchor_boot);
        let by = wall - own;
        // A clock that was set back and believed stands until the wall has caught up.
        let forward = |last: Timestamp, time: Timestamp| last.max(time);
        if by.get().abs() <= TOLERANCE.get() {
            self.disagrees_since = None;
            self.last = forward(self.last, own);
            let stands_for = self.last - own;
            return match stands_for > TOLERANCE {
                true => Reading::Hold { now: self.last, by: own - self.last },
                false => Reading::Agreed(self.last),
            };
        }
        let since = *self.disagrees_since.get_or_insert(boot);
        if boot - since < CLOCK_HOLD {
            self.last = forward(self.last, own);
            return Reading::Hold { now: self.last, by };
        }
        (self.anchor_wall, self.anchor_boot, self.disagrees_since) = (wall, boot, None);
        self.last = forward(self.last, wall);
        Reading::Reanchored { now: self.last, by }
    }
}

impl Reading {
    /// The clock's time, whatever it is worth.
    pub const fn now(self) -> Timestamp {
        match self {
            Reading::Agreed(now) | Reading::Hold { now, .. } | Reading::Reanchored { now, .. } => now,
        }
    }

    /// The time to which an idle partition may advance; `None` while the clocks disagree.
    pub const fn evidence(self) -> Option<Timestamp> {
        match self {
            Reading::Agreed(now) | Reading::Reanchored { now, .. } => Some(now),
            Reading::Hold { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn follows_boot_time_while_the_wall_agrees() {
        let mut clock = Clock::start(at(1_000_000), Millis::new(50));
        assert_eq!(clock.read(at(1_000_400), Millis::new(550)), Reading::Agreed(at(1_000_500)));
        assert_eq!(clock.read(at(1_001_500), Millis::new(1_050)), Reading::Agreed(at(1_001_000)));
    }

    #[test]
    fn holds_when_the_wall_jumps_and_goes_on_when_it_is_back() {
        let mut clock = Clock::start(at(1_000_000), Millis::new(0));
        let jumped = clock.read(at(1_000_010 + 3_600_000), Millis::new(10));
        assert_eq!(jumped, Reading::Hold { now: at(1_000_010), by: Millis::new(3_600_000) });
        assert_eq!(jumped.evidence(), None);
        assert_eq!(clock.read(at(1_000_020), Millis::new(20)), Reading::Agreed(at(1_000_020)));
    }

    #[test]
    fn believes_the_wall_after_the_hold_and_never_goes_back() {
        for jump in [3_600_000, -3_600_000] {
            let mut clock = Clock::start(at(10_000_000), Millis::new(0));
            assert!(matches!(clock.read(at(10_000_000 + jump), Millis::new(0)), Reading::Hold { .. }));
            let almost = CLOCK_HOLD.get() - 1;
            assert_eq!(clock.read(at(10_000_000 + jump + almost), Millis::new(almost)).evidence(), None);
            let held = CLOCK_HOLD.get();
            let believed = clock.read(at(10_000_000 + jump + held), Millis::new(held));
            assert!(matches!(believed, Reading::Reanchored { .. }), "{believed:?}");
            let expected = at(10_000_000 + (jump + held).max(almost));
            assert_eq!(believed.now(), expected, "jump {jump}");
            let later = clock.read(at(10_000_000 + jump + held + 5), Millis::new(held + 5));
            let stands = Reading::Hold { now: believed.now(), by: Millis::new(jump + held + 5 - almost) };
            assert_eq!(later, if jump < 0 { stands } else { Reading::Agreed(believed.now() + Millis::new(5)) });
        }
    }

    #[test]
    fn set_back_and_believed_it_stands_until_the_wall_has_caught_up() {
        let mut clock = Clock::start(at(10_000_000), Millis::new(0));
        let hold = CLOCK_HOLD.get();
        let wall_less_boot = 10_000_000 - 60_000;
        clock.read(at(wall_less_boot), Millis::new(0));
        let mut at_boot = |boot: i64| clock.read(at(wall_less_boot + boot), Millis::new(boot));
        assert!(matches!(at_boot(hold), Reading::Reanchored { .. }));
        let stood_at = at_boot(hold + 1).now();
        let caught_up = (stood_at - at(wall_less_boot)).get();
        assert_eq!(at_boot(caught_up - TOLERANCE.get() - 1).evidence(), None);
        assert_eq!(at_boot(caught_up + 7), Reading::Agreed(stood_at + Millis::new(7)));
    }

    #[test]
    fn a_new_disagreement_starts_a_new_hold() {
        let mut clock = Clock::start(at(0), Millis::new(0));
        assert_eq!(clock.read(at(5_000), Millis::new(0)).evidence(), None);
        assert!(clock.read(at(200_000), Millis::new(200_000)).evidence().is_some());
        assert_eq!(clock.read(at(310_000), Millis::new(301_000)).evidence(), None);
    }
}
