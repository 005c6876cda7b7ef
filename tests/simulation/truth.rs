//! What must be true of a run, said by the oracle and by a few invariants; nothing here knows how the engine judges.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Delivery;
use crate::domain::{Exception, Status, Str, Timestamp};
use crate::kafka::offsets::ShardOffsets;

use super::broker::Broker;
use super::log::{Batch, Seen, Told};
use super::oracle::{Ruling, Standing};
use super::process::Surroundings;
use super::shop::Shop;
use super::words::{below, id_of, is_below, is_of, of_order, order_of, orders_of, partition_of, story, words};

/// Everything that a run left behind.
pub struct Aftermath<'a> {
    pub around: &'a Surroundings,
    pub shop: &'a Shop,
    /// Where each shard's frontier stands.
    pub frontiers: &'a BTreeMap<i32, Timestamp>,
}

impl Aftermath<'_> {
    /// Holds the run against the oracle; gives how many states were published.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<usize, String> {
        let broker = self.around.broker.borrow();
        let seen: BTreeMap<i32, Vec<Seen>> =
            (0..self.shop.partitions).map(|partition| (partition, self.seen(&broker, partition))).collect();
        if let Ok(order) = std::env::var("ORDERWATCH_SIM_ORDER") {
            self.tell_of(&broker, &order);
        }
        if let Some(wrong) = self.around.wrong.borrow().first() {
            return Err(wrong.clone());
        }
        self.frontiers_only_rise()?;
        self.frontiers_were_earned(&seen)?;
        let told = self.told(&broker);
        self.nothing_is_told_twice(&told)?;
        let mut ids = BTreeSet::new();
        for Told { exception, batch } in &told {
            self.no_new_id_tells_what_was_overdue(&seen, exception, *batch, ids.insert(&exception.exception_id))?;
            let mut was_true = self.was_true(&seen, exception, *batch);
            if self.around.config.delivery == Delivery::AtLeastOnce {
                // It may be told once more by a batch that has read on.
                was_true = was_true.or_else(|wrong| self.was_once_true(&seen, exception, *batch).ok_or(wrong));
            }
            was_true?;
        }
        if self.around.config.delivery == Delivery::ExactlyOnce {
            self.documents_follow_the_commits()?;
            self.was_told_in_time(&seen, &told)?;
        }
        for (partition, seen) in &seen {
            self.stands(&broker, *partition, seen)?;
            self.histories_end_alike(&told, &self.current(&broker, *partition))?;
        }
        Ok(told.len())
    }

    fn committed(&self) -> Vec<ShardOffsets> {
        let batches = self.around.batches.borrow();
        batches.committed.iter().flat_map(|number| batches.begun[*number].offsets.clone()).collect()
    }

    fn frontiers_only_rise(&self) -> Result<(), String> {
        let mut highest: BTreeMap<i32, Option<Timestamp>> = BTreeMap::new();
        for offsets in self.committed() {
            let before = highest.entry(offsets.partition).or_default();
            if offsets.frontier < *before {
                return Err(format!("shard {}: frontier {:?} after {before:?}", offsets.partition, offsets.frontier));
            }
            *before = offsets.frontier;
        }
        Ok(())
    }

    /// Whatever was in the log before the frontier, by its own time and the world's, had been read.
    fn frontiers_were_earned(&self, seen: &BTreeMap<i32, Vec<Seen>>) -> Result<(), String> {
        for offsets in self.committed() {
            let Some(frontier) = offsets.frontier.map(Timestamp::as_millis) else { continue };
            let passed =
                |of: &&Seen| of.effective < frontier && of.appended < frontier && !is_below(&of.record, &offsets);
            if let Some(missed) = seen[&offsets.partition].iter().find(passed) {
                return Err(format!("frontier {frontier} passed what was not read: {missed:?} at {offsets:?}"));
            }
        }
        Ok(())
    }

    /// Exactly once, or, `at_least_once`, as it was told before: but for an edit, which may word it otherwise (a process that
    /// went by another document was cut off in the middle).
    fn nothing_is_told_twice(&self, told: &[Told]) -> Result<(), String> {
        let mut ids: BTreeMap<_, &Exception> = BTreeMap::new();
        for Told { exception: e, .. } in told {
            // An id that comes back after its order was forgotten is another order's; in an edited run none is forgotten.
            let life = e.trigger.as_ref().map(|trigger| (trigger.topic.clone(), trigger.offset));
            let life = life.filter(|_| !self.around.is_edited());
            let id = (e.exception_id.clone(), e.status.as_str(), e.level(), e.incarnation, life);
            let Some(before) = ids.insert(id, e) else { continue };
            let says = |e: &Exception| (e.started_at, e.deadline, e.breached_at, e.ended_at, e.trigger.clone());
            let is_edited = before.policy.version != e.policy.version;
            match self.around.config.delivery {
                Delivery::ExactlyOnce => return Err(format!("told twice: {}", words(e))),
                Delivery::AtLeastOnce if is_edited || says(before) == says(e) => {}
                Delivery::AtLeastOnce => {
                    return Err(format!("told again, and otherwise: {}, before: {}", words(e), words(before)));
                }
            }
        }
        Ok(())
    }

    fn was_once_true(&self, seen: &BTreeMap<i32, Vec<Seen>>, e: &Exception, last: usize) -> Option<()> {
        let partition = partition_of(e, self.shop.partitions);
        let carried = |batch: &usize| {
            self.around.batches.borrow().begun[*batch].offsets.iter().any(|offsets| offsets.partition == partition)
        };
        (0..last).filter(carried).find_map(|batch| self.was_true(seen, e, batch).ok())
    }

    /// At the frontier that a state states, by what its batch had read, it was so.
    fn was_true(&self, seen: &BTreeMap<i32, Vec<Seen>>, e: &Exception, batch: usize) -> Result<(), String> {
        let (order, partition) = (order_of(e), partition_of(e, self.shop.partitions));
        let batches = self.around.batches.borrow();
        let Batch { member, offsets, eras } = &batches.begun[batch];
        let offsets = offsets.iter().find(|offsets| offsets.partition == partition).expect("its own shard's offsets");
        let records = of_order(below(&seen[&partition], offsets), &order);
        let rulings = self.rulings(&eras[&partition], &records, e.frontier.as_millis());
        if rulings.iter().any(|ruling| ruling.frozen && is_of(&ruling.verdict, e)) {
            let story = story(&records, &rulings);
            return Err(format!("told of what was over (by process {member}): {}\n{story}", words(e)));
        }
        let ours = || rulings.iter().map(|ruling| &ruling.verdict).filter(|v| is_of(v, e));
        let same = || ours().filter(|v| v.deadline.map(Timestamp::from_millis) == e.deadline);
        let is = |expected: &dyn Fn(Standing) -> bool| same().any(|v| expected(v.standing));
        let breached = is(&is_breach);
        let fine = match e.status {
            Status::Opened => breached,
            Status::Escalated => is(&|s| matches!(s, Standing::Open { level } if level >= e.escalation_level)),
            Status::Resolved => is(&|s| matches!(s, Standing::Resolved { .. })),
            Status::Cancelled if e.breached_at.is_some() => is(&|s| matches!(s, Standing::CancelledLate { .. })),
            Status::Cancelled => !ours().any(|v| v.in_memory && is_breach(v.standing)),
            Status::Retracted => !breached,
            Status::AtRisk => is(&|s| matches!(s, Standing::Running { warn } if warn >= e.warn_percent)),
            Status::Averted => ours().any(|v| v.standing == Standing::Met),
        };
        if fine {
            return Ok(());
        }
        Err(format!("not true when it was told (by process {member}): {}\n{}", words(e), story(&records, &rulings)))
    }

    /// What was overdue when its policy's id came is told of no order of which nothing had been told.
    fn no_new_id_tells_what_was_overdue(
        &self,
        seen: &BTreeMap<i32, Vec<Seen>>,
        e: &Exception,
        batch: usize,
        is_first: bool,
    ) -> Result<(), String> {
        if e.status != Status::Opened || !is_first {
            return Ok(());
        }
        let (order, partition) = (order_of(e), partition_of(e, self.shop.partitions));
        let batches = self.around.batches.borrow();
        let Batch { offsets, eras, .. } = &batches.begun[batch];
        let offsets = offsets.iter().find(|offsets| offsets.partition == partition).expect("its own shard's offsets");
        let records = of_order(below(&seen[&partition], offsets), &order);
        let rulings = self.rulings(&eras[&partition], &records, e.frontier.as_millis());
        let deadline = e.deadline.map(Timestamp::as_millis);
        let is_kept = |r: &Ruling| r.kept_back && is_of(&r.verdict, e) && r.verdict.deadline == deadline;
        match rulings.iter().any(is_kept) {
            true => Err(format!("it was overdue when its id came: {}\n{}", words(e), story(&records, &rulings))),
            false => Ok(()),
        }
    }

    /// `exceptions-current` compacts to what the oracle says stands.
    fn stands(&self, broker: &Broker, partition: i32, seen: &[Seen]) -> Result<(), String> {
        let mut current = self.current(broker, partition);
        let frontier = self.frontiers.get(&partition).ok_or(format!("shard {partition} is not live"))?.as_millis();
        let eras = self.in_force(partition);
        for order in orders_of(seen.iter()) {
            let records = of_order(seen.iter(), order);
            let rulings = self.rulings(&eras, &records, frontier);
            let last: BTreeMap<_, _> = rulings.iter().map(|r| (id_of(&r.verdict), r)).collect();
            for (id, ruling) in last {
                let entry = current.remove(id.as_str());
                let ended = entry.as_ref().is_some_and(|e| self.ended_before_it_went(partition, e));
                if let (false, Err(wrong)) = (ended, agrees(ruling, entry.as_ref())) {
                    return Err(format!(
                        "at the end, frontier {frontier}: {wrong}, in the log: {}\n{}\n{eras:?}",
                        entry.as_ref().map_or("nothing".to_owned(), words),
                        story(&records, &rulings)
                    ));
                }
            }
        }
        match current.values().find(|e| stands_as_breach(e) && !self.ended_before_it_went(partition, e)) {
            Some(e) => Err(format!("at the end: of no cycle at all: {}", words(e))),
            None => Ok(()),
        }
    }

    /// `at_least_once`: the end of a cycle, told by a process that was cut off before its commit, of a policy that has gone
    /// since. By the commits the cycle was not over when it went; by what was told it was, and so it stays.
    fn ended_before_it_went(&self, partition: i32, e: &Exception) -> bool {
        let has_policy = |version: &Str| {
            let policies = &self.around.documents[version].policies;
            let mut ids = policies.slas.iter().map(|sla| &sla.id).chain(policies.checks.iter().map(|check| &check.id));
            ids.any(|id| *id == e.policy.id)
        };
        let in_force = self.in_force(partition);
        self.around.config.delivery == Delivery::AtLeastOnce
            && matches!(e.status, Status::Resolved | Status::Cancelled)
            && has_policy(&e.policy.version)
            && in_force.last().is_some_and(|era| !has_policy(&era.version))
    }

    /// Who follows the histories knows at the end what `exceptions-current` says.
    fn histories_end_alike(&self, told: &[Told], current: &BTreeMap<Str, Exception>) -> Result<(), String> {
        let mut last: BTreeMap<&Str, &Exception> = BTreeMap::new();
        for Told { exception: e, .. } in told {
            if last.get(&e.exception_id).is_none_or(|held| held.frontier <= e.frontier) {
                last.insert(&e.exception_id, e);
            }
        }
        let differs = |(id, e): &(&Str, &Exception)| last.get(id).is_none_or(|l| l.status != e.status);
        match current.iter().find(differs) {
            Some((id, e)) => Err(format!(
                "the history ends with {}, exceptions-current with {}",
                last.get(id).map_or("nothing".to_owned(), |e| words(e)),
                words(e)
            )),
            None => Ok(()),
        }
    }
}

/// Whether a state is one that a ruling allows to stand.
///
/// # Errors
/// What is wanted instead.
pub fn agrees(ruling: &Ruling, entry: Option<&Exception>) -> Result<(), String> {
    let verdict = &ruling.verdict;
    // Whether it may be told hangs on what was told before, see `no_new_id_tells_what_was_overdue`.
    if ruling.kept_back && entry.is_none_or(|e| !stands_as_breach(e)) {
        return Ok(());
    }
    let wanted = |what: &str| Err(format!("{what} is wanted, by {verdict:?}"));
    if !verdict.in_memory {
        return if entry.is_none() { Ok(()) } else { wanted("a tombstone") };
    }
    let is = |status: Status| entry.is_some_and(|e| e.status == status && e.breached_at.is_some());
    let same_deadline = entry.is_some_and(|e| e.deadline.map(Timestamp::as_millis) == verdict.deadline);
    let fine = match verdict.standing {
        // An escalation that was published stands, also where a pause that was told late moves its rung away.
        Standing::Open { level } => {
            same_deadline
                && (is(Status::Opened) && level == 0
                    || is(Status::Escalated) && entry.is_some_and(|e| e.escalation_level >= level))
        }
        Standing::Resolved { .. } => is(Status::Resolved) && same_deadline,
        Standing::CancelledLate { .. } => is(Status::Cancelled) && same_deadline,
        // `averted` may differ between runs: an end in time that a total or a pause told late has undone was true when it
        // was told, and a breach will say the rest.
        Standing::Running { .. } => entry.is_none_or(|e| !stands_as_breach(e)),
        Standing::Met | Standing::CancelledInTime => {
            entry.is_none_or(|e| !stands_as_breach(e) && e.status != Status::AtRisk)
        }
    };
    if fine { Ok(()) } else { wanted("another state") }
}

fn stands_as_breach(e: &Exception) -> bool {
    match e.status {
        Status::Opened | Status::Escalated | Status::Resolved => true,
        Status::Cancelled => e.breached_at.is_some(),
        Status::AtRisk | Status::Averted | Status::Retracted => false,
    }
}

fn is_breach(standing: Standing) -> bool {
    matches!(standing, Standing::Open { .. } | Standing::Resolved { .. } | Standing::CancelledLate { .. })
}
