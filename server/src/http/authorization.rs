//! The header `Authorization` (RFC 9110, 11.6.2).

use axum::http::{HeaderMap, header};

/// Why the header has no credentials of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    Missing,
    /// There is more than one header.
    Repeated,
    OtherScheme,
    Malformed,
}

/// The single word after the scheme.
///
/// # Errors
/// If there is none.
pub fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = values.next().filter(|value| !value.is_empty());
    if values.next().is_some() {
        return Err(Problem::Repeated);
    }
    let mut words = value.ok_or(Problem::Missing)?.to_str().map_err(|_| Problem::Malformed)?.split_whitespace();
    if !words.next().is_some_and(|word| word.eq_ignore_ascii_case(scheme)) {
        return Err(Problem::OtherScheme);
    }
    match (words.next(), words.next()) {
        (Some(word), None) => Ok(word),
        _ => Err(Problem::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_header_with_one_word_is_accepted() {
        for (values, wanted) in [
            (&[][..], Err(Problem::Missing)),
            (&[&b""[..]], Err(Problem::Missing)),
            (&[b"Bearer a"], Ok("a")),
            (&[b"bEARER  a "], Ok("a")),
            (&[b"Bearer a", b"Bearer a"], Err(Problem::Repeated)),
            (&[b"", b"Bearer a"], Err(Problem::Repeated)),
            (&[b"Basic a"], Err(Problem::OtherScheme)),
            (&[b"Bearera"], Err(Problem::OtherScheme)),
            (&[b"Bearer"], Err(Problem::Malformed)),
            (&[b"Bearer a b"], Err(Problem::Malformed)),
            (&[b"Bearer \xff"], Err(Problem::Malformed)),
        ] {
            let values = values.iter().map(|value| HeaderValue::from_bytes(value).unwrap());
            let headers: HeaderMap = values.map(|value| (header::AUTHORIZATION, value)).fold(
                HeaderMap::new(),
                |mut headers, (name, value)| {
                    headers.append(name, value);
                    headers
                },
            );
            assert_eq!(credentials(&headers, "bearer"), wanted, "{headers:?}");
        }
    }
}
