//! One case of the [`super::office`]: what is told of it, minute by minute.

use crate::domain::Timestamp;

use super::office::{CHECKOUTS, INVENTORY, Office};
use super::shop::ShopEvent;

/// The thing that every case is about, and where it lies.
const SKU: &str = "globe";
const WAREHOUSE: &str = "LYS-2";
/// What a globe costs, in cents.
const PRICE: i64 = 4900;

pub(super) fn placed(promised: Timestamp, pieces: i64) -> String {
    let total = PRICE * pieces;
    format!(
        r#","total":{{"amount_minor":{total},"currency":"EUR"}},"lines":[{{"sku":"{SKU}","quantity":{pieces}}}],"promised_deliver_by":"{promised}","attributes":{{"channel":"web","region":"FR","warehouse":"{WAREHOUSE}"}}"#
    )
}

pub(super) fn captured(kind: &str, pieces: i64) -> String {
    let total = PRICE * pieces;
    format!(r#","payment_id":"p-{kind}","amount":{{"amount_minor":{total},"currency":"EUR"}}"#)
}

pub(super) fn parcel(pieces: i64) -> String {
    format!(r#","fulfillment_id":"f-1","lines":[{{"sku":"{SKU}","quantity":{pieces}}}]"#)
}

/// The events of one case. Minutes count from its hour's beginning.
pub(super) struct Case {
    pub(super) office: Office,
    pub(super) began: Timestamp,
    pub(super) order_id: String,
    pub(super) kind: String,
    pub(super) pieces: i64,
    pub(super) events: Vec<ShopEvent>,
}

impl Case {
    pub(super) fn placed(&mut self, minute: i64) {
        let promised = self.at(minute + 90);
        self.order(minute, "order.placed", "webshop", &placed(promised, self.pieces));
        let captured = captured(&self.kind, self.pieces);
        self.event(self.at(minute + 1), "payments", "payment.captured", "psp", &captured);
    }

    pub(super) fn shipped(&mut self, minute: i64) {
        let parcel = parcel(self.pieces);
        self.event(self.at(minute), "fulfillments", "fulfillment.shipped", "wms", &parcel);
        self.event(self.at(minute + 12), "fulfillments", "fulfillment.delivered", "carrier", &parcel);
    }

    pub(super) fn order(&mut self, minute: i64, kind: &str, source: &str, rest: &str) {
        self.event(self.at(minute), "orders", kind, source, rest);
    }

    pub(super) fn at(&self, minute: i64) -> Timestamp {
        self.began + self.office.minutes(minute)
    }

    pub(super) fn event(&mut self, at: Timestamp, topic: &'static str, kind: &str, source: &str, rest: &str) {
        let id = self.order_id.clone();
        let rest = format!(r#""order_id":"{id}","source":"{source}"{rest}"#);
        self.tell(at, topic, id, kind, &rest);
    }

    pub(super) fn checkout(&mut self, minute: i64, kind: &str, rest: &str) {
        let id = format!("c-{}", self.order_id.trim_start_matches("o-"));
        let rest = format!(r#""checkout_id":"{id}","source":"webshop"{rest}"#);
        self.tell(self.at(minute), CHECKOUTS, id, kind, &rest);
    }

    pub(super) fn stock(&mut self, minute: i64, kind: &str, pieces: &str) {
        let rest = format!(r#""sku":"{SKU}","source":"wms","location":"{WAREHOUSE}",{pieces}"#);
        self.tell(self.at(minute), INVENTORY, SKU.to_owned(), kind, &rest);
    }

    fn tell(&mut self, at: Timestamp, topic: &'static str, key: String, kind: &str, rest: &str) {
        let (id, number) = (&self.order_id, self.events.len() + 1);
        let payload = format!(r#"{{"event_id":"{id}-{number}","type":"{kind}","event_time":"{at}",{rest}}}"#);
        let told = at.max(self.office.opened_at);
        self.events.push(ShopEvent { at: told, topic, order_id: key, payload });
    }
}
