//! Files as files: unreadable, not YAML, mangled; and how what is wrong in them is drawn.

use super::*;
use crate::policy::sla::Target;

/// What a terminal shows, without its colours.
fn without_colours(text: &str) -> String {
    text.split('\u{1b}')
        .enumerate()
        .map(|(i, part)| if i == 0 { part } else { part.split_once('m').map_or("", |p| p.1) })
        .collect()
}

#[test]
fn a_file_that_is_no_configuration_is_refused_as_a_whole() {
    let list = "1:1: expected a mapping (`key: value`), found a list";
    let rows: &[(&str, &[&str])] = &[
        ("", &["0:0: the file is empty"]),
        ("# only a comment\n", &["0:0: the file is empty"]),
        ("---\n", &["0:0: the file is empty"]),
        ("- a\n", &[list]),
        ("just text", &["1:1: expected a mapping (`key: value`), found `just text`"]),
        ("slas: []\n---\nslas: []\n", &["2:1: a second YAML document begins here; one file holds one"]),
        ("slas: !!map {}\n", &["1:7: YAML tags (`!name`) have no meaning here"]),
        ("slas: *nobody\n", &["1:7: this is not YAML: while parsing node, found unknown anchor"]),
        ("slas: &a [*a]\n", &["1:11: this alias stands inside the node that it names"]),
        ("{[a]: b}\n", &["1:2: a key must be a plain text, not a list or a mapping"]),
        (": b\n", &["1:1: a key is missing before the colon"]),
    ];
    assert_rows(rows, policy_errors);
    let tab = policy_errors("slas:\n\t- id: a\n");
    assert!(tab.len() == 1 && tab[0].starts_with("2:2: this is not YAML: ") && tab[0].contains("spaces"), "{tab:?}");
    let unclosed = policy_errors("slas: [{id: a\n");
    assert!(unclosed.len() == 1 && unclosed[0].contains("this is not YAML: "), "{unclosed:?}");
    let deep = policy_errors(&format!("{}{}", "[".repeat(50), "]".repeat(50)));
    assert_eq!(deep, ["1:33: nested deeper than 32 levels"]);
    let deep = policy_errors(&"- ".repeat(5000));
    assert_eq!(deep, ["1:65: nested deeper than 32 levels"]);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..20 {
        let alias = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{alias}]\n"));
    }
    let bombed = policy_errors(&bomb);
    assert!(bombed.len() == 1 && bombed[0].contains("more than 200000 values"), "{bombed:?}");
}

#[test]
fn files_that_cannot_be_read_are_said_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orderwatch.yaml");
    let said = || Config::load(&path).unwrap_err().to_string().replace(&dir.path().display().to_string(), "DIR");
    assert_eq!(
        said(),
        "DIR/orderwatch.yaml: cannot be read: No such file or directory (os error 2)\n1 error; nothing was started"
    );
    std::fs::write(&path, b"kafka: {brokers: b}\ngrace: \xff\xfe").unwrap();
    assert!(said().starts_with("DIR/orderwatch.yaml:2:8: the file is not UTF-8 from here on\n"), "{}", said());
    std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
    assert!(said().starts_with("DIR/orderwatch.yaml: is larger than 1 MiB"), "{}", said());
    std::fs::write(&path, "kafka: {brokers: b}\nstreams: [{topic: a}]\npolicies: none.yaml").unwrap();
    let expected =
        "DIR/orderwatch.yaml:3:11: policies: DIR/none.yaml: cannot be read: No such file or directory (os error 2)";
    assert!(said().starts_with(expected), "{}", said());
    std::fs::write(&path, "kafka: {brokers: b}\nstreams: [{topic: a}]\npolicies: .").unwrap();
    assert!(said().contains("Is a directory"), "{}", said());
}

#[test]
fn an_alias_stands_for_what_it_names() {
    let text = "slas:
- {id: a, start: order.placed, stop: order.completed, target: &t 1h, severity: &s info, owner: o, route: r, expected_outcome: e}
- {id: b, start: order.placed, stop: order.confirmed, target: *t, severity: *s, owner: o, route: r, expected_outcome: e}
";
    let (policies, warnings) = parse_policies("p.yaml", text).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(policies.slas[1].target, Target::Duration(Millis::from_secs(3600)));
}

#[test]
fn a_document_reads_back_from_its_own_text() {
    let (policies, _) = parse_policies("policies.yaml", POLICY).unwrap();
    let (again, _) = parse_policies("snapshot", &policies.text).unwrap();
    assert_eq!(again.version, policies.version);
    let (other, _) = parse_policies("policies.yaml", &POLICY.replace("1h", "2h")).unwrap();
    assert_ne!(other.version, policies.version);
}

#[test]
fn the_example_is_sound_and_check_says_what_it_means() {
    let path = std::path::Path::new("deploy/examples/quickstart/orderwatch.yaml");
    let (config, warnings) = Config::load_with(path, None, &|_| None).unwrap();
    assert_eq!(warnings, []);
    let text = summary(&config);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn all_errors_of_both_files_are_drawn_with_their_lines() {
    let service = "kafka:
  brokers: ${KAFKA}
  properties: {isolation.level: read_uncommitted}
streams:
  - {topic: orders, format: jsn}
  - {topic: ordérs, graec: 1m}
grace: five minutes
policies: policies.yaml
";
    let policies = "slas:
  - id: paid-in-1h
    start: order.plaecd
    stop: payment.captured
    target: 1 hour
    warn_at: [80%, 50%]
    when: |
      order.attributes.channel == 'web'
      && customer.vip
    severity: high
    owner: [{is: me}]
    route: ops
";
    let errors = load(service, policies).unwrap_err();
    let file = errors.0[0].file.name().replace("orderwatch.yaml", "");
    insta::assert_snapshot!("errors_plain", errors.render(Style::Plain).replace(&file, ""));
    // On a terminal the same, with boxes; without colours here, for the reader's sake.
    let fancy = errors.render(Style::Fancy).replace(&file, "");
    insta::assert_snapshot!("errors_fancy", without_colours(&fancy));
}

/// Places to cut at, how much goes, and what comes in its stead.
type Cuts = Vec<(proptest::sample::Index, usize, String)>;

fn cuts() -> impl proptest::strategy::Strategy<Value = Cuts> {
    let inserted = "[ \\t\\n:{}\\[\\],&*!|>#'\"%@`$a-z0-9ü-]{0,6}";
    proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0..20_usize, inserted), 1..6)
}

fn mangled(text: &str, cuts: &Cuts) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, removed, inserted) in cuts {
        let at = at.index(text.len() + 1);
        let end = (at + removed).min(text.len());
        text.splice(at..end, inserted.chars());
    }
    text.into_iter().collect()
}

/// Whatever is wrong can be drawn, and says so.
fn assert_drawn(errors: &ConfigErrors) {
    assert!(errors.0.iter().any(|p| p.level == Level::Error));
    for style in [Style::Plain, Style::Fancy] {
        assert!(errors.render(style).ends_with("nothing was started\n"));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, ..Default::default() })]

    /// Whatever becomes of a sound file, it is read or refused with a place; nothing panics or hangs.
    #[test]
    fn a_mangled_policy_file_never_panics(cuts in cuts()) {
        let text = mangled(include_str!("../../../deploy/examples/quickstart/policies.yaml"), &cuts);
        if let Err(errors) = parse_policies("policies.yaml", &text) {
            assert_drawn(&errors);
        }
    }

    #[test]
    fn a_mangled_service_file_never_panics(cuts in cuts()) {
        let text = mangled(include_str!("../../../deploy/examples/quickstart/orderwatch.yaml"), &cuts);
        match load(&text, POLICY) {
            Ok((config, _)) => assert!(!summary(&config).is_empty()),
            Err(errors) => assert_drawn(&errors),
        }
    }
}
