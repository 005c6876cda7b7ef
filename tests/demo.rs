//! `orderwatch demo` as a process: a broker, a shop and orderwatch in it, and what a user sees of them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Lines and when each came, until the process ends; `at_line` sees each and the process's id.
fn watch(args: &[&str], mut at_line: impl FnMut(&str, Pid)) -> (Vec<(Duration, String)>, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderwatch"));
    command.arg("demo").args(["--http", "127.0.0.1:0"]).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        at_line(&line, pid);
        lines.push((began.elapsed(), line));
    }
    (lines, child.wait().unwrap().code())
}

#[test]
fn the_shop_lives_and_its_exceptions_are_shown() {
    let (lines, status) = watch(&["--for", "15s", "--seed", "1"], |_, _| ());
    let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    assert_eq!(status, Some(0), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
    assert!(text.contains("One minute of the shop takes one second"), "{text}");
    assert!(text.contains("http://127.0.0.1:") && text.contains("/metrics"), "{text}");

    let shown = |status: &str, policy: &str| {
        lines.iter().find(|(_, line)| line.contains(status) && line.contains(policy)).map(|(at, _)| *at)
    };
    let first = lines.iter().find(|(_, line)| line.contains('●') || line.contains('▲')).expect("an exception").0;
    assert!(first < Duration::from_secs(10), "the first exception came after {first:?}");
    for (status, policy) in [
        ("● opened", "paid-in-5m"),
        ("✓ resolved", "paid-in-5m"),
        ("● opened", "amount-mismatch"),
        ("▲ at risk", "paid-in-5m"),
        ("● opened    oversold               sku=globe ", "wanted, 7 there"),
        // A checkout is no order, and has promises all the same.
        ("● opened    checkout-goes-on       checkout c-left-0 ", " growth"),
        // Its owner is whom it was handed to.
        ("● opened    handoff-accepted       o-hand-0 ", " mila"),
        // The care desk was closed for most of the time, and a held order's deadline moves.
        ("● opened    customer-answered      o-care-0 ", "(by the clock 16h"),
        ("● opened    shipped-in-20m         o-held-0 ", "not done within 20s (by the clock 26s)"),
    ] {
        assert!(shown(status, policy).is_some(), "{status} {policy}\n{text}");
    }
    // What opens says where it came from, whose it is, where it goes and what should happen.
    let cause = "(orders/";
    assert!(text.contains("└ order.placed at ") && text.contains(" from webshop ") && text.contains(cause), "{text}");
    assert!(!text.contains("o-auto-0"), "a handoff that is taken at once makes no noise\n{text}");
    assert!(!text.contains("c-bought-0"), "nor does a checkout that goes through\n{text}");
    assert!(text.contains("→ payments-oncall: Payment captured in full, or the order cancelled"), "{text}");

    let headline = text.lines().rfind(|line| line.starts_with("── ")).expect("a headline");
    assert!(headline.contains("orders open · ") && !headline.contains(" 0 orders open"), "{headline}");
    let end = text.lines().find(|line| line.ends_with(" events read, published:")).expect("a summary");
    let numbers: Vec<u64> = end.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    assert!(
        matches!(numbers[..], [orders, read, produced] if orders >= 40 && read == produced && read > orders),
        "{end}"
    );
    assert!(
        text.lines().last().is_some_and(|line| line.starts_with("shipped-") || line.starts_with("paid-")),
        "{text}"
    );
}

#[test]
fn ctrl_c_ends_it_with_its_summary() {
    let mut told = false;
    let (lines, status) = watch(&[], |line, pid| {
        if !told && line.contains("● opened") {
            told = true;
            kill_process(pid, Signal::INT).unwrap();
        }
    });
    assert_eq!(status, Some(0));
    assert!(lines.iter().any(|(_, line)| line.ends_with(" events read, published:")), "{lines:?}");
}
