//! `/oauth2/authorize`: an application asks for a login (OpenID Connect Core, 3.1.2).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;

use super::answer;
use super::flow::Visit;
use super::forms;
use super::pages::{ErrorPage, View, render_api_error, render_error, unavailable};
use super::paths::{AUTHORIZE, USERINFO};
use super::ready::ready;
use crate::auth::client::Client;
use crate::auth::oidc::Step;
use crate::auth::oidc::request::{self, Parameters, Refusal};
use crate::http::app::App;
use crate::http::body;
use crate::http::body::limits::{ADDRESS_MAX, AUTHORIZE as LIMIT};

/// A HEAD is answered as if nobody were logged in: it must not create a code (RFC 9110, 9.2.1).
pub async fn get(State(app): State<App>, client: Client, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let parameters = Parameters::parse(uri.query().unwrap_or_default().as_bytes());
    let t = View::of(&app, parameters.one("ui_locales"), &headers);
    let Some((openid, present)) = ready(&app) else { return unavailable(t) };
    if !forms::asks_for_own_host(&app, &openid.issuer, &headers) {
        return render_error(t, ErrorPage::OtherHost);
    }
    let request = match request::read(&present.declared, &parameters, &openid.address(USERINFO)) {
        Ok(request) => request,
        Err(Refusal::Page) => return render_error(t, ErrorPage::UnknownApplication),
        Err(Refusal::RedirectUri) => return render_error(t, ErrorPage::WrongRedirectUri),
        Err(Refusal::Redirect(to, problem)) => return answer::error(t, &openid.issuer, &to, problem),
    };
    let visit = Visit::new(&app, &openid, &present, &client, &headers, t);
    let browser = if method == Method::HEAD { Ok(None) } else { visit.browser().await };
    match browser {
        Ok(browser) => visit.proceed(&request, browser.as_ref(), Step::Arrived).await,
        Err(error) => render_api_error(t, error),
    }
}

/// Leads to the same request by GET: a cross-site POST comes without the session's cookie.
pub async fn post(State(app): State<App>, headers: HeaderMap, request: Request) -> Response {
    let t = View::of(&app, None, &headers);
    let Some((openid, _)) = ready(&app) else { return unavailable(t) };
    if !forms::asks_for_own_host(&app, &openid.issuer, &headers) {
        return render_error(t, ErrorPage::OtherHost);
    }
    let body = match body::form(request, LIMIT).await {
        Ok(body) => body,
        Err(error) => return render_api_error(t, error),
    };
    // Encoded again, so that nothing but parameters gets into the address.
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form_urlencoded::parse(&body)).finish();
    let location = format!("{}?{query}", openid.address(AUTHORIZE));
    if location.len() > ADDRESS_MAX {
        return render_error(t, ErrorPage::Server(StatusCode::PAYLOAD_TOO_LARGE));
    }
    answer::redirect(t, &location)
}
