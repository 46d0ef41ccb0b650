//! How the pages look, by the settings.

mod logo;

use std::sync::Arc;

use axum::body::Bytes;
use sc_auth_contract::settings::Language;

pub use logo::{Logo, LogoFile};

const STYLE: &str = include_str!("../../templates/sc-auth.css");
/// The accents of the themes in that file.
const LIGHT: &str = "--accent:#0b57d0";
const DARK: &str = "--accent:#8ab4f8";

pub struct Look {
    /// The name of the service; empty without one.
    pub title: String,
    /// The language for browsers that ask for none of ours.
    pub language: Language,
    /// The stylesheet.
    pub style: Bytes,
    pub logo: Option<Arc<LogoFile>>,
}

impl Look {
    /// The colours must have been checked: they become a part of the stylesheet.
    pub fn new(
        title: Option<String>,
        language: Language,
        [light, dark]: [Option<&str>; 2],
        logo: Option<Arc<LogoFile>>,
    ) -> Self {
        let with = |style: String, default: &str, color: Option<&str>| match color {
            Some(color) => style.replacen(default, &format!("--accent:{color}"), 1),
            None => style,
        };
        let style = with(with(STYLE.to_owned(), LIGHT, light), DARK, dark).into();
        Self { title: title.unwrap_or_default(), language, style, logo }
    }

    /// The logo that the pages show now.
    pub fn logo(&self) -> Option<Arc<Logo>> {
        self.logo.as_ref()?.get()
    }
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::contrast::{self, Color, Theme};

    use super::*;

    #[test]
    fn each_theme_has_its_own_accent() {
        assert_eq!([LIGHT, DARK].map(|accent| STYLE.matches(accent).count()), [1, 1]);
        let style = |colors| Look::new(None, Language::En, colors, None).style;
        assert_eq!(style([None, None]), STYLE);
        assert_eq!(style([Some("#123456"), None]), STYLE.replace("#0b57d0", "#123456"));
        assert_eq!(style([None, Some("#abcdef")]), STYLE.replace("#8ab4f8", "#abcdef"));
    }

    /// The accents are checked against it.
    #[test]
    fn the_stylesheet_has_the_background_and_a_valid_accent_of_each_theme() {
        for (theme, card, accent) in [(Theme::Light, "#fff", LIGHT), (Theme::Dark, "#1f242a", DARK)] {
            assert_eq!(STYLE.matches(&format!("--card:{card};")).count(), 1, "{theme:?}");
            let six_digits = if card.len() == 4 { card.replace('f', "ff") } else { card.to_owned() };
            assert_eq!(Color::parse(&six_digits), Some(theme.background()));
            assert_eq!(contrast::check(accent.trim_start_matches("--accent:"), theme), Ok(()));
        }
    }
}
