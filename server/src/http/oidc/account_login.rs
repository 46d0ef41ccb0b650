//! A login to the pages of one's own account, without an application. It has the limits and counters of the other login page.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::answer;
use super::flow::Visit;
use super::login::{Problem, log_in, session_cookie};
use super::pages::{LoginPage, Policy, page, render_api_error};
use super::paths::{ACCOUNT_LOGIN, APPLICATIONS};
use super::sealed_form::Purpose;
use super::submitted::Submitted;
use crate::auth::client::Client;
use crate::auth::session::Cookie;
use crate::http::app::App;
use crate::http::body::limits::LOGIN_PAGE;

/// The login page, perhaps again with what is wrong.
pub fn login_page(visit: &Visit<'_>, status: StatusCode, username: &str, problem: Option<&str>) -> Response {
    let view = visit.view;
    let page = visit.form(Purpose::AccountLogin, None, (), |sealed| {
        let problem = problem.map(str::to_owned);
        let template =
            LoginPage { view, action: ACCOUNT_LOGIN, application: view.t.your_account, sealed, username, problem };
        page(view, status, &template, &Policy::Form { then: "" })
    });
    page.unwrap_or_else(|| visit.too_long())
}

pub async fn post(State(app): State<App>, client: Client, request: Request) -> Response {
    let submitted = match Submitted::<()>::read(&app, request, LOGIN_PAGE, Purpose::AccountLogin).await {
        Ok(submitted) => submitted,
        Err(page) => return *page,
    };
    let visit = submitted.visit(&client);
    let field = |name| submitted.form.one(name).unwrap_or_default();
    let (username, password) = (field("username"), field("password").to_owned());
    let cookie = Cookie::random(&mut rand::rng());
    // Boxed, since it is large: the memory of a request that waits for its body includes the future.
    let Err(error) = Box::pin(log_in(&visit, username, password, &cookie)).await else {
        let mut response = answer::redirect(visit.view, &visit.openid.address(APPLICATIONS));
        response.headers_mut().append(header::SET_COOKIE, session_cookie(&app, &cookie));
        return response;
    };
    match Problem::of(visit.view, error) {
        Ok(problem) => problem.add_retry_after(login_page(&visit, problem.status, username, Some(&problem.text))),
        Err(error) => render_api_error(visit.view, error),
    }
}
