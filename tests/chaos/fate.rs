//! What befalls an order, decided by the seed and the order's number before anything is sent.

use super::random::Random;

pub const PLACED: &str = "order.placed";
pub const CANCELLED: &str = "order.cancelled";
pub const CAPTURED: &str = "payment.captured";
pub const SHIPPED: &str = "fulfillment.shipped";

/// An event of an order; times are in milliseconds after the order's birth.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub kind: &'static str,
    /// Its event_time.
    pub at: i64,
    /// When it is sent: at that time, or later where it is evidence that comes late.
    pub sent: i64,
    pub way: Way,
}

/// How an event comes into its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    /// In an upstream transaction that commits.
    Committed,
    /// In an upstream transaction that is aborted: nobody may ever know of it.
    Aborted,
}

/// An order and all that will be told of it.
#[derive(Clone, Debug)]
pub struct Story {
    pub fate: &'static str,
    pub events: Vec<Planned>,
}

#[derive(Clone, Copy)]
enum Paid {
    InTime,
    OnTheDot,
    JustLate,
    Late,
    Never,
    CancelledInTime,
    CancelledLate,
    ToldLate,
    CancelToldLate,
    LateThenCancelTold,
    CancelledBetweenToldLate,
    CancelledThenPaidTold,
    PlacedEarlierToldLate,
    PlacedToldAfterPayment,
    Aborted,
}

const FATES: &[(Paid, i64)] = &[
    (Paid::InTime, 30),
    (Paid::OnTheDot, 2),
    (Paid::JustLate, 3),
    (Paid::Late, 15),
    (Paid::Never, 10),
    (Paid::CancelledInTime, 5),
    (Paid::CancelledLate, 8),
    (Paid::ToldLate, 8),
    (Paid::CancelToldLate, 4),
    (Paid::LateThenCancelTold, 3),
    (Paid::CancelledBetweenToldLate, 3),
    (Paid::CancelledThenPaidTold, 3),
    (Paid::PlacedEarlierToldLate, 2),
    (Paid::PlacedToldAfterPayment, 2),
    (Paid::Aborted, 2),
];

/// Time to pay and to ship; the policies say the same.
pub const PAID_WITHIN_MS: i64 = 3_000;
pub const SHIPPED_WITHIN_MS: i64 = 4_000;
/// What a breach told at once lies behind its deadline, so that frontiers come in between.
const WELL_LATE_MS: i64 = 700;

/// The order of that number.
pub fn story(seed: u64, number: usize) -> Story {
    let random = &mut Random::new(seed, 1 + number as u64);
    let (fate, mut events) = paid(random);
    if let Some(captured) = events.iter().find(|event| event.kind == CAPTURED && event.way != Way::Aborted) {
        events.extend(shipped(random, captured.at));
    }
    for event in &mut events {
        if event.way == Way::Plain && random.chance(5) {
            event.way = Way::Committed;
        }
    }
    if random.chance(10)
        && let Some(event) = random.pick(&events).copied()
        && event.way != Way::Aborted
    {
        // A repeat: the same event is told once more, by whichever way.
        events.push(Planned { sent: event.sent + random.between(0, 6_000), ..event });
    }
    Story { fate, events }
}

fn paid(random: &mut Random) -> (&'static str, Vec<Planned>) {
    const DUE: i64 = PAID_WITHIN_MS;
    let placed = at(PLACED, 0);
    let in_time = random.between(200, DUE - 100);
    let late = random.between(DUE + WELL_LATE_MS, DUE + 6_000);
    let told_late = random.between(DUE + 1_500, DUE + 11_000);
    match random.weighted(FATES) {
        Paid::InTime => ("paid in time", vec![placed, at(CAPTURED, in_time)]),
        Paid::OnTheDot => ("paid on the dot", vec![placed, at(CAPTURED, DUE)]),
        Paid::JustLate => ("paid just late", vec![placed, at(CAPTURED, DUE + 1)]),
        Paid::Late => ("paid late", vec![placed, at(CAPTURED, late)]),
        Paid::Never => ("never paid", vec![placed]),
        Paid::CancelledInTime => ("cancelled in time", vec![placed, at(CANCELLED, in_time)]),
        Paid::CancelledLate => ("cancelled late", vec![placed, at(CANCELLED, late)]),
        Paid::ToldLate => ("paid in time, told late", vec![placed, told(CAPTURED, in_time, told_late)]),
        Paid::CancelToldLate => ("cancelled in time, told late", vec![placed, told(CANCELLED, in_time, told_late)]),
        Paid::LateThenCancelTold => {
            let cancel = told(CANCELLED, in_time, late + random.between(500, 5_000));
            ("paid late, then a cancel in time is told", vec![placed, at(CAPTURED, late), cancel])
        }
        Paid::CancelledBetweenToldLate => {
            let cancel = told(CANCELLED, DUE + 300, late + random.between(500, 5_000));
            ("paid late, then an earlier late cancel is told", vec![placed, at(CAPTURED, late), cancel])
        }
        Paid::CancelledThenPaidTold => {
            let captured = told(CAPTURED, DUE + 300, late + random.between(500, 5_000));
            ("cancelled late, then an earlier late payment is told", vec![placed, at(CANCELLED, late), captured])
        }
        Paid::PlacedEarlierToldLate => {
            ("never paid, then placed earlier than told", vec![placed, told(PLACED, -1_500, told_late)])
        }
        Paid::PlacedToldAfterPayment => {
            ("placed, told after the payment", vec![at(CAPTURED, 100), told(PLACED, 0, told_late)])
        }
        Paid::Aborted => {
            let aborted = Planned { way: Way::Aborted, ..at(CAPTURED, in_time) };
            ("paid in a transaction that was aborted", vec![placed, aborted])
        }
    }
}

fn shipped(random: &mut Random, captured: i64) -> Option<Planned> {
    let due = captured + SHIPPED_WITHIN_MS;
    let in_time = random.between(captured + 300, due - 100);
    match random.between(1, 10) {
        1..=5 => Some(at(SHIPPED, in_time)),
        6 | 7 => Some(at(SHIPPED, random.between(due + WELL_LATE_MS, due + 5_000))),
        8 => Some(told(SHIPPED, in_time, random.between(due + 1_500, due + 9_000))),
        _ => None,
    }
}

fn at(kind: &'static str, at: i64) -> Planned {
    told(kind, at, at)
}

fn told(kind: &'static str, at: i64, sent: i64) -> Planned {
    Planned { kind, at, sent, way: Way::Plain }
}
