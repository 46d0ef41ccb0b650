//! What each request for a page begins with.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::answer;
use super::flow::Visit;
use super::forms;
use super::pages::{ErrorPage, View, render_api_error, render_error, unavailable};
use super::ready::ready;
use crate::auth::client::Client;
use crate::auth::oidc::{OpenId, Present};
use crate::http::app::App;
use crate::http::body;
use crate::http::body::limits::{ADDRESS_MAX, Limit};

/// A request under the host of the issuer, once the clients and keys are loaded.
pub struct PageRequest<'a> {
    app: &'a App,
    pub openid: Arc<OpenId>,
    pub present: Present,
    pub view: View<'a>,
}

impl<'a> PageRequest<'a> {
    /// # Errors
    /// The page that says why the request cannot be answered.
    pub fn enter(app: &'a App, ui_locales: Option<&str>, headers: &HeaderMap) -> Result<Self, Box<Response>> {
        let view = View::of(app, ui_locales, headers);
        let (openid, present) = ready(app).ok_or_else(|| unavailable(view))?;
        if !forms::asks_for_own_host(app, &openid.issuer, headers) {
            return Err(render_error(view, ErrorPage::OtherHost).into());
        }
        Ok(Self { app, openid, present, view })
    }

    pub fn visit<'b>(&'b self, client: &'b Client, headers: &'b HeaderMap) -> Visit<'b> {
        Visit::new(self.app, &self.openid, &self.present, client, headers, self.view)
    }
}

/// Redirects a form to the same request by GET: a cross-site POST comes without the session's cookie.
pub async fn by_get(app: &App, path: &str, limit: Limit, request: Request) -> Response {
    let PageRequest { openid, view, .. } = match PageRequest::enter(app, None, request.headers()) {
        Ok(page) => page,
        Err(page) => return *page,
    };
    let body = match body::form(request, limit).await {
        Ok(body) => body,
        Err(error) => return render_api_error(view, error),
    };
    // Encoded again, so that nothing but parameters gets into the address.
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form_urlencoded::parse(&body)).finish();
    let location = format!("{}?{query}", openid.address(path));
    if location.len() > ADDRESS_MAX {
        return render_error(view, ErrorPage::Server(StatusCode::PAYLOAD_TOO_LARGE));
    }
    answer::redirect(view, &location)
}
