//! What every page shows: its texts in one language, and the look of the service.

use axum::http::HeaderMap;

use super::texts::Texts;
use crate::http::app::App;

#[derive(Clone, Copy)]
pub struct View<'a> {
    pub t: &'static Texts,
    /// The name of the service; empty without one.
    pub title: &'a str,
    pub has_logo: bool,
}

impl<'a> View<'a> {
    /// In the language that the application asks for, or else the browser.
    pub fn of(app: &'a App, ui_locales: Option<&str>, headers: &HeaderMap) -> Self {
        let look = &app.look;
        let t = Texts::of(ui_locales, headers, look.language);
        Self { t, title: &look.title, has_logo: look.logo().is_some() }
    }
}
