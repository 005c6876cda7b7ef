use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{OrderQuestion, Orders, Server};
use crate::domain::Timestamp;
use crate::engine::HeldCause;
use crate::telemetry::names::{METRICS, MetricKind};
use crate::telemetry::{Health, Held, InputStatus, MetricsHandle, RestoreStatus, ShardState};

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

async fn ask(address: SocketAddr, request: &str) -> io::Result<Answer> {
    ask_with(address, request, "").await
}

async fn ask_with(address: SocketAddr, request: &str, headers: &str) -> io::Result<Answer> {
    let mut socket = TcpStream::connect(address).await?;
    let text = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close{headers}\r\n\r\n");
    socket.write_all(text.as_bytes()).await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other(text.clone()))?;
    let status =
        head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| io::Error::other(head.to_owned()))?;
    Ok(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

async fn start(health: &Arc<Health>) -> Server {
    Server::start("127.0.0.1:0", Arc::clone(health), MetricsHandle::for_tests(Arc::clone(health)), Orders::new(None).0)
        .await
        .unwrap()
}

fn health() -> Arc<Health> {
    Arc::new(Health::new("orderwatch".into()))
}

#[tokio::test]
async fn ready_means_joined_with_or_without_shards() {
    let health = health();
    let server = start(&health).await;
    assert_ne!(server.address().port(), 0);

    assert_eq!(ask(server.address(), "GET /healthz").await.unwrap().status, 200);
    let before = ask(server.address(), "GET /readyz").await.unwrap();
    assert_eq!(before.status, 503);
    assert!(before.head.contains("content-type: application/problem+json"), "{}", before.head);
    let body = before.json();
    assert_eq!((body["status"].as_u64(), body["ready"].as_bool()), (Some(503), Some(false)));
    assert!(body["detail"].as_str().unwrap().contains("not joined the consumer group `orderwatch`"), "{body}");

    health.set_joined(true);
    let after = ask(server.address(), "GET /readyz").await.unwrap();
    assert_eq!(after.status, 200);
    assert_eq!(after.json()["shards"], serde_json::json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_loop_that_does_not_turn_is_neither_alive_nor_ready() {
    let health = Arc::new(Health::made_before("orderwatch".into(), std::time::Duration::from_secs(21)));
    health.set_joined(true);
    let server = start(&health).await;
    for path in ["GET /healthz", "GET /readyz"] {
        let answer = ask(server.address(), path).await.unwrap();
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("has not turned for 21 s"), "{}", answer.body);
    }
    health.beat();
    assert_eq!(ask(server.address(), "GET /healthz").await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_body_says_what_each_shard_does_and_what_to_read() {
    let health = health();
    health.set_joined(true);
    health.set_policies("0123456789ab".into(), Some(7));
    health.set_note("policies", Some("revision 6 is lower than 7: not used".into()));
    health.update_shard(3, |s| {
        s.state = ShardState::Restoring;
        s.frontier = Some(Timestamp::from_millis(1_763_719_200_000));
        s.held = Some(Held { cause: HeldCause::OpenTransaction, note: "payments[3] at offset 12".into() });
        s.restore = Some(RestoreStatus { step: "inputs", done: 10, total: Some(40) });
        s.inputs = vec![InputStatus { topic: "payments".into(), lag_records: Some(30) }];
    });
    let server = start(&health).await;
    let body = ask(server.address(), "GET /readyz").await.unwrap().json();
    let shard = &body["shards"][0];
    assert_eq!(shard["shard"], 3);
    assert_eq!(shard["state"], "restoring");
    assert_eq!(shard["frontier"], "2025-11-21T10:00:00.000Z");
    assert!(shard["lag_ms"].as_i64().unwrap() > 0);
    assert_eq!(shard["held"]["cause"], "open_transaction");
    assert_eq!(shard["restore"], serde_json::json!({"step": "inputs", "done": 10, "total": 40}));
    assert_eq!(shard["inputs"], serde_json::json!([{"topic": "payments", "lag_records": 30}]));
    assert_eq!(body["policies"], serde_json::json!({"version": "0123456789ab", "revision": 7}));
    assert_eq!(body["notes"]["policies"], "revision 6 is lower than 7: not used");
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document() {
    let server = start(&health()).await;
    for (request, status) in [("GET /nowhere", 404), ("POST /healthz", 405)] {
        let answer = ask(server.address(), request).await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
        let body = answer.json();
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["status"], status);
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_prometheus_text_with_the_process_and_every_plain_counter() {
    let health = health();
    health.set_policies("0123456789ab".into(), None);
    let server = start(&health).await;
    let answer = ask(server.address(), "GET /metrics").await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let text = &answer.body;
    for metric in METRICS.iter().filter(|m| m.kind == MetricKind::Counter && m.labels.is_empty()) {
        assert!(text.contains(&format!("\n{} ", metric.name)), "{} is missing", metric.name);
    }
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
    assert!(text.contains("orderwatch_policies_info{version=\"0123456789ab\"} 1\n"), "{text}");
    assert!(text.contains(&format!("orderwatch_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))));
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_had_says_which_and_what_to_do() {
    let health = health();
    let server = start(&health).await;
    let metrics = MetricsHandle::for_tests(Arc::clone(&health));
    let taken = server.address().to_string();
    let error =
        Server::start(&taken, Arc::clone(&health), metrics.clone(), Orders::new(None).0).await.unwrap_err().to_string();
    assert!(error.contains(&taken) && error.contains("another process has it"), "{error}");
    let error = Server::start("8080", health, metrics, Orders::new(None).0).await.unwrap_err().to_string();
    assert!(error.contains("write `host:port`"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn an_order_is_asked_of_the_loop_by_whoever_shows_the_token() {
    let health = health();
    let metrics = MetricsHandle::for_tests(Arc::clone(&health));
    let (orders, questions) = Orders::new(Some("s3cret"));
    let server = Server::start("127.0.0.1:0", health, metrics, orders).await.unwrap();
    let answering = std::thread::spawn(move || {
        let mut questions = questions.iter();
        let asked = questions.by_ref().take(1);
        asked.for_each(|OrderQuestion { entity, id, reply }| {
            assert_eq!((&*entity, &*id), ("order", "o 1"));
            reply.send(None).unwrap();
        });
        questions.take(1).for_each(|OrderQuestion { entity, id, reply }| {
            assert_eq!((&*entity, &*id), ("checkout", "c/1"));
            reply.send(None).unwrap();
        });
    });
    for wrong in ["", "\r\nAuthorization: Bearer other", "\r\nAuthorization: s3cret"] {
        let answer = ask_with(server.address(), "GET /api/v1/orders/o%201", wrong).await.unwrap();
        assert_eq!(answer.status, 401, "{wrong}");
    }
    let right = "\r\nAuthorization: Bearer s3cret";
    let answer = ask_with(server.address(), "GET /api/v1/orders/o%201", right).await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(answer.json()["detail"].as_str().unwrap().contains("order o 1 is not known"), "{}", answer.body);
    let answer = ask_with(server.address(), "GET /api/v1/entities/checkout/c%2F1", right).await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(answer.json()["detail"].as_str().unwrap().contains("checkout c/1 is not known"), "{}", answer.body);
    answering.join().unwrap();
    let later = ask_with(server.address(), "GET /api/v1/orders/o-2", right).await.unwrap();
    assert_eq!(later.status, 503, "nobody answers any more");
}

#[tokio::test]
async fn beyond_loopback_orders_are_shown_to_nobody_without_a_token() {
    let health = health();
    let metrics = MetricsHandle::for_tests(Arc::clone(&health));
    let server = Server::start("0.0.0.0:0", health, metrics, Orders::new(None).0).await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
    let answer = ask(address, "GET /api/v1/orders/o-1").await.unwrap();
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("http.token"), "{}", answer.body);
}
