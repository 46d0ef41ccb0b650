//! `/account/applications`: the applications that have access to an account, and a button that ends it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sc_auth_contract::declared::{DeclaredClient, SCOPES};

use super::account_login;
use super::answer;
use super::flow::Visit;
use super::page_request::PageRequest;
use super::pages::{ApplicationsPage, ErrorPage, Policy, ShownApplication, page, render_api_error, render_error};
use super::paths::{APPLICATIONS, USERINFO};
use super::sealed_form::Purpose;
use super::submitted::Submitted;
use crate::auth::client::Client;
use crate::auth::session::Browser;
use crate::clock::to_calendar;
use crate::http::app::App;
use crate::http::body::limits::CONSENT_PAGE;
use crate::store::Application;

pub async fn get(State(app): State<App>, client: Client, headers: HeaderMap) -> Response {
    let page = match PageRequest::enter(&app, None, &headers) {
        Ok(page) => page,
        Err(page) => return *page,
    };
    let visit = page.visit(&client, &headers);
    match visit.browser().await {
        Ok(Some(browser)) => show(&visit, &browser).await,
        Ok(None) => account_login::login_page(&visit, StatusCode::OK, "", None),
        Err(error) => render_api_error(page.view, error),
    }
}

/// Ends what one application may do.
pub async fn post(State(app): State<App>, client: Client, request: Request) -> Response {
    let submitted = match Submitted::<()>::read(&app, request, CONSENT_PAGE, Purpose::RevokeApplication).await {
        Ok(submitted) => submitted,
        Err(page) => return *page,
    };
    let visit = submitted.visit(&client);
    let browser = match visit.browser().await {
        Ok(Some(browser)) if submitted.is_for(&browser) => browser,
        Ok(_) => return render_error(visit.view, ErrorPage::Expired),
        Err(error) => return render_api_error(visit.view, error),
    };
    let key = submitted.form.one("client").unwrap_or_default();
    // Boxed, since it is large: the memory of a request that waits for its body includes the future.
    match Box::pin(app.sessions.revoke_application(&browser.user, key, &client, visit.now)).await {
        Ok(()) => answer::redirect(visit.view, &visit.openid.address(APPLICATIONS)),
        Err(error) => render_api_error(visit.view, error),
    }
}

async fn show(visit: &Visit<'_>, browser: &Browser) -> Response {
    let view = visit.view;
    let found = match visit.app.sessions.store.applications(browser.user.id, visit.now).await {
        Ok(found) => found,
        Err(error) => return render_api_error(view, error),
    };
    let applications: Vec<_> = found.iter().map(|application| shown(visit, application)).collect();
    let page = visit.form(Purpose::RevokeApplication, Some(&browser.sid), (), |sealed| {
        let template =
            ApplicationsPage { view, username: browser.user.username(), applications: &applications, sealed };
        page(view, StatusCode::OK, &template, &Policy::Form { then: "" })
    });
    page.unwrap_or_else(|| visit.too_long())
}

fn shown<'a>(visit: &'a Visit<'_>, application: &'a Application) -> ShownApplication<'a> {
    let id = DeclaredClient::id_of_key(&application.client);
    let declared = visit.present.declared.find(id).filter(|client| client.key() == application.client);
    let userinfo = visit.openid.address(USERINFO);
    let audiences = application.permissions.audiences.iter().map(String::as_str).filter(|name| *name != userinfo);
    // In the order of the consent page.
    let scopes = SCOPES.iter().copied().filter(|scope| application.permissions.scopes.contains(*scope));
    ShownApplication {
        key: &application.client,
        name: declared.map_or(id, DeclaredClient::shown_name),
        permissions: visit.view.t.permissions(scopes, audiences),
        since: to_calendar(application.since).date().to_string(),
    }
}
