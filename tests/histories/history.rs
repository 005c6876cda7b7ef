//! A history: policies and the events of one order, drawn from a seed.

use crate::calendars::{CALENDARS, SEASONS, calendar};
use crate::draft::Draft;
use crate::oracle::{Record, Sla};
use crate::rng::Rng;
use crate::story::Story;

/// The input topics.
pub const TOPICS: [&str; 3] = ["orders", "payments", "fulfillments"];

/// So many histories, one seed after another, are told under the same policies: reading these costs more than a history.
pub const FAMILY: u64 = 16;

/// An SLA, and what of it only the document says.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub sla: Sla,
    /// Its calendar's number.
    pub calendar: Option<usize>,
    /// Its own grace, ms; without one the streams' applies.
    pub grace: Option<i64>,
}

/// Policies, events, and a frontier at which they are judged.
#[derive(Clone, Debug)]
pub struct History {
    pub season: usize,
    /// The topics as the configuration lists them: a record's stream is a place among these.
    pub topics: [&'static str; 3],
    /// The grace of each of them, ms.
    pub stream_grace: [Option<i64>; 3],
    /// What applies where a stream has none, ms.
    pub grace: i64,
    pub slas: Vec<Drawn>,
    pub records: Vec<Record>,
    pub until: i64,
}

impl History {
    /// Draws one.
    pub fn draw(seed: u64) -> History {
        let mut history = History::policies(&mut Rng::new(seed / FAMILY));
        Story::new(&mut Rng::new(!seed), &history).tell(&mut history);
        history
    }

    /// Draws policies without events.
    fn policies(rng: &mut Rng) -> History {
        let mut topics = TOPICS;
        rng.shuffle(&mut topics);
        let graces = [0, 5_000, 90_000, 7_200_000];
        let mut some_grace = |percent: u64| rng.chance(percent).then(|| graces[rng.below(graces.len())]);
        let stream_grace = [some_grace(15), some_grace(15), some_grace(15)];
        let grace = some_grace(60).unwrap_or(5_000);
        let season = rng.below(SEASONS.len());
        let calendar = rng.below(CALENDARS);
        let slas = Draft::new(rng, calendar).slas();
        History { season, topics, stream_grace, grace, slas, records: Vec::new(), until: 0 }
    }

    /// The SLAs as the oracle takes them.
    pub fn slas(&self) -> Vec<Sla> {
        let of_streams = self.stream_grace.iter().map(|own| own.unwrap_or(self.grace)).max().unwrap_or(self.grace);
        let resolved = |drawn: &Drawn| {
            let mut sla = drawn.sla.clone();
            sla.grace = drawn.grace.unwrap_or(of_streams);
            sla.calendar = drawn.calendar.map(|number| calendar(self.season, number));
            sla
        };
        self.slas.iter().map(resolved).collect()
    }
}
