//! What an authorization request leads to: the login page, the question for consent, a code or an error.

use std::time::Duration;

use sc_auth_contract::declared::{Consent, DeclaredClient};
use sc_auth_contract::time::UnixTime;

use super::grant::Consented;
use super::hinted::Hinted;
use super::request::{AuthorizationRequest, OAuthProblem, problem};
use crate::auth::session::Browser;
use crate::store::Permissions;

/// What the user has just done: nobody is asked twice for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Arrived,
    LoggedIn,
    Consented,
}

/// What a decision depends on, beside the session of the browser.
#[derive(Debug)]
pub struct Case<'a> {
    pub request: &'a AuthorizationRequest,
    pub declared: &'a DeclaredClient,
    /// What the user has consented to before.
    pub given: Permissions,
    /// Whether the user is in one of the groups of the client, if it has some.
    pub is_member: bool,
    pub step: Step,
    pub now: UnixTime,
}

/// The next response to the browser.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    LogIn,
    AskConsent,
    /// A code. The consent is `None` if the user was not asked.
    Issue(Option<Consented>),
    Refuse(OAuthProblem),
}

impl Decision {
    /// What follows if the user is not logged in.
    pub const fn without_session(request: &AuthorizationRequest) -> Self {
        if request.prompt.none { Self::Refuse(problem("login_required", "the user must log in")) } else { Self::LogIn }
    }
}

impl Case<'_> {
    pub fn decide(&self, browser: Option<&Browser>) -> Decision {
        let Some(browser) = browser.filter(|browser| !self.must_log_in(browser)) else {
            return Decision::without_session(self.request);
        };
        // Another user has just logged in than the client asks for: to ask again would never end.
        if self.is_other_user(browser) {
            return Decision::Refuse(problem("login_required", "another user has logged in"));
        }
        if !self.is_member {
            return Decision::Refuse(problem("access_denied", "the user may not log in to this client"));
        }
        match self.step {
            Step::Consented => Decision::Issue(Some(self.consented())),
            _ if !self.must_consent() => Decision::Issue(None),
            _ if self.request.prompt.none => Decision::Refuse(problem("consent_required", "the user must consent")),
            _ => Decision::AskConsent,
        }
    }

    /// Whether the password is needed, even with a session. After a login it is not asked for again.
    fn must_log_in(&self, browser: &Browser) -> bool {
        let is_too_old = |seconds: u64| seconds == 0 || self.now > browser.auth_time + Duration::from_secs(seconds);
        self.step == Step::Arrived
            && (self.request.prompt.login
                || self.request.max_age.is_some_and(is_too_old)
                || self.request.hinted == Hinted::Unknown
                || self.is_other_user(browser))
    }

    /// Whether the hint, or a requested claim, names another user.
    fn is_other_user(&self, browser: &Browser) -> bool {
        let is_hinted = matches!(&self.request.hinted, Hinted::User(sub) if *sub != browser.user.uuid);
        is_hinted || !self.request.claims.admits(&browser.user.uuid)
    }

    fn must_consent(&self) -> bool {
        self.request.prompt.consent
            || match self.declared.consent {
                // For native applications, that consent must be explicit (OpenID Connect Core, 11).
                Consent::Skip => self.request.is_offline() && self.can_be_impersonated(),
                Consent::Once => !self.is_given() || self.can_be_impersonated(),
                Consent::Always => true,
            }
    }

    /// Whether another application of the device can send this request and get the code: nothing proves who owns a scheme
    /// or a port (RFC 8252, 8.6). Without consent, it would get tokens of the user who is logged in.
    fn can_be_impersonated(&self) -> bool {
        !self.declared.is_confidential() && !self.request.to.redirect_uri.starts_with("https://")
    }

    fn is_given(&self) -> bool {
        self.given.includes(&self.wanted())
    }

    fn wanted(&self) -> Permissions {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Permissions {
            scopes: owned(self.request.to_allow()),
            audiences: owned(self.request.audiences_to_allow(self.declared)),
        }
    }

    /// What was given before stays.
    fn consented(&self) -> Consented {
        let remember = || {
            let mut all = self.given.clone();
            all.add(self.wanted());
            // Those that the declaration has lost would fill the column in the end.
            all.audiences.retain(|name| self.declared.audiences.contains(name));
            all
        };
        Consented { remember: (self.declared.consent == Consent::Once).then(remember) }
    }
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::declared::ClientType;
    use serde_json::json;

    use super::Decision::{AskConsent, Issue, LogIn, Refuse};
    use super::Step::{Arrived, LoggedIn};
    use super::*;
    use crate::auth::oidc::request::{Prompt, RequestedClaims, ResponseMode, ResponseTarget};
    use crate::store::User;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const NONE: Prompt = Prompt { none: true, login: false, consent: false };
    const ANY: Prompt = Prompt { none: false, login: false, consent: false };
    const LOGIN: Prompt = Prompt { login: true, ..ANY };
    const CONSENT: Prompt = Prompt { consent: true, ..ANY };

    /// A user who logged in a minute ago.
    fn browser() -> Browser {
        let user = User { uuid: "alice".into(), ..User::default() };
        Browser { sid: "s".into(), user, auth_time: NOW - Duration::from_mins(1) }
    }

    fn declared(consent: Consent, client_type: ClientType) -> DeclaredClient {
        let client = json!({"clientId": "shop", "type": "Web", "redirectUris": [], "audiences": ["api", "more"]});
        DeclaredClient { consent, client_type, ..serde_json::from_value(client).unwrap() }
    }

    fn permissions(scopes: &[&str], audiences: &[&str]) -> Permissions {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Permissions { scopes: owned(scopes), audiences: owned(audiences) }
    }

    fn request(prompt: Prompt, redirect_uri: &str) -> AuthorizationRequest {
        let to = ResponseTarget { redirect_uri: redirect_uri.into(), mode: ResponseMode::Query, state: None };
        AuthorizationRequest {
            client_id: "shop".into(),
            to,
            scopes: vec!["openid".into(), "email".into()],
            audiences: vec!["api".into(), "more".into()],
            nonce: None,
            code_challenge: None,
            prompt,
            max_age: None,
            ui_locales: None,
            login_hint: None,
            hinted: Hinted::Nobody,
            claims: RequestedClaims::default(),
        }
    }

    /// The decision for a client that asks for no consent.
    fn decided(
        prompt: Prompt,
        max_age: Option<u64>,
        hinted: &Hinted,
        step: Step,
        browser: Option<&Browser>,
    ) -> Decision {
        let hinted = hinted.clone();
        let request = AuthorizationRequest { max_age, hinted, ..request(prompt, "https://a.test/") };
        let declared = declared(Consent::Skip, ClientType::Web);
        Case { request: &request, declared: &declared, given: Permissions::default(), is_member: true, step, now: NOW }
            .decide(browser)
    }

    fn is_login_required(decision: &Decision) -> bool {
        matches!(decision, Refuse(OAuthProblem { error: "login_required", .. }))
    }

    #[test]
    fn the_password_is_asked_for_only_where_the_session_does_not_suffice() {
        let (browser, other) = (browser(), Hinted::User("bobby".into()));
        let (own, nobody, unknown) = (Hinted::User("alice".into()), Hinted::Nobody, Hinted::Unknown);
        for (prompt, max_age, hinted, is_enough) in [
            (ANY, None, &nobody, true),
            (ANY, None, &own, true),
            (ANY, None, &other, false),
            (ANY, None, &unknown, false),
            (ANY, Some(60), &nobody, true),
            (ANY, Some(59), &nobody, false),
            (ANY, Some(0), &nobody, false),
            (ANY, Some(u64::MAX), &nobody, true),
            (LOGIN, None, &nobody, false),
            (LOGIN, None, &own, false),
        ] {
            let case = format!("{prompt:?} {max_age:?} {hinted:?}");
            let wanted = if is_enough { Issue(None) } else { LogIn };
            assert_eq!(decided(prompt, max_age, hinted, Arrived, Some(&browser)), wanted, "{case}");
            assert_eq!(decided(prompt, max_age, hinted, Arrived, None), LogIn, "{case}");
            // With prompt=none, no page is shown.
            let silent = decided(Prompt { none: true, ..prompt }, max_age, hinted, Arrived, Some(&browser));
            assert!(if is_enough { silent == Issue(None) } else { is_login_required(&silent) }, "{case}: {silent:?}");
            assert!(is_login_required(&decided(NONE, max_age, hinted, Arrived, None)), "{case}");
            // After a login, the password is not asked for again.
            let after = decided(prompt, max_age, hinted, LoggedIn, Some(&browser));
            let is_other = *hinted == other;
            assert!(if is_other { is_login_required(&after) } else { after == Issue(None) }, "{case}: {after:?}");
        }
    }

    #[test]
    fn consent_is_asked_for_by_the_declaration_and_the_request() {
        use ClientType::{Native, Web};
        use Consent::{Always, Once, Skip};
        let browser = browser();
        let (https, app) = ("https://a.test/", "com.example.app:/cb");
        let (all, some) = (&["openid", "email"][..], &["openid"][..]);
        let (both, one) = (&["api", "more"][..], &["api"][..]);
        for (consent, client_type, uri, prompt, given, audiences, is_asked) in [
            (Once, Web, https, ANY, &[][..], &[][..], true),
            (Once, Web, https, ANY, some, both, true),
            (Once, Web, https, ANY, all, both, false),
            (Once, Web, https, ANY, all, one, true),
            (Once, Web, https, CONSENT, all, both, true),
            (Once, Native, https, ANY, all, both, false),
            (Once, Native, app, ANY, all, both, true),
            (Once, Native, "http://127.0.0.1:1/cb", ANY, all, both, true),
            (Always, Web, https, ANY, all, both, true),
            (Skip, Web, https, ANY, &[], &[], false),
            (Skip, Native, app, ANY, &[], &[], false),
            (Skip, Web, https, CONSENT, &[], &[], true),
        ] {
            let case = format!("{consent:?} {client_type:?} {uri} {prompt:?} {given:?} {audiences:?}");
            let declared = declared(consent, client_type);
            let decide = |prompt, step| {
                let request = request(prompt, uri);
                Case {
                    request: &request,
                    declared: &declared,
                    given: permissions(given, audiences),
                    is_member: true,
                    step,
                    now: NOW,
                }
                .decide(Some(&browser))
            };
            for step in [Arrived, LoggedIn] {
                assert_eq!(decide(prompt, step), if is_asked { AskConsent } else { Issue(None) }, "{case}");
            }
            let silent = decide(Prompt { none: true, ..prompt }, Arrived);
            let is_refused = matches!(silent, Refuse(OAuthProblem { error: "consent_required", .. }));
            assert!(if is_asked { is_refused } else { silent == Issue(None) }, "{case}: {silent:?}");
            let remember = (consent == Once).then(|| permissions(&["openid", "email"], &["api", "more"]));
            assert_eq!(decide(prompt, Step::Consented), Issue(Some(Consented { remember })), "{case}");
        }
    }

    #[test]
    fn a_native_application_gets_offline_access_only_with_consent() {
        let (https, app) = ("https://a.test/", "com.example.app:/cb");
        for (client_type, uri, scopes, wanted) in [
            (ClientType::Native, app, &["openid", "offline_access"][..], AskConsent),
            (ClientType::Native, "http://127.0.0.1:1/cb", &["openid", "offline_access"], AskConsent),
            (ClientType::Native, app, &["openid"], Issue(None)),
            (ClientType::Native, https, &["openid", "offline_access"], Issue(None)),
            (ClientType::Web, https, &["openid", "offline_access"], Issue(None)),
        ] {
            let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let request = AuthorizationRequest { scopes, ..request(ANY, uri) };
            let declared = declared(Consent::Skip, client_type);
            let given = Permissions::default();
            let case = |step| Case {
                request: &request,
                declared: &declared,
                given: given.clone(),
                is_member: true,
                step,
                now: NOW,
            };
            assert_eq!(case(Arrived).decide(Some(&browser())), wanted, "{client_type:?} {uri}");
            let allowed = Issue(Some(Consented { remember: None }));
            assert_eq!(case(Step::Consented).decide(Some(&browser())), allowed, "{client_type:?} {uri}");
        }
    }

    #[test]
    fn what_was_given_before_stays() {
        let (request, declared) = (request(ANY, "https://a.test/"), declared(Consent::Once, ClientType::Web));
        let case = Case {
            request: &request,
            declared: &declared,
            given: permissions(&["profile", "openid"], &["gone", "api"]),
            is_member: true,
            step: Step::Consented,
            now: NOW,
        };
        // Of the audiences, those that the declaration still has.
        let remember = Some(permissions(&["profile", "openid", "email"], &["api", "more"]));
        assert_eq!(case.decide(Some(&browser())), Issue(Some(Consented { remember })));
    }
}
