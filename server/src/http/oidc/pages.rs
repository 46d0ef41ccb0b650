//! The pages. They need no JavaScript, load nothing from elsewhere, and are in the language of the browser.

mod texts;
mod view;

use std::sync::LazyLock;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

pub use texts::LANGUAGES;
pub use view::View;

use super::paths;
use super::ready::NOT_READY;
use crate::auth::oidc::logout::InvalidLogout;
use crate::http::app::App;
use crate::http::error::{ApiError, Expected};

const SUBMIT: &str = "document.forms[0].submit()";
/// What the policy of a page with that script names (Content Security Policy, 2.3.1).
static SUBMIT_HASH: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(SUBMIT))));

#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage<'a> {
    pub view: View<'a>,
    /// Where the form is sent.
    pub action: &'a str,
    pub application: &'a str,
    pub sealed: &'a str,
    pub username: &'a str,
    pub problem: Option<String>,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentPage<'a> {
    pub view: View<'a>,
    pub application: &'a str,
    pub sealed: &'a str,
    pub username: &'a str,
    pub permissions: Vec<String>,
}

impl LoginPage<'_> {
    fn title(&self) -> String {
        self.view.t.log_in_to(self.application)
    }
}

impl ConsentPage<'_> {
    fn title(&self) -> String {
        self.view.t.allow_access(self.application)
    }
}

#[derive(Template)]
#[template(path = "logout.html")]
pub struct LogoutPage<'a> {
    pub view: View<'a>,
    /// The application that asks.
    pub application: Option<&'a str>,
    pub username: &'a str,
    pub sealed: &'a str,
}

#[derive(Template)]
#[template(path = "applications.html")]
pub struct ApplicationsPage<'a> {
    pub view: View<'a>,
    pub username: &'a str,
    pub applications: &'a [ShownApplication<'a>],
    pub sealed: &'a str,
}

/// An application that has access to an account.
pub struct ShownApplication<'a> {
    pub key: &'a str,
    pub name: &'a str,
    pub permissions: Vec<String>,
    /// A date.
    pub since: String,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    view: View<'a>,
    heading: &'static str,
    text: &'static str,
}

#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPost<'a> {
    pub view: View<'a>,
    pub action: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
    script: &'static str,
}

impl<'a> FormPost<'a> {
    pub const fn new(view: View<'a>, action: &'a str, fields: &'a [(&'a str, &'a str)]) -> Self {
        Self { view, action, fields, script: SUBMIT }
    }
}

/// What a page may do beyond showing text.
pub enum Policy<'a> {
    /// Nothing.
    Text,
    /// Send a form to this server, which then may redirect to an application.
    Form { then: &'a str },
    /// Send a form to an application, by itself.
    Submit { to: &'a str },
}

impl Policy<'_> {
    fn header(&self, has_logo: bool) -> HeaderValue {
        let own = match self {
            Self::Text => "form-action 'none'".to_owned(),
            Self::Form { then: "" } => "form-action 'self'".to_owned(),
            // Chromium and Safari block redirects after a form otherwise.
            Self::Form { then } => format!("form-action 'self' {then}"),
            Self::Submit { to } => format!("form-action 'self' {to}; script-src {}", *SUBMIT_HASH),
        };
        let images = if has_logo { " img-src 'self';" } else { "" };
        let text =
            format!("default-src 'none'; style-src 'self';{images} base-uri 'none'; frame-ancestors 'none'; {own}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

/// Renders a page with all headers. None is Cross-Origin-Opener-Policy: an application that opens the login in a popup needs
/// `window.opener` afterwards.
pub fn page(view: View<'_>, status: StatusCode, template: &impl Template, policy: &Policy<'_>) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => return ApiError::Internal(error.into()).into_response(),
    };
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.header(view.has_logo));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // With `no-referrer`, browsers send `Origin: null` with our own forms too.
    let referrer = if matches!(policy, Policy::Form { .. }) { "same-origin" } else { "no-referrer" };
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
    response
}

/// Why a page cannot be shown.
#[derive(Debug, Clone, Copy)]
pub enum ErrorPage {
    /// The client is not known.
    UnknownApplication,
    /// The redirect URI is not one of the client.
    WrongRedirectUri,
    InvalidLogout(InvalidLogout),
    /// The form is too old, or of another browser.
    Expired,
    /// A form's address was opened directly.
    Nothing,
    OtherHost,
    /// Any other error, by its status.
    Server(StatusCode),
}

pub fn render_error(view: View<'_>, why: ErrorPage) -> Response {
    let t = view.t;
    let (status, heading, text) = match why {
        ErrorPage::UnknownApplication => (StatusCode::BAD_REQUEST, t.unknown_application, t.unknown_application_text),
        ErrorPage::WrongRedirectUri => (StatusCode::BAD_REQUEST, t.wrong_redirect_uri, t.wrong_redirect_uri_text),
        ErrorPage::InvalidLogout(why) => {
            let (heading, text) = match why {
                InvalidLogout::RedirectUri => (t.wrong_redirect_uri, t.wrong_logout_uri_text),
                InvalidLogout::Client => (t.request_refused, t.other_client_text),
                InvalidLogout::Parameters => (t.request_refused, t.wrong_parameters_text),
            };
            (StatusCode::BAD_REQUEST, heading, text)
        }
        ErrorPage::Expired => (StatusCode::BAD_REQUEST, t.expired, t.start_again),
        ErrorPage::Nothing => (StatusCode::BAD_REQUEST, t.not_a_form, t.start_again),
        ErrorPage::OtherHost => (StatusCode::MISDIRECTED_REQUEST, t.other_host, t.other_host_text),
        ErrorPage::Server(status) if status.is_server_error() => (status, t.unavailable, t.try_later),
        ErrorPage::Server(status) => (status, t.request_refused, t.start_again),
    };
    message(view, status, heading, text)
}

/// A page that only says something.
pub fn message(view: View<'_>, status: StatusCode, heading: &'static str, text: &'static str) -> Response {
    page(view, status, &Message { view, heading, text }, &Policy::Text)
}

/// The same error as a page. Its cause is logged.
pub fn render_api_error(view: View<'_>, error: impl Into<ApiError>) -> Response {
    let plain = error.into().into_response();
    let mut response = render_error(view, ErrorPage::Server(plain.status()));
    if let Some(mark) = plain.extensions().get::<Expected>() {
        response.extensions_mut().insert(*mark);
    }
    if let Some(wait) = plain.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    if let Some(close) = plain.headers().get(header::CONNECTION) {
        response.headers_mut().insert(header::CONNECTION, close.clone());
    }
    response
}

/// The page while the clients or the keys are not loaded yet.
pub fn unavailable(view: View<'_>) -> Response {
    render_api_error(view, NOT_READY)
}

/// A form's address, opened without a form.
pub async fn nothing(State(app): State<App>, headers: HeaderMap) -> Response {
    render_error(View::of(&app, None, &headers), ErrorPage::Nothing)
}
