//! `/oauth2/authorize`: an application asks for a login (OpenID Connect Core, 3.1.2).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;

use super::answer;
use super::page_request::{PageRequest, by_get};
use super::pages::{ErrorPage, render_error};
use super::paths::{AUTHORIZE, USERINFO};
use crate::auth::client::Client;
use crate::auth::oidc::request::{self, Parameters, Refusal};
use crate::auth::oidc::{Hinted, Step};
use crate::http::app::App;
use crate::http::body::limits::AUTHORIZE as LIMIT;

/// A HEAD is answered as if nobody were logged in: it must not create a code (RFC 9110, 9.2.1).
pub async fn get(State(app): State<App>, client: Client, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let parameters = Parameters::parse(uri.query().unwrap_or_default().as_bytes());
    let page = match PageRequest::enter(&app, parameters.one("ui_locales"), &headers) {
        Ok(page) => page,
        Err(page) => return *page,
    };
    let (visit, view) = (page.visit(&client, &headers), page.view);
    let hinted = Hinted::of(&page.present.keys, parameters.one("id_token_hint"));
    let request = match request::read(&page.present.declared, &parameters, &page.openid.address(USERINFO), hinted) {
        Ok(request) => request,
        Err(Refusal::Page) => return render_error(view, ErrorPage::UnknownApplication),
        Err(Refusal::RedirectUri) => return render_error(view, ErrorPage::WrongRedirectUri),
        Err(Refusal::Redirect(to, problem)) => return answer::error(view, &page.openid.issuer, &to, problem),
    };
    let browser = if method == Method::HEAD { Ok(None) } else { visit.browser().await };
    match browser {
        Ok(browser) => visit.proceed(&request, browser.as_ref(), Step::Arrived).await,
        Err(error) => visit.fail(&request, error),
    }
}

pub async fn post(State(app): State<App>, request: Request) -> Response {
    by_get(&app, AUTHORIZE, LIMIT, request).await
}
