//! The texts of the pages. One that is missing in a language does not compile. `{}` stands for a name or a number.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use sc_auth_contract::settings::Language;

pub struct Texts {
    pub lang: &'static str,
    log_in_to: &'static str,
    pub log_in: &'static str,
    pub username: &'static str,
    pub password: &'static str,
    pub bad_credentials: &'static str,
    too_many: &'static str,
    too_many_for_a_second: &'static str,
    too_many_sessions: &'static str,
    too_many_sessions_for_a_second: &'static str,
    pub disabled: &'static str,
    allow_access: &'static str,
    pub it_can: &'static str,
    pub scope_openid: &'static str,
    pub scope_profile: &'static str,
    pub scope_email: &'static str,
    pub scope_groups: &'static str,
    pub scope_offline_access: &'static str,
    use_audience: &'static str,
    pub logged_in_as: &'static str,
    pub allow: &'static str,
    pub deny: &'static str,
    pub continue_: &'static str,
    pub continue_text: &'static str,
    pub unknown_application: &'static str,
    pub unknown_application_text: &'static str,
    pub wrong_redirect_uri: &'static str,
    pub wrong_redirect_uri_text: &'static str,
    pub wrong_logout_uri_text: &'static str,
    pub other_client_text: &'static str,
    pub wrong_parameters_text: &'static str,
    pub expired: &'static str,
    pub not_a_form: &'static str,
    pub other_host: &'static str,
    pub other_host_text: &'static str,
    pub request_refused: &'static str,
    pub start_again: &'static str,
    pub log_out_question: &'static str,
    wants_log_out: &'static str,
    pub log_out: &'static str,
    pub stay: &'static str,
    pub logged_out: &'static str,
    pub still_logged_in: &'static str,
    pub may_close: &'static str,
    pub your_account: &'static str,
    pub applications: &'static str,
    pub applications_text: &'static str,
    pub no_applications: &'static str,
    pub since: &'static str,
    pub revoke: &'static str,
    pub unavailable: &'static str,
    pub try_later: &'static str,
}

const ENGLISH: Texts = Texts {
    lang: "en",
    log_in_to: "Log in to {}",
    log_in: "Log in",
    username: "User name or e-mail address",
    password: "Password",
    bad_credentials: "The user name or password is incorrect.",
    too_many: "Too many attempts. Try again in {} seconds.",
    too_many_for_a_second: "Too many attempts. Try again in 1 second.",
    too_many_sessions: "You are logged in on too many devices. Log out on one of them, or try again in {} seconds.",
    too_many_sessions_for_a_second: "You are logged in on too many devices. Log out on one of them, or try again in 1 second.",
    disabled: "This account is disabled.",
    allow_access: "Allow {} to access your account?",
    it_can: "The application can:",
    scope_openid: "identify you",
    scope_profile: "see your full name and user name",
    scope_email: "see your e-mail address",
    scope_groups: "see your groups",
    scope_offline_access: "keep access while you are not using it",
    use_audience: "access {} on your behalf",
    logged_in_as: "You are logged in as",
    allow: "Allow",
    deny: "Deny",
    continue_: "Continue",
    continue_text: "Continue to the application.",
    unknown_application: "Unknown application",
    unknown_application_text: "This link is invalid or out of date. Contact the people who run the application.",
    wrong_redirect_uri: "Invalid redirect URI",
    wrong_redirect_uri_text: "The redirect URI (redirect_uri) does not belong to this application. Contact the people who run the application.",
    wrong_logout_uri_text: "The redirect URI (post_logout_redirect_uri) does not belong to this application. Contact the people who run the application.",
    other_client_text: "The ID token (id_token_hint) was not issued to this application (client_id). Contact the people who run the application.",
    wrong_parameters_text: "A parameter was sent more than once, or state is too long. Contact the people who run the application.",
    expired: "This form has expired",
    not_a_form: "This page cannot be opened directly",
    other_host: "Wrong address",
    other_host_text: "Go back to the application and log in again. If you see this page again, contact the people who run the service: \
                      the setting SC_AUTH_ISSUER differs from the address that you used.",
    request_refused: "Request refused",
    start_again: "Go back to the application and log in again.",
    log_out_question: "Log out?",
    wants_log_out: "{} asks you to log out.",
    log_out: "Log out",
    stay: "Stay logged in",
    logged_out: "You are logged out",
    still_logged_in: "You are still logged in",
    may_close: "You can close this page.",
    your_account: "your account",
    applications: "Applications with access",
    applications_text: "These applications have access to your account. If you revoke the access of an application, it has access again only after you log in to it.",
    no_applications: "No application has access to your account.",
    since: "Since",
    revoke: "Revoke access",
    unavailable: "The service is unavailable",
    try_later: "Try again in a moment.",
};

const INDONESIAN: Texts = Texts {
    lang: "id",
    log_in_to: "Masuk ke {}",
    log_in: "Masuk",
    username: "Nama pengguna atau alamat email",
    password: "Kata sandi",
    bad_credentials: "Nama pengguna atau kata sandi salah.",
    too_many: "Terlalu banyak percobaan. Coba lagi dalam {} detik.",
    too_many_for_a_second: "Terlalu banyak percobaan. Coba lagi dalam 1 detik.",
    too_many_sessions: "Anda masuk di terlalu banyak perangkat. Keluar dari salah satunya, atau coba lagi dalam {} detik.",
    too_many_sessions_for_a_second: "Anda masuk di terlalu banyak perangkat. Keluar dari salah satunya, atau coba lagi dalam 1 detik.",
    disabled: "Akun ini telah dinonaktifkan.",
    allow_access: "Izinkan {} mengakses akun Anda?",
    it_can: "Aplikasi ini dapat:",
    scope_openid: "mengetahui identitas Anda",
    scope_profile: "melihat nama lengkap dan nama pengguna Anda",
    scope_email: "melihat alamat email Anda",
    scope_groups: "melihat grup Anda",
    scope_offline_access: "tetap memiliki akses saat Anda tidak menggunakannya",
    use_audience: "mengakses {} atas nama Anda",
    logged_in_as: "Anda masuk sebagai",
    allow: "Izinkan",
    deny: "Tolak",
    continue_: "Lanjutkan",
    continue_text: "Lanjutkan ke aplikasi.",
    unknown_application: "Aplikasi tidak dikenal",
    unknown_application_text: "Tautan ini tidak valid atau sudah kedaluwarsa. Hubungi pengelola aplikasi.",
    wrong_redirect_uri: "URI pengalihan tidak valid",
    wrong_redirect_uri_text: "URI pengalihan (redirect_uri) bukan milik aplikasi ini. Hubungi pengelola aplikasi.",
    wrong_logout_uri_text: "URI pengalihan (post_logout_redirect_uri) bukan milik aplikasi ini. Hubungi pengelola aplikasi.",
    other_client_text: "Token ID (id_token_hint) tidak diterbitkan untuk aplikasi ini (client_id). Hubungi pengelola aplikasi.",
    wrong_parameters_text: "Sebuah parameter dikirim lebih dari sekali, atau state terlalu panjang. Hubungi pengelola aplikasi.",
    expired: "Formulir ini sudah kedaluwarsa",
    not_a_form: "Halaman ini tidak dapat dibuka langsung",
    other_host: "Alamat salah",
    other_host_text: "Kembali ke aplikasi dan masuk lagi. Jika halaman ini muncul lagi, hubungi pengelola layanan: pengaturan \
                      SC_AUTH_ISSUER bukan alamat yang Anda gunakan.",
    request_refused: "Permintaan ditolak",
    start_again: "Kembali ke aplikasi dan masuk lagi.",
    log_out_question: "Keluar?",
    wants_log_out: "{} meminta Anda keluar.",
    log_out: "Keluar",
    stay: "Tetap masuk",
    logged_out: "Anda telah keluar",
    still_logged_in: "Anda masih masuk",
    may_close: "Anda dapat menutup halaman ini.",
    your_account: "akun Anda",
    applications: "Aplikasi yang memiliki akses",
    applications_text: "Aplikasi berikut memiliki akses ke akun Anda. Aplikasi yang aksesnya Anda cabut baru memiliki akses lagi setelah Anda masuk ke aplikasi itu.",
    no_applications: "Tidak ada aplikasi yang memiliki akses ke akun Anda.",
    since: "Sejak",
    revoke: "Cabut akses",
    unavailable: "Layanan sedang tidak tersedia",
    try_later: "Silakan coba beberapa saat lagi.",
};

/// The languages, the default first.
pub const LANGUAGES: [&str; 2] = [ENGLISH.lang, INDONESIAN.lang];

impl Texts {
    /// In the language that the application asks for, or else the browser (RFC 9110, 12.5.4).
    pub fn of(ui_locales: Option<&str>, headers: &HeaderMap, default: Language) -> &'static Self {
        let asked = ui_locales.unwrap_or_default().split(' ').find_map(Self::in_language);
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        asked.or_else(|| Self::most_wanted(accepted)).unwrap_or(match default {
            Language::En => &ENGLISH,
            Language::Id => &INDONESIAN,
        })
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

    pub fn log_in_to(&self, application: &str) -> String {
        self.log_in_to.replacen("{}", application, 1)
    }

    pub fn allow_access(&self, application: &str) -> String {
        self.allow_access.replacen("{}", application, 1)
    }

    pub fn wants_log_out(&self, application: &str) -> String {
        self.wants_log_out.replacen("{}", application, 1)
    }

    pub fn too_many(&self, wait: Duration) -> String {
        within(wait, self.too_many, self.too_many_for_a_second)
    }

    pub fn too_many_sessions(&self, wait: Duration) -> String {
        within(wait, self.too_many_sessions, self.too_many_sessions_for_a_second)
    }

    /// What an application can do with scopes and audiences.
    pub fn permissions<'a>(
        &self,
        scopes: impl IntoIterator<Item = &'a str>,
        audiences: impl IntoIterator<Item = &'a str>,
    ) -> Vec<String> {
        let scopes = scopes.into_iter().filter_map(|scope| self.scope(scope)).map(str::to_owned);
        let audiences = audiences.into_iter().map(|audience| self.use_audience.replacen("{}", audience, 1));
        scopes.chain(audiences).collect()
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

/// A text with a number of seconds, which has a form of its own for one.
fn within(wait: Duration, seconds: &str, one_second: &str) -> String {
    match wait.as_secs() {
        1 => one_second.to_owned(),
        count => seconds.replacen("{}", &count.to_string(), 1),
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
            assert_eq!(Texts::of(ui_locales, &headers, Language::En).lang, wanted, "{ui_locales:?} {accepted}");
        }
        for (accepted, wanted) in [("", "id"), ("de", "id"), ("en", "en")] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())]);
            assert_eq!(Texts::of(None, &headers, Language::Id).lang, wanted, "{accepted}");
        }
    }

    #[test]
    fn names_and_numbers_are_put_into_the_texts() {
        for language in LANGUAGES {
            let texts = Texts::in_language(language).unwrap();
            for (text, part) in [
                (texts.log_in_to("{} & Co"), "{} & Co"),
                (texts.allow_access("Shop"), "Shop"),
                (texts.wants_log_out("Shop"), "Shop"),
                (texts.too_many(Duration::from_secs(1)), " 1 "),
                (texts.too_many(Duration::from_secs(30)), " 30 "),
            ] {
                assert!(text.contains(part) && text.matches("{}").count() == part.matches("{}").count(), "{text}");
            }
        }
        assert!(ENGLISH.too_many(Duration::from_secs(1)).ends_with("1 second."));
    }

    #[test]
    fn each_scope_is_explained() {
        for language in LANGUAGES {
            let texts = Texts::in_language(language).unwrap();
            assert!(SCOPES.iter().all(|scope| texts.scope(scope).is_some()), "{language}");
            let permissions = texts.permissions(["openid", "unknown"], ["orders"]);
            assert!(permissions.len() == 2 && permissions[1].contains(" orders "), "{permissions:?}");
        }
    }
}
