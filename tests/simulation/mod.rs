//! The simulation: the live run's shards, batches and recovery among processes that crash, pause and lose their shards, on
//! a Kafka of the mind, held against an oracle that shares no code with the engine.
//!
//! A seed is a run, to the letter. A run that fails prints its seed; `ORDERWATCH_SIM_SEED=n` runs that one alone, and
//! `ORDERWATCH_SIM_RUNS=n` runs so many.
//!
//! - `world`: who does what when; `faults`: what befalls them; `shop`: the events; `broker`: Kafka
//! - `process`: orderwatch, with `batch`, what it commits, and `copy`, its snapshots, which lie on the `shelf`
//! - `policies`: the documents, which `edits` changes and `deploys` rolls out; `eras`: which of them judges, since when
//! - `retention`: restores of inputs whose beginning is gone, one by one; `parked`: of shards that wait in memory
//! - `side_by_side`: shards whose turns are done by threads of their own
//! - `truth`: what must hold afterwards, and `judged`, what of edits; `log`: what a run left behind; `words`: for people
//! - `oracle`: what stands, as a plain function of all the records

mod batch;
mod broker;
mod copy;
mod deploys;
mod edits;
mod eras;
mod faults;
mod judged;
mod log;
mod oracle;
mod parked;
mod policies;
mod process;
mod retention;
#[path = "../support/rng.rs"]
pub mod rng;
mod shelf;
mod shop;
mod side_by_side;
mod truth;
mod words;
mod world;

use std::time::Instant;

use crate::config::Delivery;
use crate::guard::{Guard, without};

use world::{Outcome, Scenario, run};

/// Runs of each kind in `make test`.
const RUNS: u64 = 150;
/// How many seeds a guard that is off may need until it is noticed.
const NOTICED_WITHIN: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn plain(seed: u64, delivery: Delivery) -> Scenario {
    Scenario { seed, delivery, edits: false }
}

fn edited(seed: u64, delivery: Delivery) -> Scenario {
    Scenario { seed, delivery, edits: true }
}

fn all_clean(scenario: fn(u64, Delivery) -> Scenario, delivery: Delivery) {
    let began = Instant::now();
    let seeds = match number("ORDERWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ORDERWATCH_SIM_RUNS").unwrap_or(RUNS),
    };
    let mut sum = Outcome::default();
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        match run(scenario(seed, delivery)) {
            Ok(outcome) => {
                sum.steps += outcome.steps;
                sum.crashes += outcome.crashes;
                sum.rebalances += outcome.rebalances;
                sum.cuts += outcome.cuts;
                sum.states += outcome.states;
                sum.batches += outcome.batches;
            }
            Err(wrong) => failed.push((seed, wrong)),
        }
    }
    let edits = if scenario(0, delivery).edits { ", edited" } else { "" };
    println!("{delivery:?}{edits}, seeds {seeds:?} in {:.1} s: {sum:?}", began.elapsed().as_secs_f64());
    for (seed, wrong) in failed.iter().take(3) {
        println!("seed {seed}: {wrong}\n");
    }
    let numbers: Vec<u64> = failed.iter().map(|(seed, _)| *seed).collect();
    assert!(failed.is_empty(), "{} seeds are wrong: {numbers:?}", failed.len());
    assert!(sum.states > 0 && sum.crashes > 0, "nothing happened: {sum:?}");
}

#[test]
fn exactly_once_agrees_with_the_oracle() {
    all_clean(plain, Delivery::ExactlyOnce);
}

#[test]
fn at_least_once_repeats_and_never_invents() {
    all_clean(plain, Delivery::AtLeastOnce);
}

#[test]
fn edited_policies_agree_with_the_oracle() {
    all_clean(edited, Delivery::ExactlyOnce);
}

#[test]
fn edited_policies_at_least_once_never_invent() {
    all_clean(edited, Delivery::AtLeastOnce);
}

/// A check that cannot fail proves nothing.
fn is_noticed(guard: Guard, scenario: fn(u64, Delivery) -> Scenario, delivery: Delivery) {
    let began = Instant::now();
    let wrong = (0..NOTICED_WITHIN)
        .find_map(|seed| without(guard, || run(scenario(seed, delivery))).err().map(|wrong| (seed, wrong)));
    let (seed, wrong) = wrong.unwrap_or_else(|| panic!("nobody notices that {guard:?} is off"));
    let first = wrong.lines().next().unwrap_or_default();
    println!("{guard:?} off: noticed at seed {seed} after {:.1} s: {first}", began.elapsed().as_secs_f64());
}

#[test]
fn a_frontier_that_ignores_inputs_is_noticed() {
    is_noticed(Guard::FrontierOverAllInputs, plain, Delivery::ExactlyOnce);
}

#[test]
fn offsets_before_outputs_are_noticed() {
    is_noticed(Guard::OutputsBeforeOffsets, plain, Delivery::AtLeastOnce);
}

#[test]
fn a_snapshot_without_its_tombstones_is_noticed() {
    is_noticed(Guard::SnapshotKeepsTombstones, plain, Delivery::ExactlyOnce);
}

#[test]
fn a_restore_that_speaks_is_noticed() {
    is_noticed(Guard::RestoreIsMuted, plain, Delivery::ExactlyOnce);
}

#[test]
fn a_published_set_ahead_of_its_transaction_is_noticed() {
    is_noticed(Guard::PublishedOnceCommitted, plain, Delivery::ExactlyOnce);
}

#[test]
fn a_restore_that_stops_at_the_end_that_it_sees_is_noticed() {
    is_noticed(Guard::ReadBackToTheNamedPosition, plain, Delivery::ExactlyOnce);
}

#[test]
fn an_end_too_late_that_counts_before_it_is_due_is_noticed() {
    is_noticed(Guard::TooLateIsOverOnceDue, edited, Delivery::ExactlyOnce);
}

#[test]
fn documents_that_are_not_read_back_as_committed_are_noticed() {
    is_noticed(Guard::DocumentsAsCommitted, plain, Delivery::ExactlyOnce);
}

#[test]
fn a_checkout_that_is_taken_for_an_order_is_noticed() {
    is_noticed(Guard::EntitiesApart, plain, Delivery::ExactlyOnce);
}

/// `ORDERWATCH_SIM_SEED=n ORDERWATCH_SIM_ORDER=o-1 cargo test --lib simulation::look -- --ignored --nocapture`
#[test]
#[ignore = "for those who look into a run"]
fn look() {
    let seed = number("ORDERWATCH_SIM_SEED").unwrap_or(0);
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        println!("{delivery:?}: {:?}", run(plain(seed, delivery)));
        println!("{delivery:?}, edited: {:?}", run(edited(seed, delivery)));
    }
}
