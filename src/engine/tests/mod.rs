//! The engine told as stories: events in, transitions out.

mod backlogs;
mod calendars;
mod checks;
mod complete_since;
mod edits;
mod flow_checks;
mod groups;
mod money_checks;
mod properties;
mod recovery;
mod sla;
mod story;
mod who;
