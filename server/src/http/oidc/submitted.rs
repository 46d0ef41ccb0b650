//! Forms that the pages of a login send back.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use sc_auth_contract::time::UnixTime;

use super::flow::Visit;
use super::forms::{self, Pending};
use super::pages::{ErrorPage, View, render_api_error, render_error, unavailable};
use super::ready::ready;
use crate::auth::client::Client;
use crate::auth::keys::Keys;
use crate::auth::oidc::request::{Parameters, is_still_valid};
use crate::auth::oidc::{OpenId, Present};
use crate::http::app::App;
use crate::http::body::limits::Limit;

/// A form, and the authorization request in it.
pub struct Submitted<'a> {
    pub form: Parameters,
    pub pending: Pending,
    openid: Arc<OpenId>,
    present: Present,
    headers: HeaderMap,
    t: View<'a>,
}

impl<'a> Submitted<'a> {
    /// # Errors
    /// The page that says why the form cannot be used.
    pub async fn read(app: &'a App, request: Request, limit: Limit) -> Result<Self, Box<Response>> {
        let headers = request.headers().clone();
        let t = View::of(app, None, &headers);
        let (openid, present) = ready(app).ok_or_else(|| unavailable(t))?;
        let form = forms::read(request, limit).await.map_err(|error| render_api_error(t, error))?;
        forms::check_origin(app, &headers, &openid.issuer).map_err(|why| render_error(t, why))?;
        let pending = open(&app.sessions.keys.get(), &form, &headers, app.now()).ok_or(ErrorPage::Expired);
        let pending = pending.map_err(|why| render_error(t, why))?;
        if !is_still_valid(&present.declared, &pending.request) {
            return Err(render_error(t, ErrorPage::UnknownApplication).into());
        }
        let t = View::of(app, pending.request.ui_locales.as_deref(), &headers);
        Ok(Self { form, pending, openid, present, headers, t })
    }

    pub fn visit<'b>(&'b self, app: &'b App, client: &'b Client) -> Visit<'b> {
        Visit::new(app, &self.openid, &self.present, client, &self.headers, self.t)
    }
}

/// `None` if the form is too old, or was sealed for another browser.
fn open(keys: &Keys, form: &Parameters, headers: &HeaderMap, now: UnixTime) -> Option<Pending> {
    let cookie = forms::cookie(headers, forms::FORM)?;
    Pending::open(keys, form.one("request")?, &cookie, now)
}
