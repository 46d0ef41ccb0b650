//! The login page's form. It has the limits and the counters of `POST /api/v1/accounts/login`.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::flow::{LoginFailure, Visit};
use super::forms;
use super::pages::{View, render_api_error};
use super::sealed_form::Purpose;
use super::submitted::Submitted;
use crate::account::CREDENTIAL;
use crate::auth::client::Client;
use crate::auth::oidc::Step;
use crate::auth::oidc::request::AuthorizationRequest;
use crate::auth::session::{Browser, BrowserLogin, Cookie, SessionError, Sessions};
use crate::http::accounts::count_login;
use crate::http::app::App;
use crate::http::body::limits::LOGIN_PAGE;
use crate::http::error::ApiError;
use crate::http::rate_limits::Limited;

pub async fn post(State(app): State<App>, client: Client, request: Request) -> Response {
    let submitted = match Submitted::for_application(&app, request, LOGIN_PAGE, Purpose::AuthorizeLogin).await {
        Ok(submitted) => submitted,
        Err(page) => return *page,
    };
    let (visit, request) = (submitted.visit(&client), &submitted.content);
    let field = |name| submitted.form.one(name).unwrap_or_default();
    let (username, password) = (field("username"), field("password").to_owned());
    let cookie = Cookie::random(&mut rand::rng());
    // Boxed, since they are large: the memory of a request that waits for its body includes the future.
    match Box::pin(log_in(&visit, username, password, &cookie)).await {
        Ok(browser) => {
            let mut response = Box::pin(visit.proceed(request, Some(&browser), Step::LoggedIn)).await;
            response.headers_mut().append(header::SET_COOKIE, session_cookie(&app, &cookie));
            response
        }
        Err(error) => refused(&visit, request, username, error),
    }
}

/// The header that sets the cookie of a session, which browsers keep as long as the longest session.
pub fn session_cookie(app: &App, cookie: &Cookie) -> HeaderValue {
    let seconds = u32::try_from(app.sessions.browser_maximum().as_secs()).unwrap_or(u32::MAX);
    forms::set_cookie(forms::SESSION, cookie, seconds)
}

/// Begins a session under the cookie.
///
/// # Errors
/// If the password is wrong, or the login limited.
pub async fn log_in(visit: &Visit<'_>, username: &str, password: String, cookie: &Cookie) -> Result<Browser, Refused> {
    if !CREDENTIAL.problems(username).is_empty() || !CREDENTIAL.problems(&password).is_empty() {
        return Err(SessionError::BadCredentials.into());
    }
    let (sessions, settings) = (&visit.app.sessions, &visit.app.settings);
    let known = visit.browser().await.map_err(SessionError::from)?;
    let recognised = known.as_ref().map(Sessions::recognise_browser);
    let limited = if recognised.is_some() { Limited::Recognised } else { Limited::Login };
    settings.check_rate(limited, visit.client).map_err(Refused::Limited)?;
    let (name, also) = sessions.name_of_login(username).await.map_err(SessionError::from)?;
    let previous = forms::cookie(visit.headers, forms::SESSION);
    let new_login = BrowserLogin::new(cookie, previous.as_ref(), &mut rand::rng()).counting(also);
    let result = sessions.login(&name, password.into(), recognised, &new_login, visit.client, visit.now).await;
    count_login(visit.app, &result);
    Ok(result?)
}

/// Why a login is refused.
pub enum Refused {
    Session(SessionError),
    /// By the limits of a network.
    Limited(ApiError),
}

impl From<SessionError> for Refused {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

/// What the page says about a login that is refused.
pub struct Problem {
    pub status: StatusCode,
    pub text: String,
    wait: Option<Duration>,
}

impl Problem {
    /// # Errors
    /// An error of the server.
    pub fn of(view: View<'_>, error: Refused) -> Result<Self, ApiError> {
        let (status, text, wait) = match error {
            Refused::Session(SessionError::BadCredentials) => {
                (StatusCode::UNPROCESSABLE_ENTITY, view.t.bad_credentials.to_owned(), None)
            }
            Refused::Session(SessionError::Disabled) => (StatusCode::FORBIDDEN, view.t.disabled.to_owned(), None),
            Refused::Session(SessionError::TooMany(wait)) | Refused::Limited(ApiError::TooMany(wait)) => {
                (StatusCode::TOO_MANY_REQUESTS, view.t.too_many(wait), Some(wait))
            }
            Refused::Session(SessionError::TooManySessions { wait, .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, view.t.too_many_sessions(wait), Some(wait))
            }
            Refused::Session(error) => return Err(error.into()),
            Refused::Limited(error) => return Err(error),
        };
        Ok(Self { status, text, wait })
    }

    /// The page with the time to wait.
    pub fn add_retry_after(&self, mut page: Response) -> Response {
        if let Some(wait) = self.wait {
            page.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        page
    }
}

/// The page again with what is wrong, or an error of the server.
fn refused(visit: &Visit<'_>, request: &AuthorizationRequest, username: &str, error: Refused) -> Response {
    let view = visit.view;
    let problem = match Problem::of(view, error) {
        Ok(problem) => problem,
        Err(error) => return render_api_error(view, error),
    };
    let failed = LoginFailure { username, problem: Some(problem.text.clone()) };
    problem.add_retry_after(visit.login_page(problem.status, request, &failed))
}
