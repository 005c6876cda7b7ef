//! The stories of tests/scenarios, told to `orderwatch check --scenarios` as a user's own are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn check(stories: &Path) -> Output {
    let config = place().join("orderwatch.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderwatch"));
    command.arg("check").arg("--config").arg(config).arg("--scenarios").arg(stories).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_story_comes_out_as_told() {
    let stories = place().join("stories");
    let count = fs::read_dir(&stories).unwrap().count();
    assert!(count >= 70, "{count}");
    let output = check(&stories);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).ends_with(&format!("{count} scenarios come out as told\n")), "{}", said(&output));
}

/// A story with one text in place of another, and what is said of it.
fn told(story: &str, from: &str, to: &str) -> String {
    let text = fs::read_to_string(place().join("stories").join(story)).unwrap();
    assert!(text.contains(from), "{text}");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("told.yaml"), text.replacen(from, to, 1)).unwrap();
    let output = check(dir.path());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    String::from_utf8_lossy(&output.stderr).replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn what_comes_out_otherwise_points_at_its_line() {
    let late = told("paid_late.yaml", "11:00:05", "11:00:06");
    let otherwise = "DIR/told.yaml:9:5: it was said otherwise: {at: \"11:00:05\", status: opened, policy: paid-in-1h, order: o-1, deadline: \"11:00:00\", owner: payments-team}";
    assert!(late.starts_with(otherwise), "{late}");

    let resolved = "  - {at: \"10:20\", status: resolved, policy: over-shipped}\n";
    let besides = told("a_piece_too_many.yaml", resolved, "");
    assert!(besides.contains("this was said besides: {at: \"10:20:00\", status: resolved"), "{besides}");

    let another = told("returns_pile_up.yaml", "10:15:05", "10:15:06");
    assert!(another.contains("it was said otherwise: {at: \"10:15:05\", status: opened"), "{another}");
    let checkout = told("checkout_abandoned_at_the_payment_step.yaml", "checkout: c-1, owner", "checkout: c-9, owner");
    assert!(checkout.contains("status: opened, policy: checkout-goes-on, checkout: c-1, deadline"), "{checkout}");

    let never =
        told("paid_in_time.yaml", "expect: []", "expect: [{at: \"11:00:05\", status: opened, policy: paid-in-1h}]");
    assert!(never.starts_with("DIR/told.yaml:7:10: it was not said"), "{never}");
}

#[test]
fn a_story_that_cannot_be_read_says_where() {
    let currency = told("settled_short.yaml", "48.00 EUR", "48.00");
    assert!(
        currency.starts_with("DIR/told.yaml:7:53: events[3].amount: expected an amount such as `123.45 EUR`"),
        "{currency}"
    );
    assert_eq!(currency.matches("DIR/told.yaml").count(), 1, "{currency}");

    let policy = told("nothing_is_heard.yaml", "policy: stuck", "policy: stuk");
    assert!(policy.starts_with("DIR/told.yaml:9:50: expect[0].policy: there is no policy `stuk`"), "{policy}");

    let letter = told("paid_late.yaml", "50.00 EUR}", "50.00 euros}");
    assert!(letter.starts_with("DIR/told.yaml:4:5: this event would be a dead letter: "), "{letter}");

    let two = told("price_shown_in_time.yaml", "offer: A-1, attributes", "offer: A-1, order: o-1, attributes");
    assert!(two.starts_with("DIR/told.yaml:4:47: events[0]: it is about one thing alone"), "{two}");
    let topic = told("a_task_moves_on.yaml", "topic: task-moves", "topic: orders");
    assert!(topic.contains("events[1]: this topic's events are not about `task`"), "{topic}");

    let empty = tempfile::tempdir().unwrap();
    assert!(said(&check(empty.path())).contains("there is no scenario (*.yaml) below"));
}
