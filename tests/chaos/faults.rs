//! What is broken when, by the seed, and how it is mended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::door::Wire;
use super::random::Random;
use super::seat::Seat;
use super::settings::SESSION;
use crate::support::Broker;

/// Processes that ended by themselves are looked for so often.
const BEAT: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Kill,
    Leave,
    FreezeShort,
    FreezeLong,
    Cut,
    Deaf,
    Reset,
    BrokerStop,
    BrokerKill,
    DiskFull,
    DamagedSnapshot,
    PolicyEdit,
}

impl Fault {
    pub const fn as_str(self) -> &'static str {
        match self {
            Fault::Kill => "kill -9 and restart",
            Fault::Leave => "SIGTERM and restart",
            Fault::FreezeShort => "frozen, shorter than the session",
            Fault::FreezeLong => "frozen, longer than the session",
            Fault::Cut => "network cut",
            Fault::Deaf => "answers of the broker cut",
            Fault::Reset => "connections reset and refused",
            Fault::BrokerStop => "broker stopped and restarted",
            Fault::BrokerKill => "broker killed and restarted",
            Fault::DiskFull => "disk full",
            Fault::DamagedSnapshot => "newest snapshot of a shard damaged",
            Fault::PolicyEdit => "kill -9, policy text edited, restart",
        }
    }
}

const WEIGHTS: [(Fault, i64); 12] = [
    (Fault::Kill, 20),
    (Fault::Leave, 7),
    (Fault::FreezeShort, 10),
    (Fault::FreezeLong, 10),
    (Fault::Cut, 12),
    (Fault::Deaf, 10),
    (Fault::Reset, 8),
    (Fault::BrokerStop, 3),
    (Fault::BrokerKill, 4),
    (Fault::DiskFull, 6),
    (Fault::DamagedSnapshot, 5),
    (Fault::PolicyEdit, 5),
];

/// What ends a fault.
#[derive(Clone, Copy, Debug)]
enum Mend {
    Start,
    Thaw,
    Deliver,
    Reset,
    FreeDisk,
}

/// The processes, the broker, and what is broken of them.
pub struct Storm {
    pub seats: Vec<Seat>,
    /// How often each was done.
    pub done: BTreeMap<Fault, u32>,
    /// Why processes ended by themselves, and how often.
    pub exits: BTreeMap<String, u32>,
    broker: &'static Broker,
    restarting: Option<JoinHandle<()>>,
    snapshots: PathBuf,
    random: Random,
    weights: Vec<(Fault, i64)>,
    /// By when, and the place.
    mends: Vec<(Instant, usize, Mend)>,
    began: Instant,
}

impl Storm {
    pub fn new(broker: &'static Broker, seats: Vec<Seat>, run: &Path, seed: u64, policy_edits: bool) -> Storm {
        let weights = WEIGHTS.into_iter().filter(|(fault, _)| policy_edits || *fault != Fault::PolicyEdit).collect();
        Storm {
            seats,
            done: BTreeMap::new(),
            exits: BTreeMap::new(),
            broker,
            restarting: None,
            snapshots: run.join("snapshots"),
            random: Random::new(seed, 0),
            weights,
            mends: Vec::new(),
            began: Instant::now(),
        }
    }

    /// Breaks things until then.
    pub fn rage(&mut self, until: Instant) {
        let mut next = Instant::now() + self.random.millis(500, 3_000);
        while Instant::now() < until {
            self.look_after();
            if Instant::now() >= next {
                let fault = self.random.weighted(&self.weights);
                self.strike(fault);
                next = Instant::now() + self.random.millis(300, 6_000);
            }
            // What comes next is a matter of time alone.
            std::thread::sleep(BEAT.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// Mends what is due and starts what ended by itself.
    pub fn look_after(&mut self) {
        let now = Instant::now();
        let (due, later) = self.mends.drain(..).partition(|(at, ..)| *at <= now);
        self.mends = later;
        due.into_iter().for_each(|(_, place, mend)| self.mend(place, mend));
        if self.restarting.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait_for_the_broker();
        }
        for place in 0..self.seats.len() {
            let log = self.seats[place].log();
            if let Some(status) = self.seats[place].exited() {
                let why = format!("{status}: {}", last_words(&log));
                self.say(&format!("{} ended by itself, {why}", self.seats[place].name));
                *self.exits.entry(why).or_default() += 1;
                self.seats[place].start();
            }
        }
    }

    fn strike(&mut self, fault: Fault) {
        // Both are drawn whatever comes of it, so that the seed's faults stay the seed's.
        let draw = self.random.next();
        let (short, long) = (self.random.millis(200, 4_000), self.random.millis(2_000, 12_000));
        let fits = |seat: &Seat| match fault {
            Fault::Kill | Fault::PolicyEdit => seat.daemon.is_some(),
            Fault::Leave | Fault::FreezeShort | Fault::FreezeLong => seat.daemon.is_some() && !seat.frozen,
            Fault::Cut | Fault::Deaf | Fault::Reset => seat.door.wire() == Wire::Whole,
            Fault::DiskFull => seat.daemon.is_some() && !seat.full,
            Fault::BrokerStop | Fault::BrokerKill | Fault::DamagedSnapshot => true,
        };
        let fitting: Vec<usize> = (0..self.seats.len()).filter(|place| fits(&self.seats[*place])).collect();
        let Some(place) = Random::new(draw, 0).pick(&fitting).copied() else { return };
        let by_reset = draw.is_multiple_of(2);
        let seat = &mut self.seats[place];
        let (mend, after) = match fault {
            Fault::Kill => (seat.kill(), (Mend::Start, short)).1,
            Fault::PolicyEdit => (seat.kill(), seat.edit_policies(), (Mend::Start, short)).2,
            Fault::Leave => {
                let name = seat.name.clone();
                match seat.leave() {
                    Some(status) if status.success() => {}
                    status => {
                        let why = format!("after SIGTERM: {}", status.map_or("killed".to_owned(), |s| s.to_string()));
                        self.say(&format!("{name} {why}"));
                        *self.exits.entry(why).or_default() += 1;
                    }
                }
                (Mend::Start, short)
            }
            Fault::FreezeShort => (seat.freeze(), (Mend::Thaw, short)).1,
            Fault::FreezeLong => (seat.freeze(), (Mend::Thaw, SESSION + long)).1,
            Fault::Cut => (seat.door.set(Wire::Cut), (mended(by_reset), long)).1,
            Fault::Deaf => (seat.door.set(Wire::Deaf), (mended(by_reset), long)).1,
            Fault::Reset => (seat.door.set(Wire::Refused), (Mend::Reset, short)).1,
            Fault::DiskFull => (seat.fill_disk(), (Mend::FreeDisk, long)).1,
            Fault::DamagedSnapshot => return self.damage_snapshot(draw),
            Fault::BrokerStop | Fault::BrokerKill => return self.restart_broker(fault),
        };
        self.mends.push((Instant::now() + after, place, mend));
        self.count(fault, &format!("{}, for {:.1} s", self.seats[place].name, after.as_secs_f64()));
    }

    fn mend(&mut self, place: usize, mend: Mend) {
        let seat = &mut self.seats[place];
        match mend {
            Mend::Start if seat.daemon.is_none() => seat.start(),
            Mend::Start => {}
            Mend::Thaw if seat.frozen => seat.thaw(),
            // It was killed meanwhile.
            Mend::Thaw => {}
            Mend::Deliver => seat.door.set(Wire::Whole),
            Mend::Reset => seat.door.mend_by_reset(),
            Mend::FreeDisk if seat.full => seat.free_disk(),
            Mend::FreeDisk => {}
        }
    }

    /// On a thread of its own: what else is broken is mended in time.
    fn restart_broker(&mut self, fault: Fault) {
        if self.restarting.is_some() {
            return;
        }
        let broker = self.broker;
        self.restarting = Some(std::thread::spawn(move || {
            match fault {
                Fault::BrokerKill => broker.kill(),
                _ => broker.stop(),
            }
            broker.restart();
        }));
        self.count(fault, "");
    }

    fn wait_for_the_broker(&mut self) {
        if let Some(restarting) = self.restarting.take() {
            restarting.join().expect("the broker comes back");
            self.say("the broker answers again");
        }
    }

    fn damage_snapshot(&mut self, draw: u64) {
        let shards = files(&self.snapshots).into_iter().flat_map(|group| files(&group)).collect::<Vec<_>>();
        let shard = Random::new(draw, 1).pick(&shards).cloned();
        let newest = shard.and_then(|shard| files(&shard).into_iter().filter(|f| f.extension().is_some()).max());
        let Some((file, mut bytes)) = newest.and_then(|file| Some((file.clone(), std::fs::read(file).ok()?))) else {
            return;
        };
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x55;
            std::fs::write(&file, bytes).expect("a snapshot can be damaged");
            self.count(Fault::DamagedSnapshot, &file.display().to_string());
        }
    }

    /// Nothing is broken afterwards.
    pub fn mend_all(&mut self) {
        for (_, place, mend) in std::mem::take(&mut self.mends) {
            self.mend(place, mend);
        }
        self.wait_for_the_broker();
        self.look_after();
        self.say("everything is mended");
    }

    /// Waits until `holds` does or the bound has passed, and keeps processes running meanwhile; how long it took.
    pub fn settle(&mut self, bound: Duration, mut holds: impl FnMut() -> bool) -> Option<Duration> {
        let began = Instant::now();
        loop {
            self.look_after();
            if holds() {
                return Some(began.elapsed());
            }
            if began.elapsed() >= bound {
                return None;
            }
            std::thread::sleep(BEAT * 10);
        }
    }

    fn count(&mut self, fault: Fault, detail: &str) {
        *self.done.entry(fault).or_default() += 1;
        self.say(&format!("{} {detail}", fault.as_str()));
    }

    pub fn say(&self, what: &str) {
        let now = orderwatch::domain::Timestamp::from_millis(super::settings::now_ms());
        println!("{now} {:7.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}

fn mended(by_reset: bool) -> Mend {
    if by_reset { Mend::Reset } else { Mend::Deliver }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Why a process ended, as its log says it, without what differs from one time to the next.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let said = text.lines().rev().find(|line| line.starts_with("error:") || line.contains("panicked at"));
    let words = said.or(text.lines().last()).unwrap_or("it said nothing").to_owned();
    words.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}
