//! Forms of pages that belong to a session. Each is sealed for one browser, one session and one purpose.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use sc_auth_contract::time::UnixTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::flow::{FORM_COOKIE_SECONDS, Visit};
use super::forms::{self, FORM_SECONDS};
use super::pages::{ErrorPage, View, render_api_error, render_error, unavailable};
use super::ready::ready;
use crate::auth::client::Client;
use crate::auth::keys::Keys;
use crate::auth::oidc::request::Parameters;
use crate::auth::oidc::{OpenId, Present};
use crate::auth::session::Cookie;
use crate::http::app::App;
use crate::http::body::limits::Limit;
use crate::http::error::ApiError;

/// What a form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A login without an application. There is no session yet.
    Login,
    Logout,
    Applications,
}

/// What such a form carries.
#[derive(Serialize, Deserialize)]
struct Carried<T> {
    purpose: Purpose,
    sid: String,
    at: UnixTime,
    /// The language of the page.
    lang: String,
    content: T,
}

/// Renders a page with a form that only this browser can send, in this session.
pub fn page_with<T: Serialize>(
    visit: &Visit<'_>,
    purpose: Purpose,
    sid: &str,
    content: T,
    render: impl Fn(&str) -> Response,
) -> Response {
    let rng = &mut rand::rng();
    let cookie = forms::cookie(visit.headers, forms::FORM).unwrap_or_else(|| Cookie::random(rng));
    let carried = Carried { purpose, sid: sid.to_owned(), at: visit.now, lang: visit.t.lang.to_owned(), content };
    let sealed = serde_json::to_string(&carried).map_err(anyhow::Error::from);
    let sealed = sealed.and_then(|text| visit.app.sessions.keys.get().seal_request(&text, cookie.as_str(), rng));
    let mut response = match sealed {
        Ok(sealed) => render(&sealed),
        Err(error) => return render_api_error(visit.t, ApiError::Internal(error)),
    };
    let set = forms::set_cookie(forms::FORM, &cookie, FORM_COOKIE_SECONDS);
    response.headers_mut().append(header::SET_COOKIE, set);
    response
}

/// Such a form that a browser has sent back.
pub struct OwnForm<'a, T> {
    pub form: Parameters,
    /// The session that it is for.
    pub sid: String,
    pub content: T,
    pub openid: Arc<OpenId>,
    present: Present,
    headers: HeaderMap,
    pub t: View<'a>,
}

impl<'a, T: DeserializeOwned> OwnForm<'a, T> {
    /// # Errors
    /// The page that says why the form cannot be used: it comes from elsewhere, is too old, or has another purpose.
    pub async fn read(app: &'a App, request: Request, limit: Limit, purpose: Purpose) -> Result<Self, Box<Response>> {
        let headers = request.headers().clone();
        let t = View::of(app, None, &headers);
        let (openid, present) = ready(app).ok_or_else(|| unavailable(t))?;
        let form = forms::read(request, limit).await.map_err(|error| render_api_error(t, error))?;
        forms::check_origin(app, &headers, &openid.issuer).map_err(|why| render_error(t, why))?;
        let carried = open::<T>(&app.sessions.keys.get(), &form, &headers, purpose, app.now())
            .ok_or_else(|| render_error(t, ErrorPage::Expired))?;
        let t = View::of(app, Some(&carried.lang), &headers);
        Ok(Self { form, sid: carried.sid, content: carried.content, openid, present, headers, t })
    }
}

impl<T> OwnForm<'_, T> {
    pub fn visit<'b>(&'b self, app: &'b App, client: &'b Client) -> Visit<'b> {
        Visit::new(app, &self.openid, &self.present, client, &self.headers, self.t)
    }
}

/// `None` if it is too old, has another purpose, or was sealed for another browser.
fn open<T: DeserializeOwned>(
    keys: &Keys,
    form: &Parameters,
    headers: &HeaderMap,
    purpose: Purpose,
    now: UnixTime,
) -> Option<Carried<T>> {
    let cookie = forms::cookie(headers, forms::FORM)?;
    let text = keys.open_request(form.one("request")?, cookie.as_str())?;
    let carried: Carried<T> = serde_json::from_str(&text).ok()?;
    let age = (now - carried.at).as_secs();
    (carried.purpose == purpose && age <= FORM_SECONDS).then_some(carried)
}
