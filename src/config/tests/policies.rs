//! policies.yaml.

use super::*;

/// An SLA with one more field, or one in place of its like.
fn sla(fields: &str) -> String {
    let rest = "severity: info, owner: a, route: b, expected_outcome: c";
    format!("slas:\n- {{id: x, {fields}, {rest}}}\n")
}

#[test]
fn every_field_of_an_sla_that_is_wrong_is_said() {
    let rows: &[(&str, &[&str])] = &[
        ("start: order.placed, stop: order.completed, target: 1h", &[]),
        ("start: order.placed, stop: order.completed", &["2:3: slas[0]: `target` is missing"]),
        (
            "start: order.placed, stop: order.completed, taget: 1h",
            &["2:55: slas[0]: unknown field `taget` (did you mean `target`?)"],
        ),
        (
            "start: order.placed, stop: order.placed, target: 1h",
            &["2:38: slas[0]: start and stop are both `order.placed`: it would be kept at once"],
        ),
        (
            "start: order.placed, stop: {milestone: order.completed, occurrence: any}, target: 1h",
            &["2:79: slas[0].stop.occurrence: expected one of first, last, found `any`"],
        ),
        (
            "start: order placed, stop: order.completed, target: 1h",
            &[
                "2:18: slas[0].start: expected a milestone such as `order.placed`, found `order placed` (it holds a space)",
            ],
        ),
        (
            "start: order.placed, stop: order.completed, target: 0s",
            &[
                "2:63: slas[0].target: expected a duration such as `1h30m`, promised_ship_by, promised_deliver_by or {business_days: 1}, found `0s` (it must be longer than 0s)",
            ],
        ),
        (
            "start: order.placed, stop: order.completed, target: {business_days: 1}",
            &["2:63: slas[0]: business days need a `calendar`"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, promise: original",
            &["2:76: slas[0]: `promise` is for a promised date, and this target is none"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, warn_at: [0%, 80%, 80%]",
            &[
                "2:77: slas[0].warn_at[0]: expected a percent such as `80%`, found `0%` (it must lie between 1% and 99%)",
                "2:86: slas[0].warn_at[2]: each must lie above the one before",
            ],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, warn_at: 80%",
            &["2:76: slas[0].warn_at: expected a list, found `80%` (a list of one is written `[80%]`)"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, escalate_after: [1h, {after: 30m, owner: [x]}, {severity: info}]",
            &[
                "2:108: slas[0].escalate_after[1].owner: expected a text, found a list",
                "2:114: slas[0].escalate_after[2]: `after` is missing",
            ],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, escalate_after: [1h, {after: 30m}]",
            &["2:88: slas[0].escalate_after[1]: each must lie above the one before"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, pause: {from: order.held}",
            &["2:74: slas[0].pause: `until` is missing"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, calendar: berlin, backfill: true",
            &["2:77: slas[0].calendar: there is no calendar `berlin` (describe it under `calendars`)"],
        ),
        (
            "start: return.requested, stop: return.received, target: 1h, entity: return, when: 'order.attributes.a == 1'",
            &["2:94: slas[0].when: unknown name `order`: a condition sees `return` (did you mean `return`?)"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, when: 'order.attributes.a = 1'",
            &["2:93: slas[0].when: this is not CEL: token recognition error at: '= ' (`==` is equal)"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, when: \"customer.vip\"",
            &["2:74: slas[0].when: unknown name `customer`: a condition sees `order`"],
        ),
        (
            "start: order.placed, stop: order.completed, target: 1h, runbook: \"${WIKI}/x\"",
            &[
                "2:76: slas[0].runbook: variables are filled in orderwatch.yaml alone (a policy document must mean the same in every process of the group)",
            ],
        ),
    ];
    assert_rows(rows, |fields| policy_errors(&sla(fields)));
}

#[test]
fn every_field_of_backlogs_and_checks_that_is_wrong_is_said() {
    let who = "severity: info, owner: a, route: b, expected_outcome: c";
    let rows: &[(&str, &[&str])] = &[
        ("backlogs:\n- {id: q, from: a, until: b, open_when: {depth: 5}, clear_when: {depth: 4}, WHO}", &[]),
        (
            "backlogs:\n- {id: q, from: a, until: b, open_when: {depth: 5}, WHO}",
            &["2:3: backlogs[0]: `clear_when` is missing"],
        ),
        (
            "backlogs:\n- {id: q, from: a, until: b, open_when: {for: 5m}, clear_when: {depth: -1}, WHO}",
            &[
                "2:41: backlogs[0].open_when: expected `depth`, `oldest_age` or both",
                "2:72: backlogs[0].clear_when.depth: expected a whole number of at least 0, found `-1` (it is too small)",
            ],
        ),
        (
            "backlogs:\n- {id: q, from: a, until: b, open_when: {depth: 5, oldest_age: 4h}, clear_when: {depth: 5, oldest_age: 5h}, WHO}",
            &[
                "2:89: backlogs[0]: clear_when.depth must lie below open_when.depth",
                "2:104: backlogs[0]: clear_when.oldest_age must lie below open_when.oldest_age",
            ],
        ),
        (
            "backlogs:\n- {id: q, from: a, until: a, group_by: [x, x], max_groups: 0, open_when: {depth: 5}, clear_when: {depth: 4}, WHO}",
            &[
                "2:27: backlogs[0]: from and until are both `a`: the queue would be empty for ever",
                "2:44: backlogs[0].group_by[1]: the attribute `x` is named twice",
                "2:60: backlogs[0].max_groups: expected a whole number of at least 1, found `0` (it is too small)",
            ],
        ),
        ("checks:\n- {check: amount_mismatch, tolerance_minor: 1, after: order.fully_shipped, settle: 10m, WHO}", &[]),
        (
            "checks:\n- {check: amount_mismatch, WHO}\n- {check: amount_mismatch, WHO}",
            &["3:11: the id `amount-mismatch` is taken (line 2) (give one of them an `id`)"],
        ),
        ("checks:\n- {check: amount_mismatch, WHO}\n- {check: amount_mismatch, id: am2, WHO}", &[]),
        (
            "checks:\n- {check: shipped_before_payment, tolerance_minor: 1, WHO}",
            &[
                "2:35: checks[0]: unknown field `tolerance_minor` (known here: check, id, entity, when, settle, grace, backfill, severity, owner, route, expected_outcome, runbook)",
            ],
        ),
        (
            "checks:\n- {check: oversold, settle: 1m, WHO}",
            &["2:11: checks[0].check: not built yet: the check `oversold`"],
        ),
        (
            "checks:\n- {check: stuck, after: 3d, WHO}\n- {check: settlement_mismatch, after: 5d, tolerance_minor: 1, WHO}\n- {check: refund_exceeds_capture, tolerance_minor: 1, WHO}\n- {check: out_of_sequence, sequence: [order.placed, order.completed], WHO}\n- {check: payment_without_order, WHO}\n- {check: duplicate_capture, WHO}\n- {check: after_cancel, WHO}\n- {check: over_shipped, WHO}\n- {check: backordered, WHO}",
            &[],
        ),
        ("checks:\n- {check: stuck, WHO}", &["2:3: checks[0]: `after` is missing"]),
        (
            "checks:\n- {check: out_of_sequence, sequence: [order.placed, order.placed], WHO}\n- {check: out_of_sequence, id: b, sequence: [order.placed], WHO}",
            &[
                "2:53: checks[0].sequence[1]: `order.placed` is named twice",
                "3:45: checks[1].sequence: expected two milestones or more, in the order in which they belong",
            ],
        ),
        (
            "checks:\n- {check: amount_missmatch, tolerance_minor: 1, WHO}",
            &["2:11: checks[0].check: there is no check `amount_missmatch` (did you mean `amount_mismatch`?)"],
        ),
        (
            "checks:\n- {check: amount_mismatch, severity: high, owner: '', route: [x], expected_outcome: c}",
            &[
                "2:38: checks[0].severity: expected one of info, warning, critical, found `high`",
                "2:51: checks[0].owner: expected a text, found an empty one",
                "2:63: checks[0].route[0]: expected `{when: CONDITION, is: NAME}`, found `x` (a name alone is written `x`, without a list; the last of several `{is: x}`)",
            ],
        ),
        (
            "checks:\n- {check: stuck, after: 1h, severity: info, owner: [{when: 'order.id == \"a\"', is: a}, {is: b}], route: {from: event.attributes.desk, else: ops}, expected_outcome: c}",
            &[],
        ),
        (
            "checks:\n- {check: stuck, after: 1h, severity: info, owner: [{when: 'order.id == \"a\"', is: a}], route: [{is: a}, {is: b}], expected_outcome: c}",
            &[
                "2:52: checks[0].owner: the last entry must have no `when`: it is taken where none before it fits",
                "2:95: checks[0].route: only the last entry may have no `when`: nothing after it is ever taken",
            ],
        ),
        (
            "checks:\n- {check: stuck, after: 1h, severity: info, owner: {from: attributes.desk, else: a}, route: {from: event.attributes.desk}, expected_outcome: c}",
            &[
                "2:59: checks[0].owner.from: expected `event.attributes.NAME` or `order.attributes.NAME`, found `attributes.desk` (did you mean `order.attributes.desk`?)",
                "2:93: checks[0].route: `else` is missing",
            ],
        ),
        (
            "revision: 7\ncalendars: {}\nslas: []",
            &["1:1: no policy: expected at least one under `slas`, `backlogs` or `checks`"],
        ),
        ("slas:", &["1:5: slas: a value is missing"]),
        (
            "sla: []",
            &[
                "1:1: no policy: expected at least one under `slas`, `backlogs` or `checks`",
                "1:1: unknown field `sla` (did you mean `slas`?)",
            ],
        ),
    ];
    assert_rows(rows, |text| policy_errors(&text.replace("WHO", who)));
}

#[test]
fn an_id_names_one_policy_of_all_kinds() {
    let who = "severity: info, owner: a, route: b, expected_outcome: c";
    let text = format!(
        "slas: [{{id: x, start: a, stop: b, target: 1h, {who}}}]
backlogs: [{{id: x, from: a, until: b, open_when: {{depth: 5}}, clear_when: {{depth: 4}}, {who}}}]
checks: [{{check: amount_mismatch, {who}}}, {{check: shipped_before_payment, id: amount-mismatch, {who}}}]"
    );
    let said = policy_errors(&text);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("2:17: the id `x` is taken (line 1)"), "{said:?}");
    assert!(said[1].contains("the id `amount-mismatch` is taken (line 3)"), "{said:?}");
}

#[test]
fn what_is_probably_not_meant_is_warned_of_and_works() {
    let rows = [
        (
            "start: order.plaecd, stop: handoff.requested",
            "2:18: slas[0].start: `order.plaecd` is no standard milestone: it is reached only by events of just this type (did you mean `order.placed`?)",
        ),
        (
            "start: order.placed, stop: order.shipped",
            "2:38: slas[0].stop: `order.shipped` is no standard milestone: it is reached only by events of just this type (did you mean `fulfillment.shipped`?)",
        ),
        (
            "start: payment.disputed, stop: handoff.requested",
            "2:18: slas[0]: `payment.disputed` can come after its order has closed (what comes later than `retain_closed` after closing is counted as late and starts nothing)",
        ),
    ];
    for (fields, expected) in rows {
        let (policies, warnings) = parse_policies("p.yaml", &sla(&format!("{fields}, target: 1h"))).unwrap();
        assert_eq!(policies.slas.len(), 1);
        assert_eq!(messages(&warnings), [expected]);
    }
    let (_, warnings) = parse_policies(
        "p.yaml",
        &sla("start: order.placed, stop: order.completed, pause: {from: a, until: b}, target: promised_ship_by"),
    )
    .unwrap();
    assert_eq!(
        messages(&warnings),
        ["2:62: slas[0]: a pause does not shift a promised date, only business_elapsed_ms"]
    );
    let (_, warnings) =
        parse_policies("p.yaml", &sla("start: order.placed, stop: returns.inspected, target: 1h")).unwrap();
    assert_eq!(messages(&warnings), [] as [&str; 0], "other namespaces are the shop's own");
}

#[test]
fn an_sla_of_several_cycles_must_be_able_to_tell_them_apart() {
    let rows: &[(&str, &[&str])] = &[
        ("start: fulfillment.packed, stop: fulfillment.shipped, target: 1h, scope: fulfillment, each: true", &[]),
        ("start: order.placed, stop: fulfillment.shipped, target: promised_ship_by, scope: fulfillment", &[]),
        (
            "start: order.placed, stop: order.completed, target: 1h, scope: line, each: sometimes",
            &[
                "2:74: slas[0].scope: expected one of order, fulfillment, found `line`",
                "2:86: slas[0].each: expected one of true, false, found `sometimes`",
            ],
        ),
        (
            "start: order.placed, stop: order.fully_shipped, target: 1h, scope: fulfillment",
            &[
                "2:78: slas[0]: `order.placed` and `order.fully_shipped` are of the whole order: no fulfillment has a cycle of its own (take a `fulfillment.*` milestone, or leave `scope` out)",
            ],
        ),
        (
            "start: order.paid_in_full, stop: fulfillment.shipped, target: 1h, each: true",
            &["2:83: slas[0]: `order.paid_in_full` is reached once: `each` has nothing to repeat"],
        ),
        (
            "start: {milestone: a, occurrence: last}, stop: {milestone: b, occurrence: last}, target: 1h, each: true",
            &[
                "2:18: slas[0]: with `each` every start has its own cycle and its own stop: `occurrence: last` has no place",
                "2:58: slas[0]: with `each` every start has its own cycle and its own stop: `occurrence: last` has no place",
            ],
        ),
        (
            "start: a, stop: b, target: promised_ship_by, each: true",
            &[
                "2:38: slas[0]: a promised date is not of one cycle: with `each` one broken promise would be told many times",
            ],
        ),
    ];
    assert_rows(rows, |fields| policy_errors(&sla(fields)));
}

#[test]
fn the_cycles_of_a_group_are_told_apart_alike() {
    let who = "first_match: g, severity: info, owner: a, route: b, expected_outcome: c";
    let text = |more: &str| {
        format!(
            "slas:\n- {{id: x, when: 'order.id == \"1\"', start: fulfillment.packed, stop: fulfillment.shipped, target: 1h, scope: fulfillment, {who}}}
- {{id: y, start: fulfillment.packed, stop: fulfillment.shipped, target: 2h, {more}{who}}}"
        )
    };
    assert_eq!(policy_errors(&text("scope: fulfillment, ")), [""; 0]);
    let wrong = "slas[1]: the SLAs of the group `g` must have one `scope` and one `each`";
    assert_eq!(policy_errors(&text("")), [format!("3:8: {wrong}")]);
    assert_eq!(policy_errors(&text("scope: fulfillment, each: true, ")), [format!("3:103: {wrong}")]);
}

#[test]
fn a_scope_that_one_side_does_not_know_is_warned_of() {
    let warned = |fields: &str| {
        let (policies, warnings) =
            parse_policies("p.yaml", &sla(&format!("{fields}, target: 1h, scope: fulfillment"))).unwrap();
        assert_eq!(policies.slas.len(), 1);
        messages(&warnings)
    };
    assert_eq!(
        warned("start: fulfillment.packed, stop: order.fully_shipped"),
        ["2:44: slas[0]: `order.fully_shipped` is of the whole order: it ends the cycles of all its fulfillments"]
    );
    assert_eq!(
        warned("start: fulfillment.packed, stop: payment.captured"),
        ["2:44: slas[0]: a `payment.captured` without a fulfillment_id counts for every fulfillment"]
    );
    assert_eq!(warned("start: returns.announced, stop: fulfillment.returned"), [""; 0]);
}

#[test]
fn check_says_which_cycles_an_sla_has() {
    let service =
        "kafka: {brokers: b}\nstreams: [{topic: orders}]\nsnapshots: {url: \"file:///s\"}\npolicies: policies.yaml\n";
    let fields = "start: fulfillment.packed, stop: fulfillment.shipped, target: 1h, scope: fulfillment, each: true";
    let (config, _) = load(service, &sla(fields)).unwrap();
    let said = summary::summary(&config);
    let cycles = "fulfillment.packed -> fulfillment.shipped; for each fulfillment; anew with each fulfillment.packed";
    assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(cycles), "{said}");
}
