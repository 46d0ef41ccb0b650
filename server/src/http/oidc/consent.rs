//! The form by which a user allows an application to know who they are.

use axum::extract::{Request, State};
use axum::response::Response;

use super::authorize::unavailable;
use super::flow::{Step, Visit};
use super::forms;
use super::pages::{Texts, Trouble, failure, trouble};
use super::ready::ready;
use crate::auth::client::Client;
use crate::auth::oidc::request::problem;
use crate::http::app::App;
use crate::http::body::limits::CONSENT_PAGE;

pub async fn post(State(app): State<App>, client: Client, request: Request) -> Response {
    let headers = request.headers().clone();
    let t = Texts::of(None, &headers);
    let Some((openid, present)) = ready(&app) else { return unavailable(t) };
    let form = match forms::read(request, CONSENT_PAGE).await {
        Ok(form) => form,
        Err(error) => return failure(t, error),
    };
    let mut visit = Visit::new(&app, &openid, &present, &client, &headers, t);
    let pending = match visit.open(form.one("request").unwrap_or_default()) {
        Ok(pending) => pending,
        Err(why) => return trouble(t, why),
    };
    visit.t = Texts::of(pending.request.ui_locales.as_deref(), &headers);
    let browser = match visit.browser().await {
        Ok(browser) => browser,
        Err(error) => return failure(visit.t, error),
    };
    // The form is for one session: whoever logs in meanwhile was not asked.
    let Some(browser) = browser.filter(|browser| pending.sid.as_ref() == Some(&browser.sid)) else {
        return trouble(visit.t, Trouble::Expired);
    };
    match form.one("decision") {
        // Boxed, since it is large: the memory of a request that waits for its body includes the future.
        Some("allow") => Box::pin(visit.proceed(&pending.request, Some(&browser), Step::Consented)).await,
        _ => visit.refuse(&pending.request, problem("access_denied", "the user did not allow it")),
    }
}
