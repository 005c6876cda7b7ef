//! What was said against what must be said.

use crate::config::read::Reader;
use crate::domain::{Exception, Subject, Timestamp};

use super::read::{Expected, Scenario};

/// Says what did not come, and what came besides. What must come may come in any order; its times say the order.
pub fn compare(r: &mut Reader<'_>, scenario: &Scenario, said: &[Exception]) {
    let mut left: Vec<&Exception> = said.iter().collect();
    let missing: Vec<&Expected> = scenario
        .expected
        .iter()
        .filter(|expected| match left.iter().position(|exception| expected.fits(exception)) {
            Some(place) => {
                left.remove(place);
                false
            }
            None => true,
        })
        .collect();
    for expected in missing {
        // The nearest of what came besides is what was probably meant.
        let near = left.iter().position(|e| e.policy.id == expected.policy && e.status == expected.status);
        let near = near.or_else(|| left.iter().position(|e| e.policy.id == expected.policy));
        let message = match near.map(|place| left.remove(place)) {
            Some(exception) => format!("it was said otherwise: {}", scenario.line(exception)),
            None => "it was not said".to_owned(),
        };
        r.error(&expected.span, message);
    }
    for exception in left {
        r.error(&scenario.expect_span, format!("this was said besides: {}", scenario.line(exception)));
    }
}

impl Expected {
    fn fits(&self, said: &Exception) -> bool {
        let group = |subject: &Subject| match subject {
            Subject::Order(_) | Subject::Other(_) => None,
            Subject::Group(_) => Some(subject.key(&said.policy.id)),
        };
        let about = said.subject.entity_and_id();
        let check = said.check.as_ref();
        let named =
            |told: &Option<crate::domain::Str>, is: Option<&str>| told.as_deref().is_none_or(|told| is == Some(told));
        let second = |at: Timestamp| at.as_millis().div_euclid(1000);
        second(said.frontier) == second(self.at)
            && said.status == self.status
            && said.policy.id == self.policy
            && self.subject.as_ref().is_none_or(|(entity, id)| about == Some((entity.name(), id)))
            && named(&self.group, group(&said.subject).as_deref())
            && named(&self.owner, Some(&said.owner))
            && named(&self.route, Some(&said.route))
            && named(&self.reason, check.map(|check| check.reason.as_str()))
            && named(&self.about, check.and_then(|check| check.about.as_deref()))
            && self.severity.is_none_or(|severity| said.severity == severity)
            && named(&self.fulfillment_id, said.fulfillment_id.as_deref())
            && self.deadline.is_none_or(|deadline| said.deadline.map(second) == Some(second(deadline)))
            && self.level.is_none_or(|level| i64::from(said.level()) == level)
    }
}
