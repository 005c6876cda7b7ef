//! What people get wrong in a policy file. Each row is a text with `‸` where the problem must point, and the words that it
//! must say: what is wrong, or what was meant.

use super::*;

/// (text, words)
type Row = (&'static str, &'static str);

const CALENDARS: &str = "calendars: {berlin: {time_zone: Europe/Berlin, hours: {mon-fri: \"08:00-18:00\"}}}";

/// Every problem of a document as (line:column, level, text).
fn problems(text: &str) -> Vec<(String, Level, String)> {
    let problems = match parse_policies("policies.yaml", text) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors.0,
    };
    let said = messages(&problems).into_iter().zip(&problems);
    said.map(|(said, problem)| {
        let at = said.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
        (at, problem.level, said)
    })
    .collect()
}

/// Every row must have a problem of this level at its mark, in these words.
fn assert_points(level: Level, rows: &[Row], document: impl Fn(&str) -> String) {
    let mut wrong = Vec::new();
    for (row, words) in rows {
        let marked = document(row);
        let at = marked.find('‸').unwrap_or_else(|| panic!("{row}: no mark"));
        let text = marked.replace('‸', "");
        let (line, column) = SourceFile::new("", text.clone()).position(at);
        let said = problems(&text);
        let place = format!("{line}:{column}");
        if !said.iter().any(|(at, is, said)| *at == place && *is == level && said.contains(words)) {
            wrong.push(format!("{row}\n  want {place}: … {words}\n  got {said:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An SLA with these fields, and with what else it must have.
fn sla(fields: &str) -> String {
    let rest = [
        ("start", "order.placed"),
        ("stop", "order.completed"),
        ("target", "1h"),
        ("severity", "info"),
        ("owner", "ann"),
        ("route", "ops"),
        ("expected_outcome", "Done"),
    ];
    let given = |name: &str| fields.starts_with(&format!("{name}:")) || fields.contains(&format!(", {name}:"));
    let rest: Vec<String> =
        rest.iter().filter(|(name, _)| !given(name)).map(|(name, value)| format!(", {name}: {value}")).collect();
    let calendars = if fields.contains("calendar:") { CALENDARS } else { "" };
    format!("{calendars}\nslas:\n- {{{fields}, id: x{}}}\n", rest.concat())
}

#[test]
fn in_an_sla() {
    let rows: &[Row] = &[
        ("target: ‸60", "a unit is missing: ms, s, m, h, d or w"),
        ("target: ‸1 hour", "it is written without spaces, such as `1h30m`"),
        ("target: ‸2hours", "`hours` is no unit: did you mean `h`?"),
        ("target: ‸1.5h", "its numbers are whole: `1h30m`, not `1.5h`"),
        ("target: ‸PT1H", "it is written `1h30m` here"),
        ("target: ‸promised_ship", "did you mean `promised_ship_by`?"),
        ("target: {‸business_day: 1}, calendar: berlin", "did you mean `business_days`?"),
        ("target: {business_days: 1, cutoff: ‸2pm}, calendar: berlin", "`2pm` is no time of the day such as `08:00`"),
        ("target: ‸{business_days: 1}", "business days need a `calendar`"),
        ("calendar: ‸berln", "did you mean `berlin`?"),
        ("calendar: ‸london", "there is no calendar `london` (there are berlin)"),
        ("calendar: berlin, target: ‸2d", "with a calendar a day is not 24 hours (write the open hours (`10h`)"),
        ("calendar: berlin, escalate_after: [8h, ‸1d]", "with a calendar a day is not 24 hours"),
        ("calendar: berlin, escalate_after: [{after: ‸1w, owner: bob}]", "with a calendar a day is not 24 hours"),
        ("warn_at: [‸120%]", "it must lie between 1% and 99%"),
        ("warn_at: [‸0.8]", "the percent sign is missing"),
        ("warn_at: ‸80%", "a list of one is written `[80%]`"),
        ("warn_at: [80%, ‸50%]", "each must lie above the one before"),
        ("cancel_on: ‸order.cancelled", "a list of one is written `[order.cancelled]`"),
        ("cancel_on: [order.cancelled, ‸order.placed]", "`order.placed` starts it: it would be cancelled at once"),
        ("start: order.placed, stop: ‸order.placed", "start and stop are both `order.placed`"),
        ("start: order.placed, stop: ‸{milestone: order.placed, occurrence: last}", "it would be kept at once"),
        ("start: ‸order placed", "it holds a space"),
        ("start: {milestone: order.placed, ‸occurence: last}", "did you mean `occurrence`?"),
        ("pause: {from: order.held, ‸to: order.released}", "unknown field `to` (known here: from, until)"),
        ("severity: ‸warn", "did you mean `warning`?"),
        ("severity: ‸high", "expected one of info, warning, critical, found `high`"),
        ("owner: {‸form: order.attributes.team, else: ops}", "did you mean `from`?"),
        ("owner: {from: ‸order.team, else: ops}", "did you mean `order.attributes.team`?"),
        ("owner: {from: ‸event.handed_to, else: ops}", "did you mean `event.attributes.handed_to`?"),
        ("owner: ‸{from: order.attributes.team}", "`else` is missing"),
        ("owner: {‸name: ops}", "unknown field `name` (known here: from, else)"),
        ("owner: [‸ann, bob]", "expected `{when: CONDITION, is: NAME}`, found `ann`"),
        ("owner: ‸[{when: 'order.id == \"a\"', is: ann}]", "the last entry must have no `when`"),
        ("escalate_after: [{after: 1h, ‸to: bob}]", "unknown field `to` (known here: after, severity, owner, route)"),
        ("‸escalate: [1h]", "did you mean `escalate_after`?"),
        ("‸<<: {target: 1h}", "mappings are not merged; an alias stands for one value"),
        ("grace: 5s, ‸grace: 6s", "`grace` is given twice in one mapping"),
        ("target: promised_ship_by, promise: ‸first", "expected one of latest, original"),
        ("‸promised: original", "did you mean `promise`?"),
    ];
    assert_points(Level::Error, rows, sla);

    let no_calendar = sla("calendar: berlin").replace(CALENDARS, "");
    assert!(policy_errors(&no_calendar)[0].contains("there is no calendar `berlin` (describe it under `calendars`)"));
}

#[test]
fn in_an_sla_that_works_and_is_not_meant() {
    let rows: &[Row] = &[
        ("start: ‸order.plaecd", "did you mean `order.placed`?"),
        ("start: ‸oder.placed", "did you mean `order.placed`?"),
        ("start: ‸Order.Placed", "did you mean `order.placed`?"),
        ("stop: ‸fullfillment.shipped", "did you mean `fulfillment.shipped`?"),
        ("stop: ‸fulfilment.shipped", "did you mean `fulfillment.shipped`?"),
        ("stop: ‸order.shipped", "did you mean `fulfillment.shipped`?"),
        ("stop: ‸paid_in_full", "did you mean `order.paid_in_full`?"),
        ("stop: ‸order.payed_in_full", "did you mean `order.paid_in_full`?"),
        ("cancel_on: [‸order.canceled]", "did you mean `order.cancelled`?"),
        ("cancel_on: [‸order.completed]", "`order.completed` is its stop, which comes first: this has no effect"),
        ("start: ‸payment.disputed", "`payment.disputed` can come after its order has closed"),
        ("pause: ‸{from: order.held, until: order.released}, target: promised_ship_by", "only business_elapsed_ms"),
        ("calendar: ‸berlin, target: promised_ship_by", "only business_elapsed_ms"),
        ("first_match: ‸true", "the group `true` has this SLA alone: there is nothing to choose from"),
    ];
    assert_points(Level::Warning, rows, sla);
    for own in ["handoff.requested", "returns.inspected", "invoice.sent", "credit.decided", "seller.accepted"] {
        assert_eq!(problems(&sla(&format!("stop: {own}"))), [], "{own} is the shop's own");
    }
}

#[test]
fn in_a_group() {
    let group = |rows: &str| {
        let who = "start: order.placed, stop: order.completed, target: 1h, severity: info, owner: a, route: b, expected_outcome: c";
        format!("slas:\n{rows}").replace("WHO", who)
    };
    let rows: &[Row] = &[
        (
            "- {id: x, first_match: shipping, WHO}\n- {id: y, first_match: ‸shipping, when: 'order.id == \"a\"', WHO}",
            "`y` is never taken: `x` before it has no `when` (the one for everybody else stands last)",
        ),
        (
            "- {id: x, first_match: shipping, when: 'order.id == \"a\"', WHO}\n- {id: y, first_match: shipping, WHO}\n- {id: z, first_match: ‸shiping, WHO}",
            "the group `shiping` has this SLA alone: there is nothing to choose from (did you mean `shipping`?)",
        ),
    ];
    assert_points(Level::Warning, rows, group);
}

#[test]
fn in_a_condition() {
    let rows: &[Row] = &[
        ("order.attributes.channel ‸= \"web\"", "`==` is equal"),
        ("order.attributes.a == \"b\" ‸and order.attributes.c == \"d\"", "`&&` is and, `||` is or"),
        ("order.attributes.a == \"b\" ‸or true", "`&&` is and, `||` is or"),
        ("order.attributes.a == \"b\" ‸& true", "`&&` is and, `||` is or"),
        ("not ‸order.attributes.a", "`!` is not"),
        ("order.attributes.a <‸> \"b\"", "`!=` is unequal"),
        ("order.attribute‸.channel == \"web\"", "did you mean `order.attributes.channel`?"),
        ("order‸.channel == \"web\"", "did you mean `order.attributes.channel`?"),
        ("order‸.placed", "a condition sees what an order has, not what became of it"),
        ("‸attributes.channel == \"web\"", "did you mean `order.attributes`?"),
        ("‸orders.attributes.channel == \"web\"", "did you mean `order`?"),
        ("‸customer.vip", "unknown name `customer`: a condition sees `order`"),
        ("order.attributes.tier == ‸gold", "a text stands in quotes: `\"gold\"`"),
        ("order‸.total > 100", "a total has amount_minor and currency; compare one of them"),
        ("order.total‸.amount > 100", "did you mean `order.total.amount_minor`?"),
        ("order.total‸.curency == \"EUR\"", "did you mean `order.total.currency`?"),
        ("order.lines‸.size > 3", "did you mean `size(order.lines)`?"),
        ("order.lines.any‸(l, l.sku == \"A\")", "unknown function `any` of 2 arguments: there are has, size,"),
        ("order.total‸.amount_minor", "expected something that is true or false"),
        ("order.attributes.region == \"EU\" || ‸\"US\"", "expected something that is true or false"),
        ("order.total.amount_minor ‸> \"100\"", "a number and a text cannot be compared"),
        ("order.total.currency ‸== 978", "a text and a number cannot be compared"),
        ("size(order.lines) ‸== \"3\"", "a number and a text cannot be compared"),
        (
            "order.attributes.region in ‸\"EU\"",
            "expected a list after `in`, found a text (a list is written `[\"a\", \"b\"]`)",
        ),
        ("order.attributes.vip == ‸null", "ask `has(order.attributes.NAME)`"),
    ];
    assert_points(Level::Error, rows, |when| sla(&format!("when: '{when}'")));
    for fits in
        ["order.attributes.items != \"3\"", "order.attributes.a in order.attributes.b", "order.id + \"x\" == \"y\""]
    {
        assert_eq!(problems(&sla(&format!("when: '{fits}'"))), [], "{fits}: an attribute may be anything");
    }
}

#[test]
fn in_a_calendar() {
    let document = |fields: &str| format!("calendars:\n  c: {{{fields}}}\n{POLICY}");
    let rows: &[Row] = &[
        ("time_zone: UTC, hours: {mon: ‸\"25:00-26:00\"}", "`25:00` is no time of the day such as `08:00`"),
        ("time_zone: UTC, hours: {mon: ‸\"08:00-24:30\"}", "`24:30` is no time of the day such as `08:00`"),
        ("time_zone: UTC, hours: {mon: ‸\"8:00-18:00\"}", "`8:00` is no time of the day such as `08:00`"),
        ("time_zone: UTC, hours: {mon: ‸8am-6pm}", "`8am` is no time of the day such as `08:00`"),
        ("time_zone: UTC, hours: {mon: ‸\"08:00–18:00\"}", "its two times stand apart by a plain `-`"),
        ("time_zone: UTC, hours: {mon: ‸\"08:00-08:00\"}", "it begins when it ends; all day is `00:00-24:00`"),
        ("time_zone: UTC, hours: {mon: ‸\"08:00-12:00, 11:00-17:00\"}", "two of these spans overlap"),
        ("time_zone: UTC, hours: {mon: ‸[\"13:00-17:00\", \"08:00-13:30\"]}", "two of these spans overlap"),
        ("time_zone: UTC, hours: ‸\"08:00-18:00\"", "expected a mapping (`key: value`), found `08:00-18:00`"),
        ("time_zone: UTC, hours: {‸Mon: \"08:00-18:00\"}", "did you mean `mon`?"),
        ("time_zone: UTC, hours: {‸monday-friday: \"08:00-18:00\"}", "did you mean `mon`?"),
        ("time_zone: UTC, hours: {mon-fri: \"08:00-18:00\", ‸fri: closed}", "`fri` is named twice"),
        ("time_zone: ‸Berlin, hours: 24/7", "did you mean `Europe/Berlin`?"),
        ("time_zone: ‸Europe/Berln, hours: 24/7", "did you mean `Europe/Berlin`?"),
        ("time_zone: ‸GMT+1, hours: 24/7", "the IANA time zone database has no such zone"),
        ("‸timezone: UTC, hours: 24/7", "did you mean `time_zone`?"),
        ("time_zone: UTC, hours: 24/7, holidays: ‸2026-12-25", "a list of one is written `[2026-12-25]`"),
        (
            "time_zone: UTC, hours: 24/7, holidays: [‸25.12.2026]",
            "it is written year, month, day, with `-` between them",
        ),
        ("time_zone: UTC, hours: 24/7, holidays: [‸2026-02-30]", "there is no such day"),
        ("time_zone: UTC, hours: 24/7, exceptions: {‸24.12.2026: closed}", "expected a date such as `2026-12-25`"),
        ("time_zone: UTC, hours: 24/7, holidays: [{‸file: x.ics}]", "unknown field `file`"),
    ];
    assert_points(Level::Error, rows, document);
    for sound in
        ["mon-fri: \"18:00-08:00\"", "mon: \"13:00-17:00, 08:00-12:00\"", "sat-mon: \"22:00-06:00, 08:00-12:00\""]
    {
        let text = document(&format!("time_zone: europe/berlin, hours: {{{sound}}}"));
        assert_eq!(problems(&text), [], "{sound}");
    }
}

#[test]
fn in_a_backlog_or_a_check() {
    let who = "severity: info, owner: ann, route: ops, expected_outcome: Done";
    let rows: &[Row] = &[
        ("open_when: {depth: 5}, clear_when: {depth: ‸9}", "clear_when.depth must lie below open_when.depth"),
        ("open_when: {‸dept: 5}, clear_when: {depth: 4}", "did you mean `depth`?"),
        ("open_when: {oldest_age: ‸4}, clear_when: {oldest_age: 1h}", "a unit is missing"),
        ("open_when: ‸500, clear_when: {depth: 400}", "expected a mapping (`key: value`), found `500`"),
        ("group_by: ‸region, open_when: {depth: 5}, clear_when: {depth: 4}", "a list of one is written `[region]`"),
        (
            "group_by: [‸order.attributes.region], open_when: {depth: 5}, clear_when: {depth: 4}",
            "expected an attribute's name alone, found `order.attributes.region` (did you mean `region`?)",
        ),
        (
            "open_when: {depth: 5}, clear_when: {depth: 4}, ‸calendar: berlin",
            "unknown field `calendar` (known here: id,",
        ),
    ];
    assert_points(Level::Error, rows, |fields| {
        format!("backlogs:\n- {{id: q, from: order.placed, until: order.completed, {fields}, {who}}}\n")
    });

    let rows: &[Row] = &[
        ("check: ‸amount-mismatch", "did you mean `amount_mismatch`?"),
        ("check: ‸ammount_mismatch", "did you mean `amount_mismatch`?"),
        (
            "check: ‸late_payment",
            "there is no check `late_payment` (there are amount_mismatch, shipped_before_payment,",
        ),
        ("check: amount_mismatch, ‸tolerance: 1", "did you mean `tolerance_minor`?"),
        ("check: amount_mismatch, tolerance_minor: ‸0.01", "it is no whole number in range"),
        ("check: amount_mismatch, settle: ‸10", "a unit is missing"),
        ("check: stuck, after: ‸3 days", "it is written without spaces"),
        ("‸check: stuck, for: 3d", "`after` is missing"),
        ("check: out_of_sequence, sequence: [order.placed, ‸order.placed]", "`order.placed` is named twice"),
    ];
    assert_points(Level::Error, rows, |fields| match fields.strip_prefix('‸') {
        // What is missing is missing in the whole entry.
        Some(fields) => format!("checks:\n- ‸{{{fields}, {who}}}\n"),
        None => format!("checks:\n- {{{fields}, {who}}}\n"),
    });
}

#[test]
fn in_the_document_as_a_whole() {
    let rows: &[Row] = &[
        ("revision: 1\n‸revision: 2\nREST", "`revision` is given twice in one mapping"),
        ("revision: ‸v7\nREST", "expected a whole number of at least 0, found `v7`"),
        ("‸sla:\n- {id: x}\n", "did you mean `slas`?"),
        ("slas:\n  ‸paid: {target: 1h}\n", "expected a list, found a mapping (each entry of a list begins with `- `)"),
        ("REST  - {id: ‸paid, target: 1h}\n", "the id `paid` is taken (line 2)"),
        ("REST  - {id: ‸paid late, target: 1h}\n", "an id has only letters, digits,"),
        ("slas:\n- id: ‸x\n\ttarget: 1h\n", "YAML forbids tabs there"),
        ("calendars: ‸[berlin]\nREST", "expected a mapping (`key: value`), found a list"),
    ];
    assert_points(Level::Error, rows, |text| text.replace("REST", POLICY));
}

#[test]
fn a_route_with_a_topic_that_no_policy_takes() {
    let service =
        "kafka: {brokers: b}\nstreams: [{topic: orders}]\nroutes: {opps: {topic: pages}}\npolicies: policies.yaml";
    let (_, warnings) = load(service, POLICY).unwrap();
    assert_eq!(messages(&warnings), ["3:16: routes.opps: no policy takes this route (did you mean `ops`?)"]);
    let (_, warnings) = load(&service.replace("opps", "ops"), POLICY).unwrap();
    assert_eq!(warnings, []);
    let by_attribute = POLICY.replace("route: ops", "route: {from: order.attributes.desk, else: ops}");
    assert_eq!(load(service, &by_attribute).unwrap().1, [], "an attribute may say any route");
    let by_a_rung = POLICY.replace("target: 1h", "target: 1h, escalate_after: [{after: 1h, route: opps}]");
    assert_eq!(load(service, &by_a_rung).unwrap().1, []);
}

#[test]
fn in_what_a_policy_is_about() {
    let rows: &[Row] = &[
        (
            "entity: checkout, when: '‸order.attributes.a == 1'",
            "unknown name `order`: a condition sees `checkout` (did you mean `checkout`?)",
        ),
        ("entity: checkout, when: 'checkout‸.channel == \"web\"'", "did you mean `checkout.attributes.channel`?"),
        ("when: '‸checkout.attributes.a == 1'", "unknown name `checkout`: a condition sees `order`"),
        (
            "entity: checkout, owner: {from: ‸order.attributes.desk, else: ops}",
            "did you mean `checkout.attributes.desk`?",
        ),
        ("entity: ‸Checkout", "its name has small letters, digits and `_`, and begins with a letter"),
        ("entity: ‸2nd_return", "and begins with a letter"),
        ("entity: checkout, scope: ‸fulfillment", "only orders have fulfillments, and this is about `checkout`"),
        ("entity: checkout, stop: ‸order.paid_in_full", "`order.paid_in_full` is computed for orders alone"),
        ("entity: checkout, start: ‸x y", "it holds a space"),
        ("entity: task, start: task.cancelled, stop: done, each: ‸true", "`task.cancelled` is reached once"),
    ];
    assert_points(Level::Error, rows, sla);
    let rows: &[Row] = &[
        (
            "entity: checkout, start: ‸payment.captured, stop: done",
            "here only an event of a stream of `checkout` reaches it",
        ),
        ("entity: checkout, start: ‸checkout.completed, stop: done", "can come after its checkout has closed"),
    ];
    assert_points(Level::Warning, rows, sla);
    for sound in [
        "entity: return, when: 'return.attributes.reason == \"size\" && size(return.lines) > 0', start: a, stop: b",
        "entity: order",
        "entity: checkout, start: payment_step.entered, stop: checkout.completed, target: promised_ship_by",
    ] {
        assert_eq!(problems(&sla(sound)), [], "{sound}");
    }

    let who = "severity: info, owner: ann, route: ops, expected_outcome: Done";
    let rows: &[Row] = &[
        (
            "check: amount_mismatch, entity: ‸checkout",
            "`amount_mismatch` is about an order's money, lines and parcels, and this about `checkout` (`stuck` looks at any entity)",
        ),
        ("check: payment_without_order, entity: ‸return", "`stuck` looks at any entity"),
        ("check: stuck, after: 1d, entity: task, when: '‸order.id == \"x\"'", "did you mean `task`?"),
    ];
    assert_points(Level::Error, rows, |fields| format!("checks:\n- {{{fields}, {who}}}\n"));

    let of = |entity: &str| format!("first_match: g, entity: {entity}, start: a, stop: b");
    let two = format!("{}{}", sla(&of("task")), sla(&of("return")).replace("slas:", "").replace("id: x", "id: y"));
    let said = problems(&two);
    assert!(said.iter().any(|(_, _, said)| said.contains("must be about one entity")), "{said:#?}");
}

#[test]
fn an_entity_that_no_stream_is_about() {
    let service = "kafka: {brokers: b}\nstreams: [{topic: orders}, {topic: checkouts, entity: checkout}]\npolicies: policies.yaml";
    let policy = |entity: &str| POLICY.replace("target: 1h", &format!("target: 1h, entity: {entity}"));
    let said = |entity| load(service, &policy(entity)).map(|_| Vec::new()).unwrap_or_else(|e| messages(&e.0));
    for (entity, words) in [
        ("chekout", "slas[0].entity: no stream has the entity `chekout` (did you mean `checkout`?)"),
        ("return", "slas[0].entity: no stream has the entity `return` (there are order, checkout)"),
    ] {
        let errors = said(entity);
        assert!(errors.iter().any(|error| error.ends_with(words)), "{errors:#?}");
    }
    assert_eq!(said("checkout"), [""; 0]);
}
