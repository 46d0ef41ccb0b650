//! The pages that users log in on for applications.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sc_auth_contract::contrast::{self, Theme};
use sc_auth_contract::limits::{LOGIN_SESSION_IDLE_MIN, LOGIN_TITLE_MAX, SESSION_TTL_MAX, is_hidden};
use sc_auth_contract::settings::{self, Language};

use super::trimmed::{path, word};
use super::values::duration;
use crate::auth::session::BrowserLifetimes;

#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the settings are called so")]
pub struct LoginArgs {
    /// Title above the login pages, 1 to 64 characters.
    #[arg(long, env = settings::LOGIN_TITLE.name, value_parser = title, value_name = "TEXT")]
    pub login_title: Option<String>,
    /// Image above the login pages: a PNG, JPEG or WebP file of at most 128 KiB, reloaded when it changes.
    #[arg(long, env = settings::LOGIN_LOGO.name, value_parser = path(), value_name = "FILE")]
    pub login_logo: Option<PathBuf>,
    /// Accent colour of buttons and focus outlines in the light colour scheme, such as #0b57d0. Its contrast to white must
    /// be at least 4.5:1 (WCAG 2.2, 1.4.3).
    #[arg(long, env = settings::LOGIN_ACCENT_LIGHT.name, value_parser = light, value_name = "COLOR")]
    pub login_accent_light: Option<String>,
    /// Accent colour of buttons and focus outlines in the dark colour scheme, such as #8ab4f8. Its contrast to #1f242a must
    /// be at least 4.5:1.
    #[arg(long, env = settings::LOGIN_ACCENT_DARK.name, value_parser = dark, value_name = "COLOR")]
    pub login_accent_dark: Option<String>,
    /// Language of the pages for browsers that accept none of their languages.
    #[arg(long, env = settings::LOGIN_LANGUAGE.name, default_value = settings::LOGIN_LANGUAGE.default, value_parser = word::<Language>(), value_name = "LANGUAGE")]
    pub login_language: Language,
    /// Idle timeout of a browser session, 5m to 366d.
    #[arg(long, env = settings::LOGIN_SESSION_IDLE.name, default_value = settings::LOGIN_SESSION_IDLE.default, value_parser = duration::<LOGIN_SESSION_IDLE_MIN, SESSION_TTL_MAX>)]
    pub login_session_idle: Duration,
    /// Maximum lifetime of a browser session, however often it is used, 5m to 366d.
    #[arg(long, env = settings::LOGIN_SESSION_MAXIMUM.name, default_value = settings::LOGIN_SESSION_MAXIMUM.default, value_parser = duration::<LOGIN_SESSION_IDLE_MIN, SESSION_TTL_MAX>)]
    pub login_session_maximum: Duration,
}

impl LoginArgs {
    pub fn lifetimes(&self) -> BrowserLifetimes {
        BrowserLifetimes { idle: self.login_session_idle, maximum: self.login_session_maximum }
    }
}

fn title(text: &str) -> Result<String, String> {
    let text = text.trim();
    // The rule of `spec.login.title`: whatever the API server accepts, pods must start with.
    if text.is_empty() || text.chars().count() > LOGIN_TITLE_MAX || text.contains(is_hidden) {
        return Err(format!("write 1 to {LOGIN_TITLE_MAX} characters, none of them invisible"));
    }
    Ok(text.to_owned())
}

fn light(text: &str) -> Result<String, String> {
    accent(text, Theme::Light)
}

fn dark(text: &str) -> Result<String, String> {
    accent(text, Theme::Dark)
}

fn accent(text: &str, theme: Theme) -> Result<String, String> {
    contrast::check(text.trim(), theme)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_pages_can_show_is_accepted() {
        assert_eq!(title(" Example Inc. "), Ok("Example Inc.".to_owned()));
        for odd in ["\u{301}", "a\u{378}", &"\u{10400}".repeat(64)] {
            assert_eq!(title(odd).as_deref(), Ok(odd), "the API server accepts it");
        }
        for bad in ["", " ", "a\u{200b}b", "a\nb", &"x".repeat(65)] {
            assert!(title(bad).is_err(), "{bad:?}");
        }
        assert_eq!((light(" #0B57d0 ").as_deref(), dark("#8ab4f8").as_deref()), (Ok("#0B57d0"), Ok("#8ab4f8")));
        for bad in ["red", "#fff", "#0b57d0}", "#ffff00"] {
            assert!(light(bad).is_err(), "{bad}");
        }
        assert!(dark("#0b57d0").unwrap_err().contains("4.5:1"));
    }
}
