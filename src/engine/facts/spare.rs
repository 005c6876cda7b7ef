//! What unpacking takes, used again: an order is unpacked for a moment only, and most of what that costs is the allocator's.

use crate::domain::event::Details;
use crate::domain::{Event, Line};

/// As many as the orders of a turn have.
const MOST: usize = 1 << 10;
/// A list that an unusual order has grown is given back.
const MOST_ENTRIES: usize = 64;

/// Empty boxes and lists.
#[derive(Debug, Default)]
pub(in crate::engine) struct Spare {
    #[expect(clippy::vec_box, reason = "an event takes the box as it is")]
    details: Vec<Box<Details>>,
    lines: Vec<Vec<Line>>,
}

impl Spare {
    pub(super) fn details(&mut self) -> Box<Details> {
        self.details.pop().unwrap_or_default()
    }

    pub(super) fn lines(&mut self) -> Vec<Line> {
        self.lines.pop().unwrap_or_default()
    }

    /// Takes what the events were made of.
    pub fn take(&mut self, events: &mut Vec<Event>) {
        for mut details in events.drain(..).filter_map(|event| event.details) {
            if let Some(mut lines) = details.lines.take()
                && self.lines.len() < MOST
                && lines.capacity() <= MOST_ENTRIES
            {
                lines.clear();
                self.lines.push(lines);
            }
            if self.details.len() < MOST && details.attributes.capacity() <= MOST_ENTRIES {
                let mut attributes = std::mem::take(&mut details.attributes);
                attributes.clear();
                *details = Details { attributes, ..Details::default() };
                self.details.push(details);
            }
        }
        if events.capacity() > MOST_ENTRIES {
            *events = Vec::new();
        }
    }
}
