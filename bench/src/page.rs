//! What a browser takes from the answers of pages.

use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};

/// The cookie of a session, and that of a form.
pub const SESSION: &str = "__Host-sc-auth-session";
pub const FORM: &str = "__Host-sc-auth-form";

/// The cookie of that name, as the browser sends it.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).into_iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next());
    pairs.find(|pair| pair.split('=').next() == Some(name)).map(str::to_owned)
}

/// The encrypted authorization request in a login page.
pub fn request(html: &str) -> Option<&str> {
    html.split_once("name=\"request\" value=\"")?.1.split('"').next()
}

/// The code in the address that the browser is sent to.
pub fn code(headers: &HeaderMap) -> Option<String> {
    let location = Url::parse(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    location.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_names() {
        let text = |text: &'static str| (SET_COOKIE, text.parse().unwrap());
        let headers = HeaderMap::from_iter([
            text("__Host-sc-auth-form=a; Path=/; Secure"),
            text("__Host-sc-auth-session=b; Path=/; Secure"),
        ]);
        assert_eq!(cookie(&headers, SESSION).unwrap(), "__Host-sc-auth-session=b");
        assert_eq!(cookie(&headers, FORM).unwrap(), "__Host-sc-auth-form=a");
        assert_eq!(cookie(&headers, "other"), None);
    }

    #[test]
    fn the_request_is_found_in_the_page() {
        let html = r#"<form><input type="hidden" name="request" value="sealed"><input name="username"></form>"#;
        assert_eq!(request(html), Some("sealed"));
        assert_eq!(request("<p>an error</p>"), None);
    }

    #[test]
    fn only_a_successful_answer_has_a_code() {
        let to = |address: &'static str| code(&HeaderMap::from_iter([(LOCATION, address.parse().unwrap())]));
        assert_eq!(to("https://app.test/cb?state=s&code=c%20d").unwrap(), "c d");
        assert_eq!(to("https://app.test/cb?error=login_required"), None);
        assert_eq!(code(&HeaderMap::new()), None);
    }
}
