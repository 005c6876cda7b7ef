//! Every shop of deploy/examples is held to its own stories, as its user would hold it: they come out as told, and every
//! policy speaks in one of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderwatch::config::Config;

fn shops() -> Vec<PathBuf> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let mut shops: Vec<PathBuf> = fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()).collect();
    shops.sort();
    assert!(shops.len() >= 4, "{shops:?}");
    shops
}

/// The texts of a shop's stories.
fn stories(shop: &Path) -> Vec<String> {
    let stories = fs::read_dir(shop.join("scenarios")).unwrap_or_else(|e| panic!("{}/scenarios: {e}", shop.display()));
    stories.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_stories_of_every_example_come_out_as_told() {
    for shop in shops() {
        let mut check = Command::new(env!("CARGO_BIN_EXE_orderwatch"));
        check.arg("check").arg("--config").arg(shop.join("orderwatch.yaml"));
        let output = check.arg("--scenarios").arg(shop.join("scenarios")).env_clear().output().unwrap();
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{}: {said}{errors}", shop.display());
        let told = format!("{} scenarios come out as told\n", stories(&shop).len());
        assert!(said.ends_with(&told), "{}: {said}", shop.display());
    }
}

#[test]
fn every_policy_of_an_example_speaks_in_one_of_its_stories() {
    for shop in shops() {
        let (config, _) = Config::load(&shop.join("orderwatch.yaml")).unwrap();
        let stories = stories(&shop);
        let policies = &config.policies;
        let slas = policies.slas.iter().map(|sla| &sla.id);
        let ids = slas.chain(policies.queues().map(|b| &b.id)).chain(policies.checks.iter().map(|c| &c.id));
        for id in ids {
            let speaks = |story: &String| {
                story.contains(&format!("policy: {id},")) || story.contains(&format!("policy: {id}}}"))
            };
            assert!(stories.iter().any(speaks), "{}: no story is about {id}", shop.display());
        }
    }
}
