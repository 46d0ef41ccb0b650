//! The texts of the pages. One that is missing in a language does not compile.

use axum::http::{HeaderMap, header};

pub struct Texts {
    pub lang: &'static str,
    pub log_in_to: &'static str,
    pub log_in: &'static str,
    pub username: &'static str,
    pub password: &'static str,
    pub wrong: &'static str,
    pub too_many: &'static str,
    pub too_many_sessions: &'static str,
    pub disabled: &'static str,
    pub wants_to: &'static str,
    pub scope_openid: &'static str,
    pub scope_profile: &'static str,
    pub scope_email: &'static str,
    pub scope_groups: &'static str,
    pub scope_offline_access: &'static str,
    pub logged_in_as: &'static str,
    pub allow: &'static str,
    pub deny: &'static str,
    pub proceed: &'static str,
    pub proceed_text: &'static str,
    pub unknown_application: &'static str,
    pub unknown_application_text: &'static str,
    pub wrong_redirect_uri: &'static str,
    pub wrong_redirect_uri_text: &'static str,
    pub expired: &'static str,
    pub nothing: &'static str,
    pub other_host: &'static str,
    pub other_host_text: &'static str,
    pub refused: &'static str,
    pub start_again: &'static str,
    pub unavailable: &'static str,
    pub try_later: &'static str,
}

const ENGLISH: Texts = Texts {
    lang: "en",
    log_in_to: "Log in to",
    log_in: "Log in",
    username: "User name or e-mail address",
    password: "Password",
    wrong: "The user name or the password is wrong.",
    too_many: "There were too many attempts. Try again later. Seconds to wait:",
    too_many_sessions: "You are logged in on too many devices. Log out on one of them, or wait. Seconds to wait:",
    disabled: "This account is disabled.",
    wants_to: "wants to",
    scope_openid: "know who you are",
    scope_profile: "see your name and user name",
    scope_email: "see your e-mail address",
    scope_groups: "see your groups",
    scope_offline_access: "stay connected while you are away",
    logged_in_as: "You are logged in as",
    allow: "Allow",
    deny: "Deny",
    proceed: "Continue",
    proceed_text: "Continue to the application.",
    unknown_application: "This application is not known here",
    unknown_application_text: "The link that led you here is wrong or out of date. Tell whoever runs the application.",
    wrong_redirect_uri: "The address to return to is wrong",
    wrong_redirect_uri_text: "The redirect URI (redirect_uri) is not one of this application. Tell whoever runs the application.",
    expired: "This form has expired",
    nothing: "There is nothing to do here",
    other_host: "This page has another address",
    other_host_text: "Go back to the application and log in again. If you see this page again, tell whoever runs the service: \
                      the setting SC_AUTH_ISSUER is not the address that you used.",
    refused: "The request was refused",
    start_again: "Go back to the application and log in again.",
    unavailable: "The service is unavailable",
    try_later: "Try again in a moment.",
};

const INDONESIAN: Texts = Texts {
    lang: "id",
    log_in_to: "Masuk ke",
    log_in: "Masuk",
    username: "Nama pengguna atau alamat email",
    password: "Kata sandi",
    wrong: "Nama pengguna atau kata sandi salah.",
    too_many: "Terlalu banyak percobaan. Coba lagi nanti. Tunggu (detik):",
    too_many_sessions: "Anda masuk di terlalu banyak perangkat. Keluar dari salah satunya, atau tunggu (detik):",
    disabled: "Akun ini dinonaktifkan.",
    wants_to: "ingin",
    scope_openid: "mengetahui siapa Anda",
    scope_profile: "melihat nama dan nama pengguna Anda",
    scope_email: "melihat alamat email Anda",
    scope_groups: "melihat grup Anda",
    scope_offline_access: "tetap terhubung saat Anda tidak aktif",
    logged_in_as: "Anda masuk sebagai",
    allow: "Izinkan",
    deny: "Tolak",
    proceed: "Lanjutkan",
    proceed_text: "Lanjutkan ke aplikasi.",
    unknown_application: "Aplikasi ini tidak dikenal di sini",
    unknown_application_text: "Tautan yang membawa Anda ke sini salah atau kedaluwarsa. Beri tahu pengelola aplikasi.",
    wrong_redirect_uri: "Alamat untuk kembali salah",
    wrong_redirect_uri_text: "URI pengalihan (redirect_uri) bukan milik aplikasi ini. Beri tahu pengelola aplikasi.",
    expired: "Formulir ini sudah kedaluwarsa",
    nothing: "Tidak ada yang perlu dilakukan di sini",
    other_host: "Halaman ini memiliki alamat lain",
    other_host_text: "Kembali ke aplikasi dan masuk lagi. Jika halaman ini muncul lagi, beri tahu pengelola layanan: pengaturan \
                      SC_AUTH_ISSUER bukan alamat yang Anda gunakan.",
    refused: "Permintaan ditolak",
    start_again: "Kembali ke aplikasi dan masuk lagi.",
    unavailable: "Layanan tidak tersedia",
    try_later: "Coba lagi sebentar lagi.",
};

/// The languages, the default first.
pub const LANGUAGES: [&str; 2] = [ENGLISH.lang, INDONESIAN.lang];

impl Texts {
    /// In the language that the application asks for, or else the browser (RFC 9110, 12.5.4).
    pub fn of(ui_locales: Option<&str>, headers: &HeaderMap) -> &'static Self {
        let asked = ui_locales.unwrap_or_default().split(' ').find_map(Self::in_language);
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        asked.or_else(|| Self::most_wanted(accepted)).unwrap_or(&ENGLISH)
    }

    /// The first of the most wanted languages that exists.
    fn most_wanted(accepted: &str) -> Option<&'static Self> {
        let quality = |parameters: &str| {
            parameters.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0)
        };
        let mut ranges: Vec<_> = accepted
            .split(',')
            .map(|range| range.split_once(';').map_or((range, 1.0), |(range, rest)| (range, quality(rest))))
            .filter(|(_, quality)| *quality > 0.0)
            .collect();
        ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        ranges.into_iter().find_map(|(range, _)| Self::in_language(range))
    }

    /// By a language tag such as `id-ID` (RFC 5646); `in` is the former tag of Indonesian.
    fn in_language(tag: &str) -> Option<&'static Self> {
        let language = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        match language.as_str() {
            "en" => Some(&ENGLISH),
            "id" | "in" => Some(&INDONESIAN),
            _ => None,
        }
    }

    /// What a scope lets an application do.
    pub fn scope(&self, scope: &str) -> Option<&'static str> {
        match scope {
            "openid" => Some(self.scope_openid),
            "profile" => Some(self.scope_profile),
            "email" => Some(self.scope_email),
            "groups" => Some(self.scope_groups),
            "offline_access" => Some(self.scope_offline_access),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::declared::SCOPES;

    use super::*;

    #[test]
    fn a_page_is_in_the_most_wanted_language() {
        for (ui_locales, accepted, wanted) in [
            (None, "", "en"),
            (None, "de", "en"),
            (None, "id", "id"),
            (None, "id-ID,id;q=0.9,en;q=0.8", "id"),
            (None, "en;q=0.8, id;q=0.9", "id"),
            (None, "de, en;q=0.1, id;q=0", "en"),
            (Some("id"), "en", "id"),
            (Some("de id-ID"), "en", "id"),
            (Some("de"), "id", "id"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
            assert_eq!(Texts::of(ui_locales, &headers).lang, wanted, "{ui_locales:?} {accepted}");
        }
    }

    #[test]
    fn each_scope_is_explained() {
        for language in LANGUAGES {
            let texts = Texts::in_language(language).unwrap();
            assert!(SCOPES.iter().all(|scope| texts.scope(scope).is_some()), "{language}");
        }
    }
}
