//! Why an image cannot be pulled, without the layers of programs that passed the error on.

/// The kubelet's reasons of a container that waits for its image.
pub const IS_NOT_PULLED: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "ErrImagePullForbidden",
];
/// The longest part of an error that is repeated, in characters.
const LONGEST: usize = 300;
/// What kubelet, runtime and their libraries put before the error that they pass on.
const LAYERS: [&str; 13] = [
    "Back-off pulling image ",
    "Failed to pull image ",
    "ErrImagePull",
    "ImagePullBackOff",
    "rpc error",
    "code = ",
    "failed to pull and unpack image ",
    "failed to resolve reference ",
    "failed to resolve image ",
    "failed to copy",
    "failed to do request",
    "initializing source ",
    "reading manifest ",
];
/// What to do about an error that contains one of the words.
const ADVICE: [(&[&str], &str); 6] = [
    (&["x509", "certificate", "http: server gave HTTP"], "the nodes must trust the certificate of the registry"),
    (&["toomanyrequests", "rate limit", "429"], "the registry limits the pulls: wait, or pull with an account"),
    (
        &["denied", "unauthorized", "authorization", "authentication", "401", "403", "no basic auth"],
        "check spec.image, and the Secret in spec.podTemplate.imagePullSecrets",
    ),
    (&["not found", "manifest unknown", "does not exist", "name unknown"], "correct spec.image"),
    (&["no such host", "dial tcp", "timeout", "connection refused", "EOF"], "the node cannot reach the registry"),
    (&["invalid reference", "InvalidImageName", "couldn't parse image"], "correct spec.image"),
];

/// The image, its error, and what to do.
pub fn problem(image: &str, words: &str) -> String {
    let cause = cause(words);
    let is_about = |(signs, _): &&(&[&str], &str)| signs.iter().any(|sign| contains(&cause, sign));
    let advice = ADVICE.iter().find(is_about).map(|(_, advice)| format!("; {advice}")).unwrap_or_default();
    format!("image {image}: {cause}{advice}")
}

fn contains(text: &str, sign: &str) -> bool {
    text.to_ascii_lowercase().contains(&sign.to_ascii_lowercase())
}

/// The innermost error. Each layer puts its own words and a colon before it.
fn cause(words: &str) -> String {
    let mut rest = words.trim();
    while let Some(inner) = LAYERS.iter().find_map(|layer| rest.strip_prefix(layer)).and_then(after_layer) {
        rest = inner;
    }
    let cause: String = rest.chars().take(LONGEST).collect();
    if cause.len() < rest.len() { cause + "…" } else { cause }
}

/// What follows the colon of a layer. Colons of an image or an address have no space after them.
fn after_layer(layer: &str) -> Option<&str> {
    let after_description =
        layer.split_once("desc = ").filter(|(before, _)| !before.contains(": ")).map(|(_, rest)| rest);
    let inner = after_description.or_else(|| layer.split_once(": ").map(|(_, rest)| rest))?.trim();
    (!inner.is_empty()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_innermost_error_is_repeated() {
        let reference = "\"registry.test/server:1\"";
        for (words, expected) in [
            (
                format!(
                    "Back-off pulling image {reference}: ErrImagePull: rpc error: code = NotFound desc = failed to pull and \
                     unpack image {reference}: failed to resolve reference {reference}: registry.test/server:1: not found"
                ),
                "registry.test/server:1: not found; correct spec.image",
            ),
            (
                format!(
                    "failed to pull and unpack image {reference}: failed to resolve reference {reference}: pull access \
                     denied, repository does not exist or may require authorization: server message: \
                     insufficient_scope: authorization failed"
                ),
                "pull access denied, repository does not exist or may require authorization: server message: \
                 insufficient_scope: authorization failed; check spec.image, and the Secret in \
                 spec.podTemplate.imagePullSecrets",
            ),
            (
                format!(
                    "rpc error: code = Unknown desc = failed to pull and unpack image {reference}: failed to resolve \
                     reference {reference}: failed to do request: Head \"https://registry.test/v2/\": dial tcp: lookup \
                     registry.test: no such host"
                ),
                "Head \"https://registry.test/v2/\": dial tcp: lookup registry.test: no such host; the node cannot reach \
                 the registry",
            ),
            (format!("Back-off pulling image {reference}"), "Back-off pulling image \"registry.test/server:1\""),
            ("ImagePullBackOff".to_owned(), "ImagePullBackOff"),
        ] {
            assert_eq!(problem("a", &words), format!("image a: {expected}"));
        }
    }

    #[test]
    fn a_long_error_is_cut() {
        let problem = problem("a", &"ä".repeat(10_000));
        assert_eq!(problem.chars().count(), "image a: …".chars().count() + LONGEST);
    }
}
