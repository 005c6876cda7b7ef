//! `first_match` groups: what works and cannot be meant.

use std::collections::BTreeMap;

use crate::domain::Str;
use crate::policy::Sla;

use super::read::{Fields, did_you_mean, quoted};

/// Warns of a group with nothing to choose from, and of an SLA that its group never comes to.
pub fn make_sense(f: &mut Fields<'_, '_, '_>, slas: &[Sla]) {
    let mut groups: BTreeMap<&Str, Vec<(usize, &Sla)>> = BTreeMap::new();
    for (place, sla) in slas.iter().enumerate() {
        if let Some(group) = &sla.first_match {
            groups.entry(group).or_default().push((place, sla));
        }
    }
    for (name, members) in &groups {
        if let [(place, _)] = members.as_slice() {
            let others = groups.keys().filter(|other| *other != name).map(|other| other.as_str());
            let message = format!("the group {} has this SLA alone: there is nothing to choose from", quoted(name));
            warn(f, *place, message, did_you_mean(name, others));
        }
        let mut for_all = None;
        for (place, sla) in members {
            if let Some(id) = &for_all {
                let help = Some("the one for everybody else stands last".to_owned());
                let message = format!("{} is never taken: {id} before it has no `when`", quoted(&sla.id));
                warn(f, *place, message, help);
            }
            for_all = for_all.or(sla.when.is_none().then(|| quoted(&sla.id)));
        }
    }
}

fn warn(f: &mut Fields<'_, '_, '_>, place: usize, message: String, help: Option<String>) {
    let node = f.node("slas").and_then(|slas| slas.item(place)).and_then(|sla| sla.field("first_match"));
    let span = node.map_or(f.whole(), |node| &node.span);
    f.reader.warn(span, format!("slas[{place}]: {message}"), help);
}
