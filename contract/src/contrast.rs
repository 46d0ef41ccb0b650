//! The contrast of the pages' accent colours to the background of the light and of the dark theme (WCAG 2.2, 1.4.3).

/// The least contrast of a text to its background.
pub const CONTRAST_MIN: f64 = 4.5;

/// A theme of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// The background of texts and buttons in the accent colour. The text on such a button contrasts with that colour at
    /// least as much.
    #[must_use]
    pub const fn background(self) -> Color {
        match self {
            Self::Light => Color { red: 0xff, green: 0xff, blue: 0xff },
            Self::Dark => Color { red: 0x1f, green: 0x24, blue: 0x2a },
        }
    }
}

/// A colour of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

impl Color {
    /// A colour such as `#0b57d0`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self { red: part(0)?, green: part(2)?, blue: part(4)? })
    }

    /// The relative luminance (WCAG 2.2), from 0 to 1.
    #[must_use]
    pub fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// The contrast ratio (WCAG 2.2), from 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }
}

/// Checks that text in this colour is readable in a theme (WCAG 2.2, 1.4.3: a contrast of at least 4.5:1).
///
/// # Errors
/// What to write instead.
pub fn check(text: &str, theme: Theme) -> Result<(), &'static str> {
    let color = Color::parse(text).ok_or("write a colour such as #0b57d0")?;
    if color.contrast(theme.background()) >= CONTRAST_MIN {
        return Ok(());
    }
    Err(match theme {
        Theme::Light => "its contrast to the white background is less than 4.5:1; choose a darker colour",
        Theme::Dark => "its contrast to the dark background #1f242a is less than 4.5:1; choose a lighter colour",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrasts_are_those_of_wcag() {
        let contrast = |one: &str, other: &str| Color::parse(one).unwrap().contrast(Color::parse(other).unwrap());
        for (one, other, wanted) in
            [("#000000", "#ffffff", 21.0), ("#767676", "#FFFFFF", 4.54), ("#777777", "#ffffff", 4.48)]
        {
            assert!((contrast(one, other) - wanted).abs() < 0.005, "{one} {other}: {}", contrast(one, other));
        }
    }

    #[test]
    fn a_colour_that_is_hard_to_read_is_refused_in_each_theme() {
        for (color, light, dark) in [
            ("#0b57d0", true, false),
            ("#8ab4f8", false, true),
            ("#767676", true, false),
            ("#777777", false, false),
            ("#000000", true, false),
            ("#FFFFFF", false, true),
        ] {
            assert_eq!(
                (check(color, Theme::Light).is_ok(), check(color, Theme::Dark).is_ok()),
                (light, dark),
                "{color}"
            );
        }
        for bad in [
            "",
            "#",
            "#fff",
            "0b57d0",
            "#0b57d",
            "#0b57d00",
            "#0b57dg",
            "#+1+1+1",
            "red",
            "#0b57d0;}",
            "#\u{e9}\u{e9}\u{e9}",
        ] {
            assert!(check(bad, Theme::Light).unwrap_err().starts_with("write"), "{bad}");
        }
    }
}
