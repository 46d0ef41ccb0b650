//! A login to the pages of one's own account, without an application. It has the limits and counters of the other login page.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::answer;
use super::flow::Visit;
use super::login::{Problem, log_in, set_session};
use super::own_forms::{self, OwnForm, Purpose};
use super::pages::{LoginPage, Policy, page, render_api_error};
use super::paths::{ACCOUNT_LOGIN, APPLICATIONS};
use crate::auth::client::Client;
use crate::auth::session::Cookie;
use crate::http::app::App;
use crate::http::body::limits::LOGIN_PAGE;

/// The login page, perhaps again with what is wrong.
pub fn ask(visit: &Visit<'_>, status: StatusCode, username: &str, problem: Option<&str>) -> Response {
    let t = visit.t;
    own_forms::page_with(visit, Purpose::Login, "", (), |sealed| {
        let problem = problem.map(str::to_owned);
        let template = LoginPage { t, action: ACCOUNT_LOGIN, application: t.your_account, sealed, username, problem };
        page(t, status, &template, &Policy::Form { then: "" })
    })
}

pub async fn post(State(app): State<App>, client: Client, request: Request) -> Response {
    let sent = match OwnForm::<()>::read(&app, request, LOGIN_PAGE, Purpose::Login).await {
        Ok(sent) => sent,
        Err(page) => return *page,
    };
    let visit = sent.visit(&app, &client);
    let field = |name| sent.form.one(name).unwrap_or_default();
    let (username, password) = (field("username"), field("password").to_owned());
    let cookie = Cookie::random(&mut rand::rng());
    // Boxed, since it is large: the memory of a request that waits for its body includes the future.
    let Err(error) = Box::pin(log_in(&visit, username, password, &cookie)).await else {
        let mut response = answer::redirect(sent.t, &sent.openid.address(APPLICATIONS));
        response.headers_mut().append(header::SET_COOKIE, set_session(&app, &cookie));
        return response;
    };
    match Problem::of(sent.t, error) {
        Ok(problem) => problem.on(ask(&visit, problem.status, username, Some(&problem.text))),
        Err(error) => render_api_error(sent.t, error),
    }
}
