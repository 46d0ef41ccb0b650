//! The response to a valid authorization request: login page, consent page or redirect.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sc_auth_contract::declared::{Consent, DeclaredClient};
use sc_auth_contract::time::UnixTime;
use serde::Serialize;

use super::answer;
use super::forms;
use super::pages::{ConsentPage, ErrorPage, LoginPage, Policy, View, page, render_api_error, render_error};
use super::paths::LOGIN;
use super::sealed_form::{Purpose, SealedForm};
use crate::auth::client::Client;
use crate::auth::oidc::request::{AuthorizationRequest, OAuthProblem, problem};
use crate::auth::oidc::{Case, Consented, Decision, OpenId, Present, Step, claims, new_grant, store_grant};
use crate::auth::session::{Browser, Cookie};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::rate_limits::Limited;
use crate::store::{Permissions, StoreError};

/// How long a browser keeps the cookie of forms.
const FORM_COOKIE_SECONDS: u32 = 24 * 60 * 60;

const TRY_AGAIN: OAuthProblem =
    problem("temporarily_unavailable", "the server cannot answer now, try again in a moment");
const FAILED: OAuthProblem = problem("server_error", "the server failed");
const TOO_LONG: OAuthProblem = problem("invalid_request", "the request is too long");

/// One request of a browser.
pub struct Visit<'a> {
    pub app: &'a App,
    pub openid: &'a OpenId,
    pub present: &'a Present,
    pub client: &'a Client,
    pub headers: &'a HeaderMap,
    /// In the language of the user.
    pub view: View<'a>,
    pub now: UnixTime,
}

/// A login page's state after a failure.
#[derive(Default)]
pub struct LoginFailure<'a> {
    pub username: &'a str,
    pub problem: Option<String>,
}

impl<'a> Visit<'a> {
    pub fn new(
        app: &'a App,
        openid: &'a OpenId,
        present: &'a Present,
        client: &'a Client,
        headers: &'a HeaderMap,
        view: View<'a>,
    ) -> Self {
        Self { app, openid, present, client, headers, view, now: app.now() }
    }

    /// The browser's live session.
    pub async fn browser(&self) -> Result<Option<Browser>, StoreError> {
        match forms::cookie(self.headers, forms::SESSION) {
            Some(cookie) => self.app.sessions.browser(&cookie, self.now).await,
            None => Ok(None),
        }
    }

    pub async fn proceed(&self, request: &AuthorizationRequest, browser: Option<&Browser>, step: Step) -> Response {
        self.next(request, browser, step).await.unwrap_or_else(|error| self.fail(request, error))
    }

    /// With `prompt=none`, nobody may see a page: the application gets the error (RFC 6749, 4.1.2.1).
    pub fn fail(&self, request: &AuthorizationRequest, error: impl Into<ApiError>) -> Response {
        let error = error.into();
        if !request.prompt.none {
            return render_api_error(self.view, error);
        }
        // Its cause is logged.
        let is_temporary =
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&error.into_response().status());
        self.refuse(request, if is_temporary { TRY_AGAIN } else { FAILED })
    }

    async fn next(
        &self,
        request: &AuthorizationRequest,
        browser: Option<&Browser>,
        step: Step,
    ) -> Result<Response, StoreError> {
        let Some(declared) = self.present.declared.find(&request.client_id) else {
            return Ok(render_error(self.view, ErrorPage::UnknownApplication));
        };
        let store = &self.app.sessions.store;
        let (given, is_member) = match browser {
            Some(browser) => {
                (self.given(browser, declared).await?, claims::groups(store, &browser.user, declared).await?.is_some())
            }
            None => (Permissions::default(), false),
        };
        let case = Case { request, declared, given, is_member, step, now: self.now };
        match (case.decide(browser), browser) {
            (Decision::Issue(consented), Some(browser)) => {
                // A code is as much work as a refresh. Logins have their own limit.
                if step != Step::LoggedIn
                    && let Err(error) = self.app.settings.check_rate(Limited::Refresh, self.client)
                {
                    return Ok(self.fail(request, error));
                }
                self.issue(request, declared, browser, consented.as_ref()).await
            }
            (Decision::AskConsent, Some(browser)) => Ok(self.consent_page(request, declared, browser)),
            (Decision::Refuse(problem), _) => Ok(self.refuse(request, problem)),
            (Decision::LogIn | Decision::AskConsent | Decision::Issue(_), _) => {
                Ok(self.login_page(StatusCode::OK, request, &LoginFailure::default()))
            }
        }
    }

    /// What the user has consented to, where that is remembered.
    async fn given(&self, browser: &Browser, declared: &DeclaredClient) -> Result<Permissions, StoreError> {
        if declared.consent != Consent::Once {
            return Ok(Permissions::default());
        }
        Ok(self.app.sessions.store.consent(browser.user.id, &declared.key()).await?.unwrap_or_default())
    }

    async fn issue(
        &self,
        request: &AuthorizationRequest,
        declared: &DeclaredClient,
        browser: &Browser,
        consented: Option<&Consented>,
    ) -> Result<Response, StoreError> {
        let grant = new_grant(browser, declared, request, self.now, &mut rand::rng());
        if store_grant(&self.app.sessions, &grant, browser, consented, self.client, self.now).await? {
            return Ok(answer::code(self.view, &self.openid.issuer, &request.to, &grant.code));
        }
        // The session has ended meanwhile.
        Ok(match Decision::without_session(request) {
            Decision::Refuse(problem) => self.refuse(request, problem),
            _ => self.login_page(StatusCode::OK, request, &LoginFailure::default()),
        })
    }

    pub fn refuse(&self, request: &AuthorizationRequest, problem: OAuthProblem) -> Response {
        answer::error(self.view, &self.openid.issuer, &request.to, problem)
    }

    pub fn login_page(
        &self,
        status: StatusCode,
        request: &AuthorizationRequest,
        failed: &LoginFailure<'_>,
    ) -> Response {
        let Some(declared) = self.present.declared.find(&request.client_id) else {
            return render_error(self.view, ErrorPage::UnknownApplication);
        };
        let hint = request.login_hint.as_deref().unwrap_or_default();
        let then = answer::source(&request.to.redirect_uri);
        let page = self.form(Purpose::AuthorizeLogin, None, request, |sealed| {
            let template = LoginPage {
                view: self.view,
                action: LOGIN,
                application: declared.shown_name(),
                sealed,
                username: if failed.username.is_empty() { hint } else { failed.username },
                problem: failed.problem.clone(),
            };
            page(self.view, status, &template, &Policy::Form { then: &then })
        });
        page.unwrap_or_else(|| self.refuse(request, TOO_LONG))
    }

    fn consent_page(&self, request: &AuthorizationRequest, declared: &DeclaredClient, browser: &Browser) -> Response {
        let then = answer::source(&request.to.redirect_uri);
        let page = self.form(Purpose::Consent, Some(&browser.sid), request, |sealed| {
            let audiences = request.audiences_to_allow(declared);
            let template = ConsentPage {
                view: self.view,
                application: declared.shown_name(),
                sealed,
                username: browser.user.username(),
                permissions: self.view.t.permissions(request.to_allow(), audiences),
            };
            page(self.view, StatusCode::OK, &template, &Policy::Form { then: &then })
        });
        page.unwrap_or_else(|| self.refuse(request, TOO_LONG))
    }

    /// A page with a form that only this browser can send; `None` if its content is too long.
    pub fn form(
        &self,
        purpose: Purpose,
        sid: Option<&str>,
        content: impl Serialize,
        render: impl FnOnce(&str) -> Response,
    ) -> Option<Response> {
        let rng = &mut rand::rng();
        let known = forms::cookie(self.headers, forms::FORM);
        let cookie = known.unwrap_or_else(|| Cookie::random(rng));
        let (sid, lang) = (sid.map(str::to_owned), self.view.t.lang.to_owned());
        let form = SealedForm { purpose, sid, at: self.now, lang, content };
        let mut response = match form.seal(&self.app.sessions.keys.get(), &cookie, rng) {
            Ok(sealed) => render(&sealed?),
            Err(error) => return Some(render_api_error(self.view, ApiError::Internal(error))),
        };
        let set = forms::set_cookie(forms::FORM, &cookie, FORM_COOKIE_SECONDS);
        response.headers_mut().append(header::SET_COOKIE, set);
        Some(response)
    }

    /// The page for a form whose content is too long.
    pub fn too_long(&self) -> Response {
        render_error(self.view, ErrorPage::Server(StatusCode::PAYLOAD_TOO_LARGE))
    }
}
