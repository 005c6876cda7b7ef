//! Processes that start, with the policy file of their deploy: rolled out one after another, rolled back, mixed.

use std::sync::Arc;

use crate::policy::Policies;
use crate::run::documents::{Choice, Documents, put_in_force};

use super::broker::{Member, Record};
use super::policies::Document;
use super::process::{Process, Surroundings};
use super::shop::{MINUTE, SECOND};
use super::world::World;

/// A process on its way up.
#[derive(Debug)]
pub struct Starting {
    member: Member,
    own: Arc<Policies>,
    /// What it has read of the control topic.
    read: Option<Documents>,
    /// It has put its own document in force.
    has_said: bool,
    /// It does its next step no earlier.
    at: i64,
}

/// What became of a step of a start.
enum Up {
    /// There is more to do.
    Not,
    /// It goes by these.
    By(Arc<Policies>),
}

impl Starting {
    /// As `run::start` does: look at what is in force, put the own document there where that gives way, look again.
    fn step(&mut self, around: &Surroundings) -> Result<Up, String> {
        let control = &around.config.outputs.control;
        match self.read.take() {
            // What is not decided yet is asked again later.
            None => self.read = Documents::read(&around.broker, control).ok(),
            Some(read) if !self.has_said && read.gives_way_to(&self.own) => {
                say(&self.own, around);
                self.has_said = true;
            }
            Some(read) => {
                return Ok(Up::By(match read.choose(&self.own)? {
                    Choice::Own => Arc::clone(&self.own),
                    Choice::Theirs(theirs, _) => theirs,
                }));
            }
        }
        Ok(Up::Not)
    }
}

impl World {
    pub fn start_a_process(&mut self) {
        if self.processes.len() + self.starting.len() >= 3 {
            return;
        }
        let member = self.next_member;
        self.next_member += 1;
        match self.file_of_the_deploy() {
            Some(own) => self.starting.push(Starting { member, own, read: None, has_said: false, at: self.now() }),
            None => self.launch(member, Arc::clone(&self.around.config.policies)),
        }
    }

    /// What is rolled out by now; or some other one.
    fn file_of_the_deploy(&mut self) -> Option<Arc<Policies>> {
        let rolled_out = (self.now() - self.around.began) / (4 * MINUTE);
        let newest = self.rollout.get(rolled_out as usize).or(self.rollout.last())?;
        let newest = Arc::clone(&newest.policies);
        if self.rng.chance(60) {
            return Some(newest);
        }
        self.rng.pick(&self.rollout).map(|document: &Document| Arc::clone(&document.policies))
    }

    /// Each process on its way up does a step, if its time has come.
    pub fn go_on_starting(&mut self) {
        let now = self.now();
        for mut starting in std::mem::take(&mut self.starting) {
            let step = if starting.at <= now { starting.step(&self.around) } else { Ok(Up::Not) };
            match step {
                Ok(Up::By(policies)) => self.launch(starting.member, policies),
                Ok(Up::Not) => {
                    if starting.at <= now && self.rng.chance(20) {
                        starting.at = now + self.rng.between(0, 5 * SECOND);
                    }
                    self.starting.push(starting);
                }
                Err(wrong) => self.around.wrong.borrow_mut().push(wrong),
            }
        }
    }

    fn launch(&mut self, member: Member, policies: Arc<Policies>) {
        self.processes.insert(member, Process::start(member, policies, &self.around));
        self.rebalance();
    }

    /// A process ends and comes back, most often with the newest file.
    pub fn redeploy(&mut self) {
        self.crash_one();
        self.start_a_process();
    }
}

fn say(own: &Policies, around: &Surroundings) {
    let mut broker = around.broker.borrow_mut();
    for record in put_in_force(&around.config.outputs.control, own) {
        let time = broker.now;
        let (key, value) = (record.key.map(Into::into).unwrap_or_default(), record.value.map(Into::into));
        broker.append(&record.topic, 0, None, Record { time, key, value, tag: usize::MAX });
    }
}
