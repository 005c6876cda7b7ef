//! The engine told as stories: events in, transitions out.

mod backlogs;
mod calendars;
mod checks;
mod complete_since;
mod copies;
mod each;
mod edits;
mod entities;
mod flow_checks;
mod fulfillments;
mod groups;
mod joined;
mod money_checks;
mod promises;
mod properties;
mod recovery;
mod remembered;
mod sla;
pub(super) mod story;
mod who;
