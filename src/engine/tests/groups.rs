//! `first_match`: of a group of SLAs an order runs the first that fits.

use super::story::*;
use crate::policy::Condition;
use crate::policy::sla::Sla;

fn of_group(id: &'static str, when: Option<&str>, minutes: i64) -> Sla {
    Sla {
        id: id.into(),
        when: when.map(|when| Condition::compile(when).unwrap()),
        first_match: Some("speed".into()),
        warn_at: vec![],
        escalate_after: vec![],
        ..sla("order.placed", "payment.captured", minutes)
    }
}

fn grouped() -> Story {
    let express = of_group("express", Some("order.attributes.service == \"express\""), 10);
    let web = of_group("web", Some("order.attributes.channel == \"web\""), 20);
    let apart = Sla { first_match: None, ..of_group("apart", None, 40) };
    Story::new(policies(vec![express, web, of_group("rest", None, 30), apart], vec![]))
}

fn opened(s: &Story) -> Vec<&str> {
    s.published.iter().map(|e| e.policy.id.as_str()).collect()
}

#[test]
fn the_first_that_fits_is_run_and_the_others_of_its_group_are_not() {
    let mut s = grouped();
    s.read(attribute(attribute(event("order.placed", 0), "channel", "web"), "service", "express"));
    s.advance(100);
    assert_eq!(opened(&s), ["express", "apart"]);

    let mut s = grouped();
    s.read(attribute(event("order.placed", 0), "channel", "web"));
    s.advance(100);
    assert_eq!(opened(&s), ["web", "apart"]);

    let mut s = grouped();
    s.read(event("order.placed", 0));
    s.advance(100);
    assert_eq!(opened(&s), ["rest", "apart"]);
}

#[test]
fn an_attribute_that_is_told_late_moves_the_order_to_the_one_that_fits() {
    let mut s = grouped();
    s.read(event("order.placed", 0));
    s.advance(31);
    s.read_late(attribute(event("order.changed", 0), "service", "express"), 35);
    assert_eq!(s.said(), ["30+ opened", "35 opened", "35 retracted"]);
    assert_eq!(opened(&s), ["rest", "express", "rest"]);
}
