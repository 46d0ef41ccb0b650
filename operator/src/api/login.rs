//! What a user asks for of the pages that users log in on for applications.

use std::fmt::Write as _;

use kube::KubeSchema;
use sc_auth_contract::accent::{CONTRAST_MIN, Theme};
use sc_auth_contract::limits::{LOGIN_IDLE_MIN, LOGIN_TITLE_MAX, SESSION_TTL_MAX};
use sc_auth_contract::settings::{LOGIN_SESSION_IDLE, LOGIN_SESSION_MAX, Language};
use serde::{Deserialize, Serialize};

use super::rules::{object_name, seconds, visible};

/// The pages that users log in on for applications (OpenID Connect).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Name of the service, above each page. Defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("{} && self.trim() == self", visible())).message(
        "write a title without invisible and control characters, and without blanks around it"))]
    #[schemars(length(min = 1, max = LOGIN_TITLE_MAX))]
    pub title: Option<String>,
    /// PNG, JPEG or WebP image above each page, at most 128 KiB. The pods read it again when it changes. Defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<Logo>,
    /// Colour of buttons and of the focus, for each theme of browsers. Its contrast to the background is at least 4.5:1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<AccentColor>,
    /// See [`Language`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Lifetimes of a browser's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<LoginSession>,
}

/// An image in a ConfigMap. Without it, the pages have none.
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

/// A colour for each theme.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccentColor {
    /// For the light theme, whose background is white. Defaults to `#0b57d0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(contrasts(Theme::Light)).message(
        "the contrast to white is less than 4.5:1: choose a darker colour"))]
    #[schemars(length(max = 7), regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub light: Option<String>,
    /// For the dark theme, whose background is `#1f242a`. Defaults to `#8ab4f8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(contrasts(Theme::Dark)).message(
        "the contrast to #1f242a is less than 4.5:1: choose a lighter colour"))]
    #[schemars(length(max = 7), regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub dark: Option<String>,
}

/// Lifetimes of a browser's session, each a number and s, m, h or d.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(format!("{} || {} >= {LOGIN_IDLE_MIN}", lacks("idle"), seconds("idle", None))).message(
        "spec.login.session.idle is at least 5m"),
    validation = Rule::new(format!("{} || {} <= {SESSION_TTL_MAX}", lacks("maximum"), seconds("maximum", None))).message(
        "spec.login.session.maximum is at most 366d"),
    validation = Rule::new(format!("{} || {} || {} <= {}", is_malformed("idle"), is_malformed("maximum"),
        seconds("idle", Some(LOGIN_SESSION_IDLE)), seconds("maximum", Some(LOGIN_SESSION_MAX)))).message(
        "spec.login.session.maximum (7d by default) must not be shorter than idle (12h by default)")
)]
pub struct LoginSession {
    /// How long a session lasts that is not used. Defaults to 12h; at least 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("self.matches('{DURATION}')")).message("write a duration such as 30m or 12h"))]
    #[schemars(length(min = 2, max = 9))]
    pub idle: Option<String>,
    /// Longest lifetime of a session, however often it is used. Defaults to 7d; at most 366d.
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

/// Up to this value, a part of a colour is proportional to its light (WCAG 2.2, relative luminance).
const LINEAR_TO: f64 = 10.0;
const PER_LIGHT: f64 = 255.0 * 12.92;
/// Above it, these coefficients of a part from 0 to 1 stand for the power of 2.4, which CEL does not have.
const CURVE: [f64; 5] = [0.001_35, 0.021_98, 0.592_78, 0.472_01, -0.088_22];
/// The greatest error of a luminance by these coefficients.
const ERROR: f64 = 0.000_11;

/// The luminance at which the contrast is just enough. Colours within the error are refused.
fn bound(theme: Theme) -> f64 {
    let background = theme.background().luminance();
    match theme {
        Theme::Light => (background + 0.05) / CONTRAST_MIN - 0.05 - ERROR,
        Theme::Dark => (background + 0.05) * CONTRAST_MIN - 0.05 + ERROR,
    }
}

/// The colour has enough contrast to the background of the theme.
fn contrasts(theme: Theme) -> String {
    let digit = |at: &str| format!("'0123456789abcdef'.indexOf(self.lowerAscii().substring({at}, {at} + 1))");
    let parts = format!("[1, 3, 5].map(i, double(16 * {} + {}))", digit("i"), digit("i + 1"));
    let (first, rest) = CURVE.split_last().unwrap_or((&0.0, &[]));
    let curve = rest
        .iter()
        .rev()
        .fold(first.to_string(), |inner, coefficient| format!("{coefficient} + v / 255.0 * ({inner})"));
    let mut rule = format!("[{parts}.map(v, v <= {LINEAR_TO:.1} ? v / {PER_LIGHT:.1} : {curve})]");
    let compare = if theme == Theme::Light { "<=" } else { ">=" };
    let luminance = "0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]";
    let _ = write!(rule, ".all(l, {luminance} {compare} {:.5})", bound(theme));
    rule
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::accent::{Color, check};

    use super::*;

    /// As the rule computes it.
    fn luminance(parts: [u8; 3]) -> f64 {
        let light = |part: u8| {
            let part = f64::from(part);
            if part <= LINEAR_TO {
                return part / PER_LIGHT;
            }
            CURVE.iter().rev().fold(0.0, |inner, coefficient| coefficient + part / 255.0 * inner)
        };
        0.2126 * light(parts[0]) + 0.7152 * light(parts[1]) + 0.0722 * light(parts[2])
    }

    #[test]
    fn the_schema_accepts_no_colour_that_the_server_refuses_and_refuses_few_others() {
        let mut disputed = 0;
        let steps = || (0..=255).step_by(5);
        for (red, green, blue) in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b)))) {
            let text = format!("#{red:02x}{green:02x}{blue:02x}");
            let found = luminance([red, green, blue]);
            assert!((found - Color::parse(&text).unwrap().luminance()).abs() <= ERROR, "{text}");
            let schema = [found <= bound(Theme::Light), found >= bound(Theme::Dark)];
            let server = [Theme::Light, Theme::Dark].map(|theme| check(&text, theme).is_ok());
            for (schema, server) in schema.into_iter().zip(server) {
                assert!(server || !schema, "{text}");
                disputed += u32::from(server && !schema);
            }
        }
        assert!(disputed < 200, "{disputed}");
    }

    #[test]
    fn the_rule_has_decimal_points_and_brackets_in_pairs() {
        let rule = contrasts(Theme::Light);
        assert_eq!(rule.matches('(').count(), rule.matches(')').count());
        assert!(rule.contains("v <= 10.0 ? v / 3294.6 : 0.00135 + v / 255.0 * (0.02198 + v / 255.0 * ("), "{rule}");
        assert!(rule.ends_with(" <= 0.18322)"), "{rule}");
    }
}
