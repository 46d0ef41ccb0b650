//! Traces of refused requests: who was refused, and from where. The first refusal of a client within a minute has a line
//! in the log, and the others share a second one. A refusal of what the user may not do is an audit event, and so are
//! many refusals of one client.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sc_auth_contract::time::UnixTime;
use tracing::Instrument as _;

use super::app::App;
use super::bearer;
use super::error::TokenRefused;
use super::refused::Refusal;
use crate::auth::client::{Client, Person};
use crate::auth::session::Sessions;
use crate::logging;
use crate::store::NewEvent;

/// How long the answer waits until its event is recorded.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the event may keep a connection to the database.
const LONGEST: Duration = Duration::from_secs(10);
/// How long the end of the server waits until the last events are recorded.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// Leaves a trace of the request if it is refused.
pub async fn trace(State(app): State<App>, client: Client, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(client.caller.clone());
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    if is_refusal(&response) {
        let user = client.caller.get().cloned().or_else(|| {
            let headers: HeaderMap = authorization.map(|value| (header::AUTHORIZATION, value)).into_iter().collect();
            let uuid = app.sessions.holder(bearer::token(&headers).ok()?)?;
            Some(Person { uuid, name: None, is_proven: false })
        });
        let method = if is_known(&method) { method.to_string() } else { "other".to_owned() };
        let route = path.map_or_else(String::new, |path| path.as_str().to_owned());
        let refusal = Refusal { at: app.now(), status: response.status(), method, route, client, user };
        note(&app, refusal).await;
    }
    response
}

fn is_refusal(response: &Response) -> bool {
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    refused.contains(&response.status()) || response.extensions().get::<TokenRefused>().is_some()
}

/// A client may send any word as the method, and a long one.
fn is_known(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .contains(method)
}

async fn note(app: &App, refusal: Refusal) {
    let (is_first, event) = app.settings.refusals.count(refusal.clone());
    if is_first {
        refusal.log(1);
    }
    if let Some(event) = event {
        let sessions = Arc::clone(&app.sessions);
        wait_for(async move { record(&sessions, event).await }).await;
    }
}

/// Waits for a moment at most: the answer must not depend on the database, which may not answer. The work goes on without
/// the request; there is little of it, since the refusals of a minute are few events.
async fn wait_for(work: impl Future<Output = ()> + Send + 'static) {
    let work = tokio::spawn(tokio::time::timeout(LONGEST, work.in_current_span()));
    let _ = tokio::time::timeout(PATIENCE, work).await;
}

/// Logs and records what has been counted so far. For the end of the server, which must not wait for a database that does
/// not answer.
pub async fn flush_all(app: &App) {
    if tokio::time::timeout(LAST_FLUSH, flush(app, app.now() + Duration::from_mins(1))).await.is_err() {
        tracing::warn!("could not record the last refusals");
    }
}

/// Logs and records what has been counted in earlier minutes.
pub async fn flush(app: &App, now: UnixTime) {
    for counted in app.settings.refusals.take_before(now) {
        if counted.total > 1 {
            counted.first.log(counted.total);
        }
        if counted.recorded > 0 && counted.total > counted.recorded {
            record(&app.sessions, counted.first.event(counted.total - counted.recorded)).await;
        }
    }
}

async fn record(sessions: &Sessions, event: NewEvent) {
    if let Err(error) = sessions.record(event).await {
        tracing::warn!(error = logging::chain(&error), "could not record a refusal");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_does_not_wait_for_a_database_that_hangs() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let (done, is_done) = tokio::sync::oneshot::channel();
        wait_for(async move {
            receive.await.unwrap();
            done.send(()).unwrap();
        })
        .await;
        send.send(()).unwrap();
        is_done.await.unwrap();
    }
}
