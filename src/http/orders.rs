//! `/api/v1/orders/{id}` and `/api/v1/entities/{entity}/{id}`: what the loop knows of an order, a checkout, a return.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use super::problem::Problem;
use super::server::Shared;
use crate::domain::hash::digest_32;
use crate::domain::{Entity, Str};
use crate::engine::explain::Explained;

/// Questions that wait for the loop; beyond, one is refused.
const WAITING_MAX: usize = 64;
/// The loop answers between two turns.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// A question to the loop, which alone knows the orders.
#[derive(Debug)]
pub struct OrderQuestion {
    /// What it is.
    pub entity: Str,
    /// Which one.
    pub id: Str,
    /// Where the answer goes; `None` where it is not here.
    pub reply: oneshot::Sender<Option<Explained>>,
}

/// Who may ask the loop.
#[derive(Clone, Debug)]
pub struct Orders {
    questions: SyncSender<OrderQuestion>,
    /// The token's digest, where one is asked for.
    token: Option<Str>,
    /// It may be asked without a token: nobody but this machine hears it.
    is_local: bool,
}

impl Orders {
    /// With `token`, whoever asks must show it; without one, only a server that listens on loopback answers. Gives where the
    /// questions come out.
    pub fn new(token: Option<&str>) -> (Self, Receiver<OrderQuestion>) {
        let (questions, asked) = sync_channel(WAITING_MAX);
        let token = token.filter(|token| !token.is_empty()).map(|token| digest_32(&[token.as_bytes()]));
        (Orders { questions, token, is_local: false }, asked)
    }

    /// The same, once it is known where the server listens.
    #[must_use]
    pub(super) fn listening(self, is_local: bool) -> Self {
        Orders { is_local, ..self }
    }

    fn refuses(&self, headers: &HeaderMap) -> Option<Problem> {
        let Some(wanted) = &self.token else {
            let detail = "the API is served beyond loopback only with a token: set http.token";
            return (!self.is_local).then(|| Problem::new(StatusCode::FORBIDDEN, detail));
        };
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|text| text.strip_prefix("Bearer "));
        // Digests are compared: how long that takes says nothing of the token.
        let is_right = shown.is_some_and(|token| digest_32(&[token.as_bytes()]) == *wanted);
        (!is_right).then(|| Problem::new(StatusCode::UNAUTHORIZED, "show the token: Authorization: Bearer TOKEN"))
    }
}

pub(super) async fn order(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    answer(shared, Entity::ORDER_NAME, &id, &headers).await
}

pub(super) async fn entity(
    State(shared): State<Shared>,
    Path((entity, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answer(shared, &entity, &id, &headers).await
}

async fn answer(shared: Shared, entity: &str, id: &str, headers: &HeaderMap) -> Response {
    if let Some(problem) = shared.orders.refuses(headers) {
        return problem.into_response();
    }
    let (reply, answer) = oneshot::channel();
    let question = OrderQuestion { entity: Str::from(entity), id: Str::from(id), reply };
    let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the loop does not answer; ask again").into_response();
    if shared.orders.questions.try_send(question).is_err() {
        return busy();
    }
    match tokio::time::timeout(ANSWERED_WITHIN, answer).await {
        Ok(Ok(Some(explained))) => Json(explained).into_response(),
        Ok(Ok(None)) => {
            let detail = format!("{entity} {id} is not known to this instance: another may hold its shard");
            Problem::new(StatusCode::NOT_FOUND, detail).into_response()
        }
        Ok(Err(_)) | Err(_) => busy(),
    }
}
