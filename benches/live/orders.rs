//! Orders that carry their own promise, and the policy that watches it.

use orderwatch::domain::Timestamp;

use super::now_ms;
use crate::support::Message;

/// Each order carries its own promise.
pub const POLICIES: &str = "slas:\n  - {id: shipped-as-promised, start: order.placed, stop: fulfillment.shipped, \
     target: promised_ship_by,\n     severity: critical, owner: desk, route: desk, expected_outcome: \"shipped\"}\n";

/// The promise of orders that stay open.
pub const FAR_OFF_MS: i64 = 30 * 86_400_000;

/// Orders that were placed and paid within the last hour, one after the other, and stay open: their promise lies far off.
pub fn open(orders: u64, shards: i32) -> impl Iterator<Item = Message> {
    const HOUR_MS: i64 = 3_600_000;
    let now = now_ms();
    let orders = i64::try_from(orders).expect("a number of orders");
    (0..orders).flat_map(move |number| {
        let at = now - HOUR_MS + HOUR_MS * number / orders;
        let (id, shard) = (format!("o-{number:07}"), shard_of(number, shards));
        [placed(&id, shard, at, at + FAR_OFF_MS), captured(&id, shard, at)]
    })
}

pub fn shard_of(number: i64, shards: i32) -> i32 {
    i32::try_from(number % i64::from(shards)).expect("a shard")
}

pub fn placed(id: &str, shard: i32, at_ms: i64, promised_ms: i64) -> Message {
    let (at, promised) = (Timestamp::from_millis(at_ms), Timestamp::from_millis(promised_ms));
    let value = format!(
        r#"{{"event_id":"{id}-1","order_id":"{id}","type":"order.placed","event_time":"{at}","source":"webshop","total":{{"amount_minor":6150,"currency":"EUR"}},"lines":[{{"sku":"lamp","quantity":1}},{{"sku":"rug","quantity":2}}],"promised_ship_by":"{promised}","attributes":{{"channel":"web","region":"DE","warehouse":"BER-1"}}}}"#
    );
    Message::to("orders").partition(shard).key(id).value(value).at(at_ms)
}

pub fn captured(id: &str, shard: i32, at_ms: i64) -> Message {
    let at = Timestamp::from_millis(at_ms);
    let value = format!(
        r#"{{"event_id":"{id}-2","order_id":"{id}","type":"payment.captured","event_time":"{at}","source":"psp","payment_id":"p-{id}","amount":{{"amount_minor":6150,"currency":"EUR"}}}}"#
    );
    Message::to("payments").partition(shard).key(id).value(value).at(at_ms)
}

/// `fulfillment.shipped` or `fulfillment.delivered`, of all lines.
pub fn parcel(id: &str, shard: i32, kind: &str, at_ms: i64) -> Message {
    let at = Timestamp::from_millis(at_ms);
    let value = format!(
        r#"{{"event_id":"{id}-{kind}","order_id":"{id}","type":"fulfillment.{kind}","event_time":"{at}","source":"wms","fulfillment_id":"f-{id}","lines":[{{"sku":"lamp","quantity":1}},{{"sku":"rug","quantity":2}}]}}"#
    );
    Message::to("fulfillments").partition(shard).key(id).value(value).at(at_ms)
}
