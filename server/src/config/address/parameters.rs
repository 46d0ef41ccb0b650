//! What the addresses of both kinds of database server have in common.

use sc_auth_contract::settings::TlsMode;

use super::parts::Problem;

/// A parameter's name without the separators and the case, in which programs differ.
pub fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// The mode of encryption that a value means, by the words of either kind.
pub fn mode(value: &str) -> Option<TlsMode> {
    Some(match plain(value).as_str() {
        "disable" | "disabled" => TlsMode::Disabled,
        "prefer" | "preferred" => TlsMode::Preferred,
        "require" | "required" => TlsMode::Required,
        "verifyca" => TlsMode::VerifyCa,
        "verifyfull" | "verifyidentity" => TlsMode::VerifyIdentity,
        _ => return None,
    })
}

/// `true` or `false`, as far as a value means either.
pub fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Ignores a parameter that is not understood, with a warning.
///
/// # Errors
/// If it asks for safety. `instead` is what to write.
pub fn ignore(name: &str, value: &str, instead: &str) -> Result<String, Problem> {
    if asks_for_safety(name, value) {
        return Err(Problem::Parameter(format!(
            "the parameter {name} asks for safety, but the server does not understand it or its value; remove it, and \
             use {instead}"
        )));
    }
    Ok(format!("the parameter {name} is ignored"))
}

fn asks_for_safety(name: &str, value: &str) -> bool {
    let name = plain(name);
    // Compression, the name in the handshake, and how it begins. TLS 1.2 is the oldest version that the server speaks.
    let is_harmless = matches!(name.as_str(), "sslcompression" | "sslsni" | "sslnegotiation" | "sslmaxprotocolversion")
        || name == "sslminprotocolversion" && matches!(plain(value).as_str(), "tlsv1" | "tlsv11" | "tlsv12");
    let words = [
        "ssl",
        "tls",
        "cert",
        "crl",
        "cipher",
        "crypt",
        "secur",
        "verif",
        "channelbinding",
        "requireauth",
        "requirepeer",
        "gss",
        "krb",
        "kerberos",
        "truststore",
        "keystore",
        "serverpublickey",
        "serverrsa",
        "unauthorized",
        "restrictedauth",
        "pubkey",
        "scram",
        "fips",
    ];
    let is_off = switch(value) == Some(false)
        || matches!(
            value.to_ascii_lowercase().as_str(),
            "disable" | "disabled" | "prefer" | "preferred" | "allow" | "none" | "accept_invalid_certs"
        );
    !is_harmless && !is_off && words.iter().any(|word| name.contains(word))
}
