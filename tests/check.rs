//! `orderwatch check` as a user runs it: what is on which stream, and the exit status.

use std::process::{Command, Output};

fn orderwatch(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_orderwatch")).args(args).env_clear().output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}

#[test]
fn a_sound_configuration_is_described_and_ends_with_0() {
    let output = orderwatch(&["check", "--config", "deploy/examples/quickstart/orderwatch.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let said = text(&output.stdout);
    assert!(said.contains("\n  paid-in-1h  "), "{said}");
    assert!(said.contains("order.placed -> order.paid_in_full; warns at 80%"), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours where it is no terminal: {said}");
}

#[test]
fn every_configuration_that_is_handed_out_is_sound() {
    let examples = std::fs::read_dir("deploy/examples").expect("the examples");
    let folders = examples.map(|entry| entry.expect("an example").path()).chain(["deploy/compose".into()]);
    let mut checked = Vec::new();
    for folder in folders {
        let file = folder.join("orderwatch.yaml").display().to_string();
        let output = orderwatch(&["check", "--config", &file]);
        assert_eq!(output.status.code(), Some(0), "{file}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{file}");
        checked.push(file);
    }
    checked.sort();
    assert_eq!(checked.first().map(String::as_str), Some("deploy/compose/orderwatch.yaml"));
    assert!(checked.len() > 1, "{checked:?}");
}

#[test]
fn errors_of_both_files_go_to_standard_error_with_their_places_and_end_with_2() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("orderwatch.yaml");
    std::fs::write(&path, "kafka: {brokers: \"${BROKERS}\"}\nstreams: [{topic: orders}]\npolicies: p.yaml\n")
        .expect("written");
    std::fs::write(dir.path().join("p.yaml"), "slas:\n- {id: a, start: order.placed}\n").expect("written");
    let output = orderwatch(&["check", "--config", &path.display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    let place = dir.path().display();
    let unset = format!("{place}/orderwatch.yaml:1:18: kafka.brokers: the environment variable `BROKERS` is not set\n");
    assert!(said.contains(&unset), "{said}");
    assert!(said.contains(&format!("{place}/p.yaml:2:3: slas[0]: `stop` is missing\n")), "{said}");
    assert!(said.trim_end().ends_with("7 errors; nothing was started"), "{said}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [&["chekc"][..], &["check", "--scenarios", "x"], &[]] {
        let output = orderwatch(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = orderwatch(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text(&output.stdout).contains("orderwatch"), "{shell}");
    }
}
