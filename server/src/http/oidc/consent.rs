//! The form by which users consent to the request of an application.

use axum::extract::{Request, State};
use axum::response::Response;

use super::pages::{ErrorPage, render_api_error, render_error};
use super::sealed_form::Purpose;
use super::submitted::Submitted;
use crate::auth::client::Client;
use crate::auth::oidc::Step;
use crate::auth::oidc::request::problem;
use crate::http::app::App;
use crate::http::body::limits::CONSENT_PAGE;

pub async fn post(State(app): State<App>, client: Client, request: Request) -> Response {
    let submitted = match Submitted::for_application(&app, request, CONSENT_PAGE, Purpose::Consent).await {
        Ok(submitted) => submitted,
        Err(page) => return *page,
    };
    let (visit, request) = (submitted.visit(&client), &submitted.content);
    let browser = match visit.browser().await {
        Ok(browser) => browser,
        Err(error) => return render_api_error(visit.view, error),
    };
    let Some(browser) = browser.filter(|browser| submitted.is_for(browser)) else {
        return render_error(visit.view, ErrorPage::Expired);
    };
    match submitted.form.one("decision") {
        // Boxed, since it is large: the memory of a request that waits for its body includes the future.
        Some("allow") => Box::pin(visit.proceed(request, Some(&browser), Step::Consented)).await,
        _ => visit.refuse(request, problem("access_denied", "the user denied the request")),
    }
}
