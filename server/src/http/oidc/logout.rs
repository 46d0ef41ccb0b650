//! `/oauth2/logout`: an application logs its user out (OpenID Connect RP-Initiated Logout). Without an ID token of the
//! session, a page asks first: any page could send a visitor here.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::answer;
use super::flow::Visit;
use super::forms;
use super::page_request::{PageRequest, by_get};
use super::pages::{ErrorPage, LogoutPage, Policy, View, message, page, render_api_error, render_error};
use super::paths::LOGOUT;
use super::sealed_form::Purpose;
use super::submitted::Submitted;
use crate::auth::client::Client;
use crate::auth::oidc::logout::LogoutRequest;
use crate::auth::oidc::request::Parameters;
use crate::auth::session::Browser;
use crate::http::app::App;
use crate::http::body::limits::{AUTHORIZE as LIMIT, CONSENT_PAGE};

/// A HEAD logs nobody out (RFC 9110, 9.2.1).
pub async fn get(State(app): State<App>, client: Client, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let parameters = Parameters::parse(uri.query().unwrap_or_default().as_bytes());
    let page = match PageRequest::enter(&app, parameters.one("ui_locales"), &headers) {
        Ok(page) => page,
        Err(page) => return *page,
    };
    let (visit, view) = (page.visit(&client, &headers), page.view);
    let request = match LogoutRequest::parse(&page.present, &page.openid.issuer, &parameters) {
        Ok(request) => request,
        Err(why) => return render_error(view, ErrorPage::InvalidLogout(why)),
    };
    match visit.browser().await {
        Ok(Some(browser)) if method != Method::HEAD && request.needs_no_confirmation(&browser.user, &browser.sid) => {
            // Boxed, since it is large: the future of each request for the page includes it.
            Box::pin(log_out(&visit, &browser, &request)).await
        }
        Ok(Some(browser)) => confirmation_page(&visit, &browser, request),
        Ok(None) => logged_out(view, request.target_without_session(&page.present.declared)),
        Err(error) => render_api_error(view, error),
    }
}

pub async fn post(State(app): State<App>, request: Request) -> Response {
    by_get(&app, LOGOUT, LIMIT, request).await
}

/// The answer to the question.
pub async fn confirm(State(app): State<App>, client: Client, request: Request) -> Response {
    let submitted = match Submitted::<LogoutRequest>::read(&app, request, CONSENT_PAGE, Purpose::Logout).await {
        Ok(submitted) => submitted,
        Err(page) => return *page,
    };
    let (visit, request) = (submitted.visit(&client), &submitted.content);
    let view = visit.view;
    if submitted.form.one("decision") != Some("logout") {
        return message(view, StatusCode::OK, view.t.still_logged_in, view.t.may_close);
    }
    match visit.browser().await {
        Ok(Some(browser)) if submitted.is_for(&browser) => Box::pin(log_out(&visit, &browser, request)).await,
        // Somebody else has logged in meanwhile.
        Ok(Some(_)) => render_error(view, ErrorPage::Expired),
        Ok(None) => logged_out(view, request.target(&visit.present.declared)),
        Err(error) => render_api_error(view, error),
    }
}

fn confirmation_page(visit: &Visit<'_>, browser: &Browser, request: LogoutRequest) -> Response {
    let (view, declared) = (visit.view, &visit.present.declared);
    let then = request.target(declared).map(|target| answer::source(&target)).unwrap_or_default();
    let client = request.client_id.as_deref().and_then(|id| declared.find(id));
    let application = client.map(|client| client.shown_name().to_owned());
    let page = visit.form(Purpose::Logout, Some(&browser.sid), request, |sealed| {
        let username = browser.user.username();
        let template = LogoutPage { view, application: application.as_deref(), username, sealed };
        page(view, StatusCode::OK, &template, &Policy::Form { then: &then })
    });
    page.unwrap_or_else(|| visit.too_long())
}

async fn log_out(visit: &Visit<'_>, browser: &Browser, request: &LogoutRequest) -> Response {
    if let Err(error) = visit.app.sessions.log_out_browser(browser, visit.client, visit.now).await {
        return render_api_error(visit.view, error);
    }
    let mut response = logged_out(visit.view, request.target(&visit.present.declared));
    response.headers_mut().append(header::SET_COOKIE, forms::remove_cookie(forms::SESSION));
    response
}

fn logged_out(view: View<'_>, target: Option<String>) -> Response {
    match target {
        Some(target) => answer::redirect(view, &target),
        None => message(view, StatusCode::OK, view.t.logged_out, view.t.may_close),
    }
}
