//! Limits that the custom resource and the server both enforce.

/// The fewest characters of a user name.
pub const USERNAME_MIN: usize = 3;
/// The most characters of a user name.
pub const USERNAME_MAX: usize = 64;
/// The fewest characters of a full name, unless a setting says otherwise.
pub const NAME_MIN: u16 = 3;
/// The most characters of a full name.
pub const NAME_MAX: u16 = 125;
/// The most characters of an e-mail address.
pub const EMAIL_MAX: usize = 120;
/// The most characters of a password.
pub const PASSWORD_MAX: u16 = 256;
/// The most sessions that a user can be allowed to have.
pub const MAX_SESSIONS_MAX: u32 = 10_000;
/// The longest lifetime of an access token, in seconds: 1 day.
pub const ACCESS_TOKEN_TTL_MAX: u64 = 86_400;
/// The shortest idle timeout of a browser session, in seconds: 5 minutes.
pub const LOGIN_SESSION_IDLE_MIN: u64 = 300;
/// The most characters of the title of the login page.
pub const LOGIN_TITLE_MAX: usize = 64;
/// The most bytes of the logo of the login page.
pub const LOGO_MAX: u64 = 128 << 10;
/// The longest lifetime of a refresh token and of a session, in seconds: 366 days.
pub const SESSION_TTL_MAX: u64 = 31_622_400;
/// The most keys of a keys file.
pub const KEYS_MAX: usize = 64;
/// The most keys of OpenID Connect: enough to rotate three algorithms a day.
pub const OIDC_KEYS_MAX: usize = 16;

/// Characters that a new user name or e-mail address cannot have: control characters, and those of Unicode 17 that are
/// ignored where text is drawn (Default_Ignorable_Code_Point), that only format text (the category Cf, without the
/// visible signs of Arabic, Syriac and Kaithi), that separate lines, that are blank, and that have no meaning (private
/// use, noncharacters).
pub const HIDDEN: &[(char, char)] = &[
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffc}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{13430}', '\u{13442}'),
    ('\u{16fe4}', '\u{16fe4}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{10ffff}'),
];

/// Whether people cannot see a character: one of [`HIDDEN`].
#[must_use]
pub fn is_hidden(character: char) -> bool {
    HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&character))
}
