//! Breaks things by the seed, and mends them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use super::faults::{Fault, steps, weights};
use super::random::Random;
use super::seat::Seat;
use super::settings::{Args, SESSION, now_ms};
use super::traces;
use crate::support::Broker;
use crate::support::door::{Trap, Wire};

/// Processes that ended by themselves are looked for so often.
const BEAT: Duration = Duration::from_millis(50);

/// What ends a fault.
#[derive(Clone, Copy, Debug)]
enum Mend {
    Start,
    Thaw,
    Deliver,
    Reset,
    FreeDisk,
}

/// A fault that waits for its process to commit.
struct Armed {
    place: usize,
    fault: Fault,
    mend: Mend,
    after: Duration,
    sprung: Arc<AtomicBool>,
    detail: String,
}

/// The processes, the broker, and what is broken of them.
pub struct Storm {
    pub seats: Vec<Seat>,
    /// How often each was done.
    pub done: BTreeMap<Fault, u32>,
    /// Why processes ended by themselves, and how often.
    pub exits: BTreeMap<String, u32>,
    args: Args,
    broker: &'static Broker,
    restarting: Option<JoinHandle<()>>,
    snapshots: PathBuf,
    random: Random,
    weights: Vec<(Fault, i64)>,
    /// By when, and the place.
    mends: Vec<(Instant, usize, Mend)>,
    armed: Vec<Armed>,
    /// How many deaths of the broker's own tasks were seen to.
    revived: usize,
    began: Instant,
}

impl Storm {
    pub fn new(broker: &'static Broker, seats: Vec<Seat>, run: &Path, args: &Args) -> Storm {
        Storm {
            seats,
            done: BTreeMap::new(),
            exits: BTreeMap::new(),
            args: args.clone(),
            broker,
            restarting: None,
            snapshots: run.join("snapshots"),
            random: Random::new(args.seed, 0),
            weights: weights(args.policy_edits),
            mends: Vec::new(),
            armed: Vec::new(),
            revived: 0,
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

    /// Mends what is due and starts what has ended.
    fn look_after(&mut self) {
        self.note_sprung();
        let now = Instant::now();
        let (due, later) = self.mends.drain(..).partition(|(at, ..)| *at <= now);
        self.mends = later;
        due.into_iter().for_each(|(_, place, mend)| self.mend(place, mend));
        if self.restarting.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait_for_the_broker();
        }
        (0..self.seats.len()).for_each(|place| self.look_at(place));
    }

    fn look_at(&mut self, place: usize) {
        let (log, exited) = (self.seats[place].log(), self.seats[place].exited());
        // A trap may have sprung since they were looked at.
        self.note_sprung();
        let seat = &mut self.seats[place];
        let ending = seat.ending;
        let (ended, away) = match (exited, ending) {
            (None, Some((by, away))) if Instant::now() >= by => {
                seat.kill();
                ("still there long after SIGTERM".to_owned(), away)
            }
            (None, _) => return,
            (Some(status), Some((_, away))) => (status.to_string(), away),
            (Some(status), None) => (format!("{status}: {}", traces::last_words(&log)), Duration::ZERO),
        };
        seat.ending = None;
        // A trap kills, and SIGTERM ends with 0.
        let is_meant = ending.is_some() && (ended.starts_with("signal: 9") || ended == "exit status: 0");
        if !is_meant {
            let why = format!("{}{ended}", if ending.is_some() { "after SIGTERM: " } else { "" });
            self.say(&format!("{} ended: {why}", self.seats[place].name));
            *self.exits.entry(why).or_default() += 1;
        }
        match away {
            // At once: the next look may be as far off as a check takes.
            Duration::ZERO => self.seats[place].start(),
            _ => self.mends.push((Instant::now() + away, place, Mend::Start)),
        }
    }

    fn strike(&mut self, fault: Fault) {
        // All is drawn whatever comes of it, so that the seed's faults stay the seed's.
        let mut draw = Random::new(self.random.next(), 0);
        let (short, long) = (self.random.millis(200, 4_000), self.random.millis(2_000, 12_000));
        let fits = |seat: &Seat| match fault {
            Fault::Kill | Fault::PolicyEdit => seat.daemon.is_some(),
            Fault::KillAtCommit | Fault::CutAtCommit | Fault::FreezeAtCommit => {
                seat.is_well() && seat.door.wire() == Wire::Whole && !seat.door.has_trap()
            }
            Fault::Leave | Fault::FreezeShort | Fault::FreezeLong => seat.is_well(),
            Fault::Cut | Fault::Deaf | Fault::Slow | Fault::Reset => seat.door.wire() == Wire::Whole,
            Fault::DiskFull => seat.daemon.is_some() && !seat.full,
            Fault::BrokerStop | Fault::BrokerKill | Fault::BrokerRevived | Fault::DamagedSnapshot => true,
        };
        let fitting: Vec<usize> = (0..self.seats.len()).filter(|place| fits(&self.seats[*place])).collect();
        let Some(place) = draw.pick(&fitting).copied() else { return };
        let mended = if draw.chance(50) { Mend::Reset } else { Mend::Deliver };
        let seat = &mut self.seats[place];
        let (mend, after) = match fault {
            Fault::KillAtCommit => return self.arm(fault, place, Mend::Start, short, &mut draw),
            Fault::FreezeAtCommit => return self.arm(fault, place, Mend::Thaw, SESSION + long, &mut draw),
            Fault::CutAtCommit => return self.arm(fault, place, mended, SESSION + long, &mut draw),
            Fault::DamagedSnapshot => return self.damage_snapshot(&mut draw),
            Fault::BrokerStop | Fault::BrokerKill | Fault::BrokerRevived => return self.restart_broker(fault),
            Fault::Leave => {
                seat.part(short);
                return self.count(fault, &format!("{}, for {:.1} s", self.seats[place].name, short.as_secs_f64()));
            }
            Fault::Kill | Fault::PolicyEdit => (Mend::Start, short),
            Fault::FreezeShort => (Mend::Thaw, short),
            Fault::FreezeLong => (Mend::Thaw, SESSION + long),
            Fault::Cut | Fault::Deaf => (mended, long),
            Fault::Slow => (Mend::Deliver, long),
            Fault::Reset => (Mend::Reset, short),
            Fault::DiskFull => (Mend::FreeDisk, long),
        };
        match fault {
            Fault::Kill => seat.kill(),
            Fault::PolicyEdit => {
                seat.kill();
                seat.edit_policies();
            }
            Fault::FreezeShort | Fault::FreezeLong => seat.freeze(),
            Fault::Cut => seat.door.set(Wire::Cut),
            Fault::Deaf => seat.door.set(Wire::Deaf),
            Fault::Slow => seat.door.set(Wire::Slow(draw.millis(100, 1_500))),
            Fault::Reset => seat.door.set(Wire::Refused),
            _ => seat.fill_disk(),
        }
        self.mends.push((Instant::now() + after, place, mend));
        let detail = format!("{}, for {:.1} s, then {mend:?}", self.seats[place].name, after.as_secs_f64());
        self.count(fault, &detail);
    }

    /// The fault is done by the proxy when the next commit comes to a step.
    fn arm(&mut self, fault: Fault, place: usize, mend: Mend, after: Duration, draw: &mut Random) {
        let seat = &self.seats[place];
        let (Some(pid), Some(step)) = (seat.pid(), draw.pick(steps(self.args.delivery)).copied()) else { return };
        let (sprung, door, request_passes) = (Arc::new(AtomicBool::new(false)), seat.door.clone(), draw.chance(50));
        let told = Arc::clone(&sprung);
        let spring = move || {
            match fault {
                // It may have ended a moment ago.
                Fault::KillAtCommit => drop(kill_process(pid, Signal::KILL)),
                Fault::FreezeAtCommit => drop(kill_process(pid, Signal::STOP)),
                _ => door.set(Wire::Cut),
            }
            told.store(true, Relaxed);
        };
        seat.door.set_trap(Some(Trap { step, after: request_passes, spring: Box::new(spring) }));
        let when = if request_passes { "after" } else { "before" };
        let detail = format!("{}, {when} {step:?}, for {:.1} s, then {mend:?}", seat.name, after.as_secs_f64());
        self.armed.push(Armed { place, fault, mend, after, sprung, detail });
    }

    /// What was armed and has been done is to be mended.
    fn note_sprung(&mut self) {
        let (sprung, waiting) =
            std::mem::take(&mut self.armed).into_iter().partition(|armed| armed.sprung.load(Relaxed));
        self.armed = waiting;
        let sprung: Vec<Armed> = sprung;
        for Armed { place, fault, mend, after, detail, .. } in sprung {
            let seat = &mut self.seats[place];
            match fault {
                Fault::KillAtCommit => seat.ending = Some((Instant::now() + after, after)),
                _ => {
                    seat.frozen |= fault == Fault::FreezeAtCommit;
                    self.mends.push((Instant::now() + after, place, mend));
                }
            }
            self.count(fault, &detail);
        }
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

    /// Kafka's own task that ends timed-out transactions can die of a transaction that it finds half ended after a
    /// restart (4.1.1: IllegalStateException in `transaction-abort`); such a transaction then stays open for ever, and
    /// only another restart helps. That is no fault of ours, and it is counted.
    fn revive_the_broker(&mut self) {
        let deaths = traces::dead_tasks(&self.broker.log());
        if deaths > self.revived && self.restarting.is_none() {
            self.revived = deaths;
            self.restart_broker(Fault::BrokerRevived);
        }
    }

    fn wait_for_the_broker(&mut self) {
        if let Some(restarting) = self.restarting.take() {
            restarting.join().expect("the broker comes back");
            self.say("the broker answers again");
        }
    }

    fn damage_snapshot(&mut self, draw: &mut Random) {
        if let Some(file) = traces::damage_a_newest(&self.snapshots, draw) {
            let name = file.strip_prefix(&self.snapshots).unwrap_or(&file).display().to_string();
            self.count(Fault::DamagedSnapshot, &name);
        }
    }

    /// Nothing is broken afterwards.
    pub fn mend_all(&mut self) {
        self.seats.iter().for_each(|seat| seat.door.set_trap(None));
        self.wait_for_the_broker();
        loop {
            self.look_after();
            for (_, place, mend) in std::mem::take(&mut self.mends) {
                self.mend(place, mend);
            }
            if self.seats.iter().all(|seat| seat.daemon.is_some() && seat.ending.is_none()) {
                break;
            }
            std::thread::sleep(BEAT);
        }
        self.say("everything is mended");
    }

    /// Waits until `holds` does or the bound has passed, and keeps processes running meanwhile; how long it took.
    pub fn settle(&mut self, bound: Duration, mut holds: impl FnMut() -> bool) -> Option<Duration> {
        let began = Instant::now();
        loop {
            self.look_after();
            self.revive_the_broker();
            if holds() {
                return Some(began.elapsed());
            }
            if began.elapsed() >= bound {
                self.seats.iter().for_each(|seat| self.say(&format!("{}: {}", seat.name, seat.readiness())));
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
        let now = orderwatch::domain::Timestamp::from_millis(now_ms());
        println!("{now} {:7.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}
