//! What was published against what stands.

use std::collections::BTreeMap;

use orderwatch::domain::{Exception, Status, Timestamp};

use crate::oracle::{Figures, Record, Sla, Standing, Verdict, expected};
use crate::tell::{Arrival, Told};

/// How often a standing or a status was met with.
#[derive(Debug, Default)]
pub struct Tally(pub BTreeMap<&'static str, usize>);

impl Tally {
    fn count(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// Takes up another's.
    pub fn add(&mut self, other: Tally) {
        for (name, number) in other.0 {
            *self.0.entry(name).or_default() += number;
        }
    }
}

fn name(standing: &Standing) -> &'static str {
    match standing {
        Standing::None => "no cycle",
        Standing::Running { at_risk } if at_risk.is_empty() => "running",
        Standing::Running { .. } => "running at risk",
        Standing::Met => "met",
        Standing::CancelledInTime => "cancelled in time",
        Standing::Open { rung: 0, .. } => "open",
        Standing::Open { .. } => "open on a rung",
        Standing::StoppedLate => "stopped late",
        Standing::CancelledLate => "cancelled late",
    }
}

/// What was published of one policy's exception so far.
#[derive(Default)]
struct Trail<'a> {
    last: Option<&'a Exception>,
    /// Of its last incarnation.
    has_opened: bool,
    incarnation: u32,
}

/// Holds every point of a telling against the oracle; `each` says whether the points before the last one too.
///
/// # Errors
/// What is wrong, in words.
pub fn check(
    slas: &[Sla],
    records: &[Record],
    told: &[Told],
    arrival: Arrival,
    each: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut trails: BTreeMap<&str, Trail> = BTreeMap::new();
    for (number, point) in told.iter().enumerate() {
        for exception in &point.published {
            tally.count(exception.status.as_str());
            trails.entry(&exception.policy.id).or_default().follow(exception)?;
        }
        let is_last = number + 1 == told.len();
        if !is_last && !each {
            continue;
        }
        let known: Vec<Record> = point.known.iter().map(|&place| records[place].clone()).collect();
        for (sla, verdict) in slas.iter().zip(expected(slas, &known, point.frontier)) {
            if is_last {
                tally.count(name(&verdict.standing));
            }
            let nothing = Trail::default();
            let trail = trails.get(sla.id.as_str()).unwrap_or(&nothing);
            let wrong = |wrong: String| {
                let place = if is_last { "at the end".to_string() } else { format!("after {:?}", point.known) };
                format!(
                    "{}: {wrong}\n  {place}, frontier {}\n  oracle: {verdict:?}\n  {}",
                    sla.id,
                    at(point.frontier),
                    words(trail.last)
                )
            };
            trail.stands(sla, &verdict, arrival == Arrival::AtOnce).map_err(wrong)?;
        }
    }
    Ok(())
}

impl<'a> Trail<'a> {
    /// Takes up the next state, which must follow from the one before.
    fn follow(&mut self, exception: &'a Exception) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {}", words(Some(exception))));
        let sequence = self.last.map_or(0, |last| last.sequence);
        if exception.sequence != sequence + 1 {
            return wrong(&format!("the sequence goes on from {sequence}"));
        }
        let had_opened = self.has_opened;
        if exception.incarnation != self.incarnation {
            // A breach whose cancel is taken back is resolved under an incarnation of its own.
            self.has_opened = had_opened && exception.status == Status::Resolved;
        }
        match exception.status {
            Status::Opened if self.has_opened => return wrong("opened twice in one incarnation"),
            Status::Opened => self.has_opened = true,
            Status::Resolved | Status::Retracted | Status::Escalated if !self.has_opened => {
                return wrong("it was never opened");
            }
            _ => {}
        }
        self.incarnation = exception.incarnation;
        self.last = Some(exception);
        Ok(())
    }

    /// Whether what was published last is what the oracle says. Figures, and rungs to the number, only where there was
    /// one way to come there.
    fn stands(&self, sla: &Sla, verdict: &Verdict, one_way: bool) -> Result<(), String> {
        let status = self.last.map(|last| last.status);
        let fits = match &verdict.standing {
            Standing::None | Standing::Met | Standing::CancelledInTime => self.is_over(),
            // A warning whose time was moved stands until the cycle ends: so says the contract.
            Standing::Running { .. } if !one_way && status == Some(Status::AtRisk) => true,
            Standing::Running { at_risk } if at_risk.is_empty() => self.is_over(),
            Standing::Running { at_risk } => {
                status == Some(Status::AtRisk)
                    && self.last.and_then(|last| last.warn_percent) == at_risk.last().copied()
            }
            Standing::Open { rung, owner } => {
                let level = self.last.map_or(0, |last| last.escalation_level as usize);
                let is_open = matches!(status, Some(Status::Opened | Status::Escalated));
                let is_owned = self.last.is_some_and(|last| last.owner.as_str() == owner.as_str());
                is_open && (level == *rung && is_owned || level > *rung && !one_way)
            }
            Standing::StoppedLate => status == Some(Status::Resolved),
            Standing::CancelledLate => status == Some(Status::Cancelled) && self.has_opened,
        };
        if !fits {
            return Err("it stands otherwise".to_string());
        }
        let is_breached =
            matches!(verdict.standing, Standing::Open { .. } | Standing::StoppedLate | Standing::CancelledLate);
        match (&verdict.cycle, self.last) {
            (Some(figures), Some(last)) if is_breached => figures_agree(sla, figures, last, one_way),
            _ => Ok(()),
        }
    }

    /// Nothing stands: nothing was ever said, or it ended without a breach.
    fn is_over(&self) -> bool {
        match self.last.map(|last| last.status) {
            None | Some(Status::Averted | Status::Retracted) => true,
            Some(Status::Cancelled) => !self.has_opened,
            _ => false,
        }
    }
}

fn figures_agree(sla: &Sla, figures: &Figures, last: &Exception, one_way: bool) -> Result<(), String> {
    let told = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    let mut wrong = Vec::new();
    let mut compare = |name: &str, told: Option<i64>, oracle: Option<i64>| {
        if told != oracle {
            wrong.push(format!("{name} is {told:?} and not {oracle:?}"));
        }
    };
    compare("deadline", told(last.deadline), figures.deadline);
    compare("breached_at", told(last.breached_at), figures.deadline);
    if one_way {
        compare("started_at", told(last.started_at), Some(figures.start));
        compare("ended_at", told(last.ended_at), figures.ended);
        compare("target_ms", last.target_ms, figures.target);
        compare("actual_elapsed_ms", last.actual_elapsed_ms, figures.actual_elapsed);
        compare("business_elapsed_ms", last.business_elapsed_ms, figures.business_elapsed);
    }
    if last.policy.id.as_str() != sla.id {
        wrong.push("it is another policy's".to_string());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// An instant for people.
pub fn at(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

/// A state for people.
pub fn words(exception: Option<&Exception>) -> String {
    let Some(e) = exception else { return "engine: nothing".to_string() };
    let time = |time: Option<Timestamp>| time.map_or("none".to_string(), |time| time.to_string());
    format!(
        "engine: {} (sequence {}, incarnation {}, level {}, warn {:?}, owner {}) started {} deadline {} ended {} \
         target {:?} actual {:?} business {:?} at frontier {}",
        e.status.as_str(),
        e.sequence,
        e.incarnation,
        e.escalation_level,
        e.warn_percent,
        e.owner,
        time(e.started_at),
        time(e.deadline),
        time(e.ended_at),
        e.target_ms,
        e.actual_elapsed_ms,
        e.business_elapsed_ms,
        e.frontier
    )
}
