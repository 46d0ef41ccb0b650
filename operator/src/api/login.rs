//! What a user asks for of the login pages.

use kube::KubeSchema;
use sc_auth_contract::contrast::Theme;
use sc_auth_contract::limits::{LOGIN_SESSION_IDLE_MIN, LOGIN_TITLE_MAX, SESSION_TTL_MAX};
use sc_auth_contract::settings::{LOGIN_SESSION_IDLE, LOGIN_SESSION_MAXIMUM, Language};
use serde::{Deserialize, Serialize};

use super::rules::{object_name, seconds, visible};

/// Login pages of OpenID Connect.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Title above the login pages, 1 to 64 characters. Defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("{} && self.trim() == self", visible())).message(
        "write a title without invisible and control characters, and without leading or trailing spaces"))]
    #[schemars(length(min = 1, max = LOGIN_TITLE_MAX))]
    pub title: Option<String>,
    /// PNG, JPEG or WebP image above the login pages, at most 128 KiB. The pods reload it when it changes. If the
    /// ConfigMap or key does not exist, the pages have no logo. Defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<Logo>,
    /// Accent colour of buttons and focus outlines, one for each colour scheme. Its contrast to the background must be at
    /// least 4.5:1 (WCAG 2.2, 1.4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<AccentColor>,
    /// See [`Language`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Lifetimes of a browser session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<LoginSession>,
}

/// An image in a ConfigMap.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logo {
    /// Name of a ConfigMap in the ScAuth's namespace.
    #[x_kube(validation = Rule::new(object_name()).message(
        "the name of a ConfigMap has lower-case letters, digits, hyphens and dots"))]
    #[schemars(length(max = 253))]
    pub config_map: String,
    /// Key in the ConfigMap.
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message(
        "a key of a ConfigMap has letters, digits, hyphens, dots and underscores"))]
    #[schemars(length(max = 253))]
    pub key: String,
}

/// A colour for each colour scheme.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccentColor {
    /// For the light colour scheme, whose background is white. Defaults to `#0b57d0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(contrasts(Theme::Light)).message(
        "the contrast to white is less than 4.5:1: choose a darker colour"))]
    #[schemars(length(max = 7), regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub light: Option<String>,
    /// For the dark colour scheme, whose background is `#1f242a`. Defaults to `#8ab4f8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(contrasts(Theme::Dark)).message(
        "the contrast to #1f242a is less than 4.5:1: choose a lighter colour"))]
    #[schemars(length(max = 7), regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub dark: Option<String>,
}

/// Lifetimes of a browser session, each a number and s, m, h or d.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(format!("{} || {} >= {LOGIN_SESSION_IDLE_MIN}", lacks("idle"), seconds("idle", None))).message(
        "spec.login.session.idle is at least 5m"),
    validation = Rule::new(format!("{} || {} <= {SESSION_TTL_MAX}", lacks("maximum"), seconds("maximum", None))).message(
        "spec.login.session.maximum is at most 366d"),
    validation = Rule::new(format!("{} || {} || {} <= {}", is_malformed("idle"), is_malformed("maximum"),
        seconds("idle", Some(LOGIN_SESSION_IDLE)), seconds("maximum", Some(LOGIN_SESSION_MAXIMUM)))).message(
        "spec.login.session.maximum (7d by default) must not be shorter than idle (12h by default)")
)]
pub struct LoginSession {
    /// Idle timeout. Defaults to 12h; at least 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("self.matches('{DURATION}')")).message("write a duration such as 30m or 12h"))]
    #[schemars(length(min = 2, max = 9))]
    pub idle: Option<String>,
    /// Maximum lifetime of a session, however often it is used. Defaults to 7d; at most 366d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("self.matches('{DURATION}')")).message("write a duration such as 12h or 7d"))]
    #[schemars(length(min = 2, max = 9))]
    pub maximum: Option<String>,
}

const DURATION: &str = "^[1-9][0-9]{0,7}[smhd]$";

/// The field is refused by another rule.
fn is_malformed(field: &str) -> String {
    format!("(has(self.{field}) && !self.{field}.matches('{DURATION}'))")
}

/// There is no value to compare.
fn lacks(field: &str) -> String {
    format!("!has(self.{field}) || !self.{field}.matches('{DURATION}')")
}

/// The weighted sum of a colour's parts, each by a cubic function in place of the power of 2.4, which CEL lacks.
fn luminance() -> String {
    let digit = |at: &str| format!("'0123456789abcdef'.indexOf(self.lowerAscii().charAt({at}))");
    let parts = format!("[1, 3, 5].map(i, 16 * {} + {})", digit("i"), digit("i + 1"));
    format!("[{parts}.map(v, v * v * (v + {CUBIC}))].all(l, {RED} * l[0] + {GREEN} * l[1] + {BLUE} * l[2]")
}

const CUBIC: i64 = 625;
const RED: i64 = 213;
const GREEN: i64 = 715;
const BLUE: i64 = 72;

/// The luminance of the lightest colour that has enough contrast to white, and of the darkest that has enough to the
/// background of the dark theme.
const LIGHTEST: i64 = 10_492_330_572;
const DARKEST: i64 = 14_329_998_462;

/// The colour has enough contrast to the background of the theme, or nearly so: one in 400 colours passes that has
/// not, and the operator refuses it (scauth/validate/colors.rs). The API server refuses all others, since an error of
/// `kubectl apply`, or of a dry run for a pull request, reaches the author; a condition is seen only by those who look.
fn contrasts(theme: Theme) -> String {
    let luminance = luminance();
    match theme {
        Theme::Light => format!("{luminance} <= {LIGHTEST})"),
        Theme::Dark => format!("{luminance} >= {DARKEST})"),
    }
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::contrast::check;

    use super::*;

    /// As the rule computes it.
    fn sum(parts: [i64; 3]) -> i64 {
        let [red, green, blue] = parts.map(|part| part * part * (part + CUBIC));
        RED * red + GREEN * green + BLUE * blue
    }

    #[test]
    fn the_schema_refuses_no_colour_that_the_server_accepts_and_accepts_few_others() {
        let (mut all, mut disputed) = (0, 0);
        let steps = || (0..=255).step_by(5);
        for (red, green, blue) in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b)))) {
            let text = format!("#{red:02x}{green:02x}{blue:02x}");
            let found = sum([red, green, blue]);
            let schema = [found <= LIGHTEST, found >= DARKEST];
            let server = [Theme::Light, Theme::Dark].map(|theme| check(&text, theme).is_ok());
            for (schema, server) in schema.into_iter().zip(server) {
                assert!(schema || !server, "{text}");
                disputed += u32::from(schema && !server);
            }
            all += 1;
        }
        assert!(disputed * 200 < all, "{disputed} of {all}");
    }
}
