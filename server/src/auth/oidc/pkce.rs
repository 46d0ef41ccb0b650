//! Proof Key for Code Exchange (RFC 7636): only the client that sent the authorization request can exchange its code.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::auth::digest::sha256;

/// A verifier without a challenge is an error too: somebody removed the challenge from the request (RFC 9700, 2.1.1).
///
/// # Errors
/// What is wrong with the verifier.
pub fn check(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), &'static str> {
    match (challenge, verifier) {
        (_, Some(verifier)) if !is_verifier(verifier) => {
            Err("code_verifier must have 43 to 128 letters, digits, or - . _ ~")
        }
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier))
            if verify_slices_are_equal(sha256(verifier).as_bytes(), challenge.as_bytes()).is_ok() =>
        {
            Ok(())
        }
        (Some(_), None) => Err("code_verifier is missing"),
        (None, Some(_)) => Err("the authorization request had no code_challenge"),
        (Some(_), Some(_)) => Err("code_verifier does not match"),
    }
}

/// RFC 7636, 4.1
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_matches_the_challenge_of_the_request() {
        // RFC 7636, appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(check(Some(challenge), Some(verifier)).is_ok() && check(None, None).is_ok());
        for (challenge, verifier) in [
            (Some(challenge), None),
            (None, Some(verifier)),
            (Some(challenge), Some(challenge)),
            (Some(verifier), Some(verifier)),
        ] {
            assert!(check(challenge, verifier).is_err(), "{challenge:?} {verifier:?}");
        }
        let is_accepted = |verifier: &str| check(Some(&sha256(verifier)), Some(verifier)).is_ok();
        assert!(is_accepted(&"a".repeat(43)) && is_accepted(&"-._~".repeat(32)));
        for weak in ["a".repeat(42), "a".repeat(129), " ".repeat(43), "=".repeat(43), "ü".repeat(43), String::new()] {
            assert!(!is_accepted(&weak), "{weak}");
        }
    }
}
