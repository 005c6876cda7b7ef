//! A worker of a replay: applies and judges the events of its own shards, batch by batch, and hands back what follows.

use std::sync::mpsc::{Receiver, SyncSender};

use crate::domain::{EntityId, Event};
use crate::engine::LOOK_AHEAD;
use crate::policy::Settings;

use super::cut::Share;
use super::lane::{Lane, Step};
use super::summary::{OrderKey, Summary};

/// Some of a replay's shards, and what was counted of them. No other thread touches either.
#[derive(Debug)]
pub struct Worker<'p> {
    /// The shards.
    pub lanes: Vec<Lane>,
    /// What they took in and said.
    pub summary: Summary,
    settings: &'p Settings,
}

impl<'p> Worker<'p> {
    /// Has these shards, all empty.
    pub fn new(lanes: Vec<Lane>, settings: &'p Settings) -> Self {
        Worker { lanes, summary: Summary::default(), settings }
    }

    /// Works until there is no more to do, or nobody asks for it.
    pub fn run(mut self, shares: Receiver<Share>, done: SyncSender<Vec<Step>>) -> Self {
        for share in shares {
            if done.send(self.work(share)).is_err() {
                break;
            }
        }
        self
    }

    /// One shard after the other, for its memory is near then. So each one's steps are in order, and those of one after those
    /// of the other.
    fn work(&mut self, share: Share) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut lanes = share.lanes.into_iter();
        for lane in &mut self.lanes {
            let mut events = lanes.next().unwrap_or_default().into_iter();
            while !events.as_slice().is_empty() {
                lane.look_ahead(events.as_slice().iter().take(LOOK_AHEAD).map(|(_, event)| &**event));
                for (place, event) in events.by_ref().take(LOOK_AHEAD) {
                    lane.advance(place.frontier, &mut steps);
                    let order = order_of(self.settings, &event);
                    match lane.apply(*event, place, &mut steps) {
                        Ok(()) => self.summary.event(order),
                        Err(rejected) => self.summary.dead_letter(rejected.code()),
                    }
                }
            }
            lane.advance(share.reach.frontier, &mut steps);
            if share.reach.is_end {
                lane.finish(share.reach.frontier, &mut steps);
            }
        }
        steps
    }
}

fn order_of(settings: &Settings, event: &Event) -> Option<OrderKey> {
    let entity = settings.entities.of_stream(event.position.stream);
    (entity == EntityId::ORDER).then(|| OrderKey::of(&event.order_id))
}
