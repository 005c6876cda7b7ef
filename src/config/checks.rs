//! `checks:`

use crate::domain::{Entity, Milestone, Millis};
use crate::policy::CheckPolicy;
use crate::policy::checks::CheckKind;

use super::entity;
use super::policy_parts::{condition, responsibility};
use super::read::{Fields, Reader, did_you_mean, quoted};
use super::values;
use super::yaml::Node;

const BUILT: [&str; 11] = [
    "amount_mismatch",
    "shipped_before_payment",
    "payment_without_order",
    "duplicate_capture",
    "refund_exceeds_capture",
    "after_cancel",
    "over_shipped",
    "backordered",
    "out_of_sequence",
    "stuck",
    "settlement_mismatch",
];
/// Checks of the contract that are not judged yet.
const NOT_BUILT: [&str; 1] = ["oversold"];

/// One entry.
pub fn check(r: &mut Reader<'_>, node: &Node, about: Option<&[Entity]>) -> Option<CheckPolicy> {
    r.fields(node, |f| {
        let name = f.required("check", check_name);
        let id = f.optional("id", values::id);
        let (entity, is_known) = entity::of_policy(f, about);
        let kind = check_kind(f, name);
        let when = f.optional("when", |r, n| condition(r, n, &entity));
        let settle = f.or("settle", Millis::ZERO, values::duration);
        let grace = f.optional("grace", values::duration);
        let backfill = f.or("backfill", false, values::boolean);
        let responsibility = responsibility(f, &entity);
        let kind = kind?;
        entity::check_makes_sense(f, &entity, &kind);
        is_known?;
        Some(CheckPolicy {
            id: id?.unwrap_or_else(|| kind.name().replace('_', "-").into()),
            entity,
            kind,
            when: when?,
            settle: settle?,
            grace: grace?,
            backfill: backfill?,
            responsibility: responsibility?,
        })
    })
}

fn check_name(r: &mut Reader<'_>, node: &Node) -> Option<&'static str> {
    let name = r.scalar(node, "a check's name")?;
    if let Some(built) = BUILT.into_iter().find(|b| *b == name) {
        return Some(built);
    }
    if NOT_BUILT.contains(&&*name) {
        r.error(&node.span, format!("not built yet: the check {}", quoted(&name)));
    } else {
        let near = did_you_mean(&name, BUILT.into_iter().chain(NOT_BUILT));
        let help = near.unwrap_or_else(|| format!("there are {}", BUILT.join(", ")));
        r.error_with_help(&node.span, format!("there is no check {}", quoted(&name)), Some(help));
    }
    None
}

/// The settings that only this check has.
fn check_kind(f: &mut Fields<'_, '_, '_>, name: Option<&str>) -> Option<CheckKind> {
    let tolerance = |f: &mut Fields<'_, '_, '_>| f.or("tolerance_minor", 0, values::at_least(0));
    match name {
        Some("amount_mismatch") => {
            let (tolerance_minor, after) = (tolerance(f), f.optional("after", values::milestone));
            Some(CheckKind::AmountMismatch { tolerance_minor: tolerance_minor?, after: after? })
        }
        Some("shipped_before_payment") => Some(CheckKind::ShippedBeforePayment),
        Some("payment_without_order") => Some(CheckKind::PaymentWithoutOrder),
        Some("duplicate_capture") => Some(CheckKind::DuplicateCapture),
        Some("refund_exceeds_capture") => Some(CheckKind::RefundExceedsCapture { tolerance_minor: tolerance(f)? }),
        Some("after_cancel") => Some(CheckKind::AfterCancel),
        Some("over_shipped") => Some(CheckKind::OverShipped),
        Some("backordered") => Some(CheckKind::Backordered),
        Some("out_of_sequence") => Some(CheckKind::OutOfSequence { sequence: f.required("sequence", sequence)? }),
        Some("stuck") => Some(CheckKind::Stuck { after: f.required("after", values::some_duration)? }),
        Some("settlement_mismatch") => {
            let (tolerance_minor, after) = (tolerance(f), f.required("after", values::some_duration));
            Some(CheckKind::SettlementMismatch { tolerance_minor: tolerance_minor?, after: after? })
        }
        _ => {
            // Whatever check was meant: its own fields are not to be called unknown too.
            f.ignore(&["tolerance_minor", "after", "sequence"]);
            None
        }
    }
}

/// Two milestones or more, none twice.
fn sequence(r: &mut Reader<'_>, node: &Node) -> Option<Vec<Milestone>> {
    let mut seen: Vec<Milestone> = Vec::new();
    let read = r.list(node, |r, node| {
        let milestone = values::milestone(r, node)?;
        if seen.contains(&milestone) {
            r.error(&node.span, format!("`{milestone}` is named twice"));
            return None;
        }
        seen.push(milestone.clone());
        Some(milestone)
    })?;
    if read.len() < 2 {
        r.error(&node.span, "expected two milestones or more, in the order in which they belong");
        return None;
    }
    Some(read)
}
