use proptest::prelude::*;

use super::*;

const A: StreamId = StreamId(0);
const B: StreamId = StreamId(1);
const CLOCK: Timestamp = Timestamp::from_millis(1_000_000);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn two_inputs() -> Frontier {
    let mut frontier = Frontier::new(2);
    frontier.assign(A, 0, EffectiveTime::default());
    frontier.assign(B, 0, EffectiveTime::default());
    frontier
}

fn ends(high: i64) -> Ends {
    Ends { high, stable: high }
}

#[test]
fn is_the_least_of_all_inputs_while_behind() {
    let mut frontier = two_inputs();
    frontier.read(A, 0, Some(at(500)), CLOCK);
    assert_eq!(frontier.advance(), None, "B has shown nothing");
    frontier.read(B, 0, Some(at(300)), CLOCK);
    assert_eq!(frontier.advance(), Some(at(300)));
    frontier.read(B, 1, Some(at(900)), CLOCK);
    assert_eq!(frontier.advance(), Some(at(500)));
    assert_eq!(frontier.held(), Some((A, HeldCause::Behind)));
}

#[test]
fn an_input_that_is_not_assigned_stops_it() {
    let mut frontier = Frontier::new(2);
    frontier.assign(A, 0, EffectiveTime::default());
    frontier.ends(A, ends(0), Some(at(700)));
    assert_eq!((frontier.advance(), frontier.is_whole()), (None, false));
    assert_eq!(frontier.held(), Some((B, HeldCause::NotAssigned)));
}

#[test]
fn at_the_high_watermark_it_is_the_moment_of_the_query() {
    let mut frontier = two_inputs();
    frontier.read(A, 0, Some(at(100)), CLOCK);
    frontier.ends(A, ends(1), Some(at(5_000)));
    frontier.ends(B, ends(0), Some(at(5_000)));
    assert_eq!((frontier.advance(), frontier.held()), (Some(at(5_000)), None));
    // A record that was made before and came after is late and moves nothing.
    assert_eq!(frontier.read(A, 1, Some(at(4_000)), CLOCK), at(4_000));
    assert_eq!(frontier.advance(), Some(at(5_000)));
}

#[test]
fn transaction_markers_count_as_read() {
    let mut frontier = two_inputs();
    frontier.ends(B, ends(0), Some(at(5_000)));
    frontier.read(A, 0, Some(at(100)), CLOCK);
    frontier.ends(A, ends(2), Some(at(5_000)));
    assert_eq!(frontier.advance(), Some(at(100)));
    frontier.moved(A, 2);
    frontier.ends(A, ends(2), Some(at(6_000)));
    frontier.ends(B, ends(0), Some(at(6_000)));
    assert_eq!(frontier.advance(), Some(at(6_000)));
}

#[test]
fn an_open_transaction_upstream_holds_it_and_says_so() {
    let mut frontier = two_inputs();
    frontier.ends(A, ends(0), Some(at(1_000)));
    frontier.ends(B, ends(0), Some(at(1_000)));
    frontier.ends(A, Ends { high: 3, stable: 0 }, Some(at(2_000)));
    frontier.ends(B, ends(0), Some(at(2_000)));
    assert_eq!(frontier.advance(), Some(at(1_000)));
    assert_eq!(frontier.held(), Some((A, HeldCause::OpenTransaction)));
    frontier.ends(A, Ends { high: 4, stable: 4 }, Some(at(3_000)));
    assert_eq!(frontier.held(), Some((A, HeldCause::Behind)));
}

#[test]
fn the_broker_and_the_clock_hold_it() {
    let mut frontier = two_inputs();
    frontier.ends(A, ends(0), Some(at(1_000)));
    frontier.ends(B, ends(0), Some(at(1_000)));
    frontier.unreachable();
    assert_eq!((frontier.advance(), frontier.held()), (Some(at(1_000)), Some((A, HeldCause::BrokerUnreachable))));
    frontier.ends(A, ends(0), None);
    frontier.ends(B, ends(0), None);
    assert_eq!((frontier.advance(), frontier.held()), (Some(at(1_000)), Some((A, HeldCause::ClockHold))));
}

#[test]
fn a_record_time_ahead_of_the_clock_counts_for_nothing() {
    let mut frontier = two_inputs();
    frontier.read(B, 0, Some(at(900)), CLOCK);
    assert_eq!(frontier.read(A, 0, Some(at(2_000_000)), CLOCK), Timestamp::MIN);
    assert_eq!(frontier.advance(), None, "A has shown no time");
    assert_eq!(frontier.read(A, 1, Some(at(700)), CLOCK), at(700));
    assert_eq!(frontier.read(A, 2, Some(at(2_000_000)), CLOCK), at(700));
    assert_eq!(frontier.read(A, 3, None, CLOCK), at(700), "a record without a time has its forerunner's");
    assert_eq!(frontier.advance(), Some(at(700)), "the partition keeps its guard");
    assert_eq!(frontier.position(A), Some(4));
}

#[test]
fn a_restart_goes_on_from_maxima_and_the_committed_frontier() {
    let mut frontier = two_inputs();
    frontier.read(A, 0, Some(at(500)), CLOCK);
    frontier.read(B, 0, Some(at(400)), CLOCK);
    let mut again = Frontier::new(2);
    again.assign(A, 1, frontier.effective(A));
    again.assign(B, 1, frontier.effective(B));
    again.restore(at(450));
    assert_eq!(again.reached(), Some(at(450)));
    assert_eq!(again.advance(), Some(at(450)), "never back to 400");
    assert_eq!(again.read(A, 1, Some(at(100)), CLOCK), at(500), "the maximum was kept");
}

/// What may happen to a log of three partitions and its reader.
#[derive(Clone, Debug)]
enum Step {
    Pass(i64),
    Write(u16),
    Marker(u16),
    Read(u16),
    Ask(u16),
    Advance,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0i64..50).prop_map(Step::Pass),
        (0u16..3).prop_map(Step::Write),
        (0u16..3).prop_map(Step::Marker),
        (0u16..3).prop_map(Step::Read),
        (0u16..3).prop_map(Step::Ask),
        Just(Step::Advance),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    /// With honest producers, no record that is still unread has an effective time below the frontier, and the
    /// frontier never goes back.
    #[test]
    fn everything_below_the_frontier_has_been_read(steps in steps()) {
        let mut frontier = Frontier::new(3);
        // Each partition's log: a record's time, or a marker.
        let mut logs: [Vec<Option<Timestamp>>; 3] = Default::default();
        let mut read = [0usize; 3];
        let mut now = at(0);
        for stream in 0..3 {
            frontier.assign(StreamId(stream), 0, EffectiveTime::default());
        }
        for step in steps {
            match step {
                Step::Pass(ms) => now = now + crate::domain::Millis::new(ms),
                Step::Write(p) => logs[usize::from(p)].push(Some(now)),
                Step::Marker(p) => logs[usize::from(p)].push(None),
                Step::Read(p) => {
                    let at = &mut read[usize::from(p)];
                    let Some(entry) = logs[usize::from(p)].get(*at) else { continue };
                    match entry {
                        Some(time) => { frontier.read(StreamId(p), *at as i64, Some(*time), now); }
                        None => frontier.moved(StreamId(p), *at as i64 + 1),
                    }
                    *at += 1;
                }
                Step::Ask(p) => {
                    let high = logs[usize::from(p)].len() as i64;
                    frontier.ends(StreamId(p), ends(high), Some(now));
                }
                Step::Advance => {
                    let before = frontier.reached();
                    let Some(reached) = frontier.advance() else { continue };
                    prop_assert!(Some(reached) >= before);
                    for (log, read) in logs.iter().zip(read) {
                        let unread = log.iter().skip(read).flatten().find(|time| **time < reached);
                        prop_assert_eq!(unread, None, "unread below {}", reached);
                    }
                }
            }
        }
    }
}
