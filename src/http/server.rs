//! The listener and its routes.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::orders::{Orders, entity, order};
use super::problem::Problem;
use super::status::{Readiness, stuck};
use crate::domain::Timestamp;
use crate::telemetry::events::{HttpListening, HttpRefused};
use crate::telemetry::{Health, MetricsHandle, emit, wall_clock};

/// How long requests under way are waited for at the end.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// The HTTP server, until it is stopped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("http.listen: cannot listen on {listen}: {reason}; {advice}")]
pub struct BindError {
    listen: String,
    reason: String,
    advice: &'static str,
}

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) orders: Orders,
    health: Arc<Health>,
    metrics: MetricsHandle,
    now: fn() -> Timestamp,
}

impl Server {
    /// Listens on `listen` (`host:port`; port 0 takes a free one) and answers from now on.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn start(
        listen: &str,
        health: Arc<Health>,
        metrics: MetricsHandle,
        orders: Orders,
    ) -> Result<Self, BindError> {
        let bad = |error: io::Error| BindError::new(listen, &error);
        let addresses: Vec<SocketAddr> = listen.to_socket_addrs().map_err(bad)?.collect();
        let listener = TcpListener::bind(addresses.as_slice()).await.map_err(bad)?;
        let address = listener.local_addr().map_err(bad)?;
        emit(HttpListening { address });
        let (stop, stopped) = oneshot::channel();
        let orders = orders.listening(address.ip().is_loopback());
        let app = router(Shared { orders, health, metrics, now: wall_clock });
        let task = tokio::spawn(async move {
            let until = async {
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(until).await {
                emit(HttpRefused { error: &error.to_string() });
            }
        });
        Ok(Server { address, stop, task })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and waits a moment for those under way.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        // Whoever reads so slowly loses the rest: the process is asked to end.
        if tokio::time::timeout(STOP_WAIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl BindError {
    fn new(listen: &str, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another process has it: stop that one, or give another port (0 takes a free one)"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address: 0.0.0.0 means every one it has",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: give a higher one",
            _ => "write `host:port`, such as 127.0.0.1:8080",
        };
        BindError { listen: listen.to_owned(), reason: error.to_string(), advice }
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/orders/{id}", get(order))
        .route("/api/v1/entities/{entity}/{id}", get(entity))
        .fallback(nothing_here)
        .method_not_allowed_fallback(no_such_method)
        .with_state(shared)
}

async fn healthz(State(shared): State<Shared>) -> Response {
    let loop_age_ms = shared.health.loop_age().as_millis();
    match stuck(&shared.health) {
        None => Json(json!({"status": "ok", "loop_age_ms": loop_age_ms})).into_response(),
        Some(detail) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response(),
    }
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let readiness = Readiness::of(&shared.health, (shared.now)());
    match readiness.reason.clone() {
        None => Json(readiness).into_response(),
        Some(detail) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(readiness).into_response(),
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))];
    (kind, shared.metrics.render()).into_response()
}

async fn nothing_here(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {path}; try /healthz, /readyz, /metrics or /api/v1/orders/ID"),
    )
}

async fn no_such_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} takes GET and not {method}"))
}
