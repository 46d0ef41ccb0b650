//! Traces of refused requests: who was refused, and from where. The first refusal of a client within a minute has a line
//! in the log, and the others share a second one. A refusal of what the user may not do is an audit event, and so are
//! many refusals of one client.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sc_auth_contract::time::UnixTime;

use super::app::App;
use super::bearer;
use super::error::TokenRefused;
use super::refused::Refusal;
use crate::auth::client::{Client, Person};
use crate::auth::session::Sessions;
use crate::logging;
use crate::store::NewEvent;

/// Leaves a trace of the request if it is refused.
pub async fn trace(State(app): State<App>, client: Client, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(client.caller.clone());
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let method = if is_known(request.method()) { request.method().to_string() } else { "other".to_owned() };
    let route = request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned());
    let response = next.run(request).await;
    if is_refusal(&response) {
        let user = client.caller.get().cloned().or_else(|| {
            let headers: HeaderMap = authorization.map(|value| (header::AUTHORIZATION, value)).into_iter().collect();
            let uuid = app.sessions.holder(bearer::token(&headers).ok()?)?;
            Some(Person { uuid, name: None, is_proven: false })
        });
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
        record(&app.sessions, event).await;
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

/// The request is refused in any case.
async fn record(sessions: &Sessions, event: NewEvent) {
    if let Err(error) = sessions.record(event).await {
        tracing::warn!(error = logging::chain(&error), "could not record a refusal");
    }
}
