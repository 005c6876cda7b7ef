//! The shop's policies. Their durations are counted in minutes of the shop.

use crate::domain::Millis;

/// A promise: minutes from its start to the deadline, to the warning, and from the deadline to the escalation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    /// The policy's id.
    pub id: &'static str,
    /// Minutes to the deadline.
    pub target: i64,
    /// Percent of the target at which it is at risk.
    pub warn_at: u8,
    /// Minutes from the deadline to the escalation.
    pub escalate_after: i64,
}

/// order.placed to order.paid_in_full.
pub const PAID: Promise = Promise { id: "paid-in-5m", target: 5, warn_at: 60, escalate_after: 10 };
/// order.paid_in_full to order.fully_shipped, without the time on hold.
pub const SHIPPED: Promise = Promise { id: "shipped-in-20m", target: 20, warn_at: 75, escalate_after: 15 };
/// order.placed to fulfillment.delivered, by the promised date.
pub const DELIVERED: &str = "delivered-as-promised";
/// The backlog.
pub const AWAITING_SHIPMENT: &str = "awaiting-shipment";
/// The check on captured money.
pub const AMOUNT_MISMATCH: &str = "amount-mismatch";
/// The check on the order of things.
pub const SHIPPED_BEFORE_PAYMENT: &str = "shipped-before-payment";
/// Minutes for which a finding must hold.
pub const SETTLE: i64 = 1;

/// What is promised beside this: `calendars:` with its key, and entries of `slas:` and `checks:`.
#[derive(Clone, Default, Debug)]
pub struct Extra {
    /// Nothing, or the whole section.
    pub calendars: String,
    /// SLAs, as lines.
    pub slas: String,
    /// Checks, as lines.
    pub checks: String,
}

/// policies.yaml for a shop whose minute takes `minute` (whole seconds).
pub fn yaml(minute: Millis) -> String {
    yaml_with(minute, &Extra::default())
}

/// The same, with more in it.
pub fn yaml_with(minute: Millis, extra: &Extra) -> String {
    let m = |minutes: i64| format!("{}s", minutes * minute.get() / 1000);
    let (paid, shipped) = (PAID, SHIPPED);
    format!(
        r#"{calendars}slas:
  - {{id: {paid_id}, start: order.placed, stop: order.paid_in_full, cancel_on: [order.cancelled],
     target: {paid_target}, warn_at: [{paid_warn}%], escalate_after: [{paid_escalate}],
     severity: critical, owner: payments-team, route: payments-oncall,
     expected_outcome: "Payment captured in full, or the order cancelled"}}
  - {{id: {shipped_id}, start: order.paid_in_full, stop: order.fully_shipped, cancel_on: [order.cancelled],
     pause: {{from: order.held, until: order.released}},
     target: {shipped_target}, warn_at: [{shipped_warn}%], escalate_after: [{shipped_escalate}],
     severity: warning, owner: warehouse-leads, route: ops,
     expected_outcome: "Parcel handed to the carrier"}}
  - {{id: {DELIVERED}, start: order.placed, stop: fulfillment.delivered, cancel_on: [order.cancelled],
     target: promised_deliver_by,
     severity: warning, owner: customer-care, route: carrier-desk,
     expected_outcome: "Parcel delivered, or the customer told"}}
{slas}backlogs:
  - {{id: {AWAITING_SHIPMENT}, from: order.paid_in_full, until: order.fully_shipped,
     exclude_between: {{from: order.held, until: order.released}}, group_by: [warehouse],
     open_when: {{depth: 24, for: {held_for}}}, clear_when: {{depth: 18, for: {held_for}}},
     severity: warning, owner: warehouse-leads, route: ops,
     expected_outcome: "People moved to the packing line"}}
checks:
  - {{check: amount_mismatch, tolerance_minor: 1, settle: {settle},
     severity: warning, owner: finance, route: recon, expected_outcome: "Difference explained or refunded"}}
  - {{check: shipped_before_payment, settle: {settle},
     severity: critical, owner: finance, route: recon, expected_outcome: "Payment found, or the parcel called back"}}
{checks}"#,
        calendars = extra.calendars,
        slas = extra.slas,
        checks = extra.checks,
        paid_id = paid.id,
        paid_target = m(paid.target),
        paid_warn = paid.warn_at,
        paid_escalate = m(paid.escalate_after),
        shipped_id = shipped.id,
        shipped_target = m(shipped.target),
        shipped_warn = shipped.warn_at,
        shipped_escalate = m(shipped.escalate_after),
        held_for = m(2),
        settle = m(SETTLE),
    )
}
