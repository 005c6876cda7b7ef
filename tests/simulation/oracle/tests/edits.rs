//! Documents that follow one another.

use super::*;

/// The rules of one SLA with that target, in force since that frontier, when so many records of each stream had been read.
fn era(rules: &Rules, frontier: i64, read: i64) -> Era<'_> {
    Era { rules, backfill: &[], frontier, positions: vec![read; 4] }
}

fn within(target: i64) -> Rules {
    rules(vec![Sla { target: Target::Duration(target), ..within_100(PLACED, CAPTURED) }], vec![])
}

/// What stands of the one exception, whether it is frozen, and whether it is kept back.
fn ruling(story: &[Record], eras: &[Era<'_>], frontier: i64) -> (Standing, bool, bool) {
    let rulings = judge_edited(story, eras, frontier);
    assert_eq!(rulings.len(), 1, "{rulings:?}");
    (rulings[0].verdict.standing, rulings[0].frozen, rulings[0].kept_back)
}

#[test]
fn one_document_judges_as_ever() {
    let story = log([at(0, PLACED), at(120, CAPTURED)]);
    let rules = within(100);
    for frontier in [50, 150] {
        let verdicts = judge(&story, &rules, frontier);
        let rulings = judge_edited(&story, &[era(&rules, i64::MIN, 0)], frontier);
        assert_eq!(rulings.into_iter().map(|ruling| ruling.verdict).collect::<Vec<_>>(), verdicts);
    }
}

#[test]
fn what_runs_moves_to_the_new_document_and_what_was_over_stays() {
    let (loose, tight) = (within(100), within(40));
    let running = log([at(0, PLACED)]);
    let eras = [era(&loose, i64::MIN, 0), era(&tight, 50, 1)];
    assert_eq!(ruling(&running, &eras, 60), (Standing::Open { level: 0 }, false, false));
    let met = log([at(0, PLACED), at(50, CAPTURED)]);
    let eras = [era(&loose, i64::MIN, 0), era(&tight, 60, 2)];
    assert_eq!(ruling(&met, &eras, 200), (Standing::Met, true, false));
    // Something new of the order is judged by the newest document, and with it all of it.
    let heard_of = log([at(0, PLACED), at(50, CAPTURED), at(70, "note")]);
    assert_eq!(ruling(&heard_of, &eras, 200), (Standing::Resolved { at: 50 }, false, false));
}

#[test]
fn an_end_too_late_is_over_only_once_it_is_due() {
    let (patient, loose) = (within(100), within(200));
    let patient = Rules { slas: vec![Sla { grace: 50, ..patient.slas[0].clone() }], ..patient };
    let story = log([at(0, PLACED), at(120, CAPTURED)]);
    let eras = |frontier| [era(&patient, i64::MIN, 0), era(&loose, frontier, 2)];
    assert_eq!(ruling(&story, &eras(150), 500), (Standing::Met, false, false));
    assert_eq!(ruling(&story, &eras(151), 500), (Standing::Resolved { at: 120 }, true, false));
}

#[test]
fn of_a_policy_that_is_gone_stands_what_had_ended() {
    let (with, without) = (within(100), rules(vec![], vec![]));
    let eras = [era(&with, i64::MIN, 0), era(&without, 150, 9)];
    let open = log([at(0, PLACED)]);
    assert_eq!(ruling(&open, &eras, 500).0, Standing::CancelledInTime);
    let resolved = log([at(0, PLACED), at(120, CAPTURED)]);
    assert_eq!(ruling(&resolved, &eras, 500).0, Standing::Resolved { at: 120 });
}

#[test]
fn a_new_id_keeps_back_what_was_overdue_when_it_came() {
    let (without, with) = (rules(vec![], vec![]), within(100));
    let story = log([at(0, PLACED)]);
    let eras = |frontier| [era(&without, i64::MIN, 0), era(&with, frontier, 9)];
    assert!(!ruling(&story, &eras(100), 500).2, "it was due at that very frontier");
    assert!(ruling(&story, &eras(101), 500).2);
    let backfill = [Era { backfill: &["sla".to_string()], ..era(&with, 101, 9) }];
    let eras = [era(&without, i64::MIN, 0), backfill[0].clone()];
    assert!(!ruling(&story, &eras, 500).2);
    // Taken away and put back, it is new again.
    let eras = [era(&with, i64::MIN, 0), era(&without, 50, 9), era(&with, 200, 9)];
    assert!(ruling(&story, &eras, 500).2);
}
