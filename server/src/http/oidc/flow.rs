//! What happens next with a valid authorization request: a login, a question, or the answer.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use sc_auth_contract::declared::{Consent, DeclaredClient};
use sc_auth_contract::time::UnixTime;

use super::answer;
use super::forms::{self, Pending};
use super::pages::{ConsentPage, LoginPage, Policy, Texts, Trouble, failure, page, trouble};
use crate::auth::client::Client;
use crate::auth::oidc::request::{AuthorizationRequest, OAuthProblem, is_still_valid, problem};
use crate::auth::oidc::{OpenId, Present, claims, give, new_grant, tokens};
use crate::auth::session::{Browser, Cookie};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::rate_limits::Limited;
use crate::store::StoreError;

/// How long a browser keeps the cookie of forms.
const FORM_COOKIE_SECONDS: u32 = 24 * 60 * 60;

/// What the user has just done: nobody is asked twice for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Arrived,
    LoggedIn,
    Consented,
}

/// One request of a browser.
pub struct Visit<'a> {
    pub app: &'a App,
    pub openid: &'a OpenId,
    pub present: &'a Present,
    pub client: &'a Client,
    pub headers: &'a HeaderMap,
    pub t: &'static Texts,
    pub now: UnixTime,
}

/// A login page's state after a failure.
#[derive(Default)]
pub struct Failed<'a> {
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
        t: &'static Texts,
    ) -> Self {
        Self { app, openid, present, client, headers, t, now: app.now() }
    }

    /// The browser's live session.
    pub async fn browser(&self) -> Result<Option<Browser>, StoreError> {
        match forms::cookie(self.headers, forms::SESSION) {
            Some(cookie) => self.app.sessions.browser(&cookie, self.now).await,
            None => Ok(None),
        }
    }

    pub async fn proceed(&self, request: &AuthorizationRequest, browser: Option<&Browser>, step: Step) -> Response {
        let Some(declared) = self.present.declared.find(&request.client_id) else {
            return trouble(self.t, Trouble::UnknownApplication);
        };
        let browser = match browser {
            Some(browser) if !self.must_log_in(request, browser, step) => browser,
            _ if request.prompt.none => return self.refuse(request, problem("login_required", "the user must log in")),
            _ => return self.login_page(StatusCode::OK, request, declared, &Failed::default()),
        };
        if step != Step::Arrived && self.is_of_another_user(request, browser) {
            return self.refuse(request, problem("login_required", "another user has logged in"));
        }
        match self.answer(request, declared, browser, step).await {
            Ok(response) => response,
            Err(error) => failure(self.t, error),
        }
    }

    async fn answer(
        &self,
        request: &AuthorizationRequest,
        declared: &DeclaredClient,
        browser: &Browser,
        step: Step,
    ) -> Result<Response, StoreError> {
        if claims::groups(&self.app.sessions.store, &browser.user, declared).await?.is_none() {
            return Ok(self.refuse(request, problem("access_denied", "the user may not log in to this client")));
        }
        let given = self.app.sessions.store.consent(browser.user.id, &declared.key()).await?;
        let given: Vec<_> = given.as_deref().unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()).collect();
        if step != Step::Consented && must_consent(request, declared, &given) {
            if request.prompt.none {
                return Ok(self.refuse(request, problem("consent_required", "the user must allow it")));
            }
            return Ok(self.consent_page(request, declared, browser));
        }
        let all = || {
            let more = request.to_allow().into_iter().filter(|scope| !given.contains(scope));
            given.iter().copied().chain(more).collect::<Vec<_>>().join(" ")
        };
        let consent = (step == Step::Consented && declared.consent == Consent::Once).then(all);
        if step != Step::LoggedIn
            && let Err(error) = self.app.settings.check_rate(Limited::Refresh, self.client)
        {
            // A code is as much work as a refresh. Logins have their own limit.
            return Ok(failure(self.t, error));
        }
        let grant = new_grant(browser, declared, request, self.now, &mut rand::rng());
        let is_given = give(&self.app.sessions, &grant, browser, consent.as_deref(), self.client, self.now).await?;
        let code = is_given.then_some(grant.code);
        Ok(match code {
            Some(code) => answer::code(self.t, &self.openid.issuer, &request.to, &code),
            // The session has ended meanwhile.
            None if request.prompt.none => self.refuse(request, problem("login_required", "the user must log in")),
            None => self.login_page(StatusCode::OK, request, declared, &Failed::default()),
        })
    }

    /// Whether the password is needed, even with a session. After a login it is not asked for again.
    fn must_log_in(&self, request: &AuthorizationRequest, browser: &Browser, step: Step) -> bool {
        let is_too_old = |seconds: u64| seconds == 0 || self.now > browser.auth_time + Duration::from_secs(seconds);
        step == Step::Arrived
            && (request.prompt.login
                || request.max_age.is_some_and(is_too_old)
                || !request.claims.admits(&browser.user.uuid)
                || request.id_token_hint.is_some() && !self.is_hinted(request, browser))
    }

    /// Whether the hint is an ID token of this user, expired or not.
    fn is_hinted(&self, request: &AuthorizationRequest, browser: &Browser) -> bool {
        let hint = request.id_token_hint.as_deref().map(|hint| tokens::read_hint(&self.present.keys, hint));
        matches!(hint, Some(Ok(hint)) if hint.sub == browser.user.uuid)
    }

    /// Whether the hint is an ID token of another user, or another one was asked for.
    fn is_of_another_user(&self, request: &AuthorizationRequest, browser: &Browser) -> bool {
        if !request.claims.admits(&browser.user.uuid) {
            return true;
        }
        let hint = request.id_token_hint.as_deref().map(|hint| tokens::read_hint(&self.present.keys, hint));
        matches!(hint, Some(Ok(hint)) if hint.sub != browser.user.uuid)
    }

    pub fn refuse(&self, request: &AuthorizationRequest, problem: OAuthProblem) -> Response {
        answer::error(self.t, &self.openid.issuer, &request.to, problem)
    }

    pub fn login_page(
        &self,
        status: StatusCode,
        request: &AuthorizationRequest,
        declared: &DeclaredClient,
        failed: &Failed<'_>,
    ) -> Response {
        let pending = Pending::new(request.clone(), None, self.now);
        let hint = request.login_hint.as_deref().unwrap_or_default();
        self.form(&pending, |sealed| {
            let template = LoginPage {
                t: self.t,
                application: declared.shown_name(),
                sealed,
                username: if failed.username.is_empty() { hint } else { failed.username },
                problem: failed.problem.clone(),
            };
            page(status, &template, &Policy::Form { then: &answer::source(&request.to.redirect_uri) })
        })
    }

    fn consent_page(&self, request: &AuthorizationRequest, declared: &DeclaredClient, browser: &Browser) -> Response {
        let pending = Pending::new(request.clone(), Some(browser.sid.clone()), self.now);
        self.form(&pending, |sealed| {
            let template = ConsentPage {
                t: self.t,
                application: declared.shown_name(),
                sealed,
                username: browser.user.username(),
                scopes: request.to_allow().into_iter().filter_map(|scope| self.t.scope(scope)).collect(),
            };
            page(StatusCode::OK, &template, &Policy::Form { then: &answer::source(&request.to.redirect_uri) })
        })
    }

    /// A page with a form that only this browser can send.
    fn form(&self, pending: &Pending, render: impl Fn(&str) -> Response) -> Response {
        let rng = &mut rand::rng();
        let known = forms::cookie(self.headers, forms::FORM);
        let cookie = known.unwrap_or_else(|| Cookie::random(rng));
        let mut response = match pending.seal(&self.app.sessions.keys.get(), &cookie, rng) {
            Ok(Some(sealed)) => render(&sealed),
            Ok(None) => return self.refuse(&pending.request, problem("invalid_request", "the request is too long")),
            Err(error) => return failure(self.t, ApiError::Internal(error)),
        };
        let set = forms::set_cookie(forms::FORM, &cookie, FORM_COOKIE_SECONDS);
        response.headers_mut().append(header::SET_COOKIE, set);
        response
    }

    /// The form that this browser sends back.
    ///
    /// # Errors
    /// If it comes from elsewhere, is too old, or was made under other declarations.
    pub fn open(&self, sealed: &str) -> Result<Pending, Trouble> {
        if !forms::asks_for_own_host(self.app, &self.openid.issuer, self.headers) {
            return Err(Trouble::OtherHost);
        }
        if !forms::is_own_form(self.headers, &self.openid.issuer) {
            return Err(Trouble::Expired);
        }
        let cookie = forms::cookie(self.headers, forms::FORM).ok_or(Trouble::Expired)?;
        let pending = Pending::open(&self.app.sessions.keys.get(), sealed, &cookie, self.now);
        let pending = pending.ok_or(Trouble::Expired)?;
        let is_valid = is_still_valid(&self.present.declared, &pending.request);
        if is_valid { Ok(pending) } else { Err(Trouble::UnknownApplication) }
    }
}

fn must_consent(request: &AuthorizationRequest, declared: &DeclaredClient, given: &[&str]) -> bool {
    let is_given = request.to_allow().iter().all(|scope| given.contains(scope));
    request.prompt.consent
        || match declared.consent {
            Consent::Skip => false,
            Consent::Once => !is_given || can_be_impersonated(request, declared),
            Consent::Always => true,
        }
}

/// Whether another application of the device can send this request and get the code: nothing proves who owns a scheme or a
/// port (RFC 8252, 8.6). Without the user's word, it would get tokens of whoever is logged in.
fn can_be_impersonated(request: &AuthorizationRequest, declared: &DeclaredClient) -> bool {
    !declared.is_confidential() && !request.to.redirect_uri.starts_with("https://")
}
