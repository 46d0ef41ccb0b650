//! Forms that pages send back.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use sc_auth_contract::time::UnixTime;
use serde::de::DeserializeOwned;

use super::flow::Visit;
use super::forms;
use super::page_request::PageRequest;
use super::pages::{ErrorPage, View, render_api_error, render_error};
use super::sealed_form::{Purpose, SealedForm};
use crate::auth::client::Client;
use crate::auth::keys::Keys;
use crate::auth::oidc::request::{AuthorizationRequest, Parameters, is_still_valid};
use crate::auth::session::Browser;
use crate::http::app::App;
use crate::http::body::limits::Limit;

/// A form, and what was sealed in it.
pub struct Submitted<'a, T> {
    pub form: Parameters,
    sid: Option<String>,
    pub content: T,
    /// In the language of the page that had the form.
    pub page: PageRequest<'a>,
    headers: HeaderMap,
}

impl<'a, T: DeserializeOwned> Submitted<'a, T> {
    /// # Errors
    /// The page that says why the form cannot be used: it comes from elsewhere, is too old, or has another purpose.
    pub async fn read(app: &'a App, request: Request, limit: Limit, purpose: Purpose) -> Result<Self, Box<Response>> {
        let headers = request.headers().clone();
        let mut page = PageRequest::enter(app, None, &headers)?;
        let view = page.view;
        let form = forms::read(request, limit).await.map_err(|error| render_api_error(view, error))?;
        let is_own = forms::is_own_form(&headers, &page.openid.issuer);
        let opened = is_own.then(|| open::<T>(&app.sessions.keys.get(), &form, &headers, purpose, app.now()));
        let SealedForm { sid, lang, content, .. } =
            opened.flatten().ok_or_else(|| render_error(view, ErrorPage::Expired))?;
        page.view = View::of(app, Some(&lang), &headers);
        Ok(Self { form, sid, content, page, headers })
    }
}

impl<T> Submitted<'_, T> {
    pub fn visit<'b>(&'b self, client: &'b Client) -> Visit<'b> {
        self.page.visit(client, &self.headers)
    }

    /// Whether the form is for the session: a user who logged in later was not asked.
    pub fn is_for(&self, browser: &Browser) -> bool {
        self.sid.as_ref() == Some(&browser.sid)
    }
}

impl<'a> Submitted<'a, AuthorizationRequest> {
    /// A form of the login of an application.
    ///
    /// # Errors
    /// Also if the declarations do not allow the request any more.
    pub async fn for_application(
        app: &'a App,
        request: Request,
        limit: Limit,
        purpose: Purpose,
    ) -> Result<Self, Box<Response>> {
        let submitted = Self::read(app, request, limit, purpose).await?;
        if !is_still_valid(&submitted.page.present.declared, &submitted.content) {
            return Err(render_error(submitted.page.view, ErrorPage::UnknownApplication).into());
        }
        Ok(submitted)
    }
}

fn open<T: DeserializeOwned>(
    keys: &Keys,
    form: &Parameters,
    headers: &HeaderMap,
    purpose: Purpose,
    now: UnixTime,
) -> Option<SealedForm<T>> {
    let cookie = forms::cookie(headers, forms::FORM)?;
    SealedForm::open(keys, form.one("request")?, &cookie, purpose, now)
}
