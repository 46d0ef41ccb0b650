//! What is wrong with the certificate of an Ingress. Pure functions. The private key is only compared with the
//! certificate, and no message repeats a content.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};

/// The keys of a Secret of type kubernetes.io/tls.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Why clients, or the ingress controller, do not accept the certificate in the Secret for this host.
pub fn problem(secret: &Secret, host: &str, now: Timestamp) -> Option<String> {
    let name = secret.name_any();
    found(secret, host, now).err().map(|problem| format!("Secret {name}, see spec.expose.ingress.tls: {problem}"))
}

fn found(secret: &Secret, host: &str, now: Timestamp) -> Result<(), String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content(secret, CERTIFICATE)?).collect();
    let chain = chain.map_err(|_| format!("key {CERTIFICATE} is not a certificate in PEM form"))?;
    let Some(first) = chain.first() else {
        return Err(format!("key {CERTIFICATE} has no certificate in PEM form"));
    };
    let key = PrivateKeyDer::from_pem_slice(content(secret, KEY)?);
    let key = key.map_err(|_| format!("key {KEY} has no private key in PEM form"))?;
    let parsed = ParsedCertificate::try_from(first)
        .map_err(|error| format!("the certificate in key {CERTIFICATE} cannot be read: {error}"))?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| format!("the private key in key {KEY} cannot be read, or is of a kind that clients do not use"))?;
    check_pair(&chain, key)?;
    check_time(&parsed, now)?;
    check_host(&parsed, host)
}

fn content<'a>(secret: &'a Secret, key: &str) -> Result<&'a [u8], String> {
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        None => Err(format!("key {key} is missing")),
        Some(content) if content.0.is_empty() => Err(format!("key {key} is empty")),
        Some(content) => Ok(&content.0),
    }
}

fn check_pair(chain: &[CertificateDer<'static>], key: Arc<dyn rustls::sign::SigningKey>) -> Result<(), String> {
    match CertifiedKey::new(chain.to_vec(), key).keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(format!(
            "the private key in key {KEY} is not that of the first certificate in key {CERTIFICATE}, which must be the \
             host's own"
        )),
        _ => Ok(()),
    }
}

/// Without a trust anchor, the result is an error in any case; the period is checked before.
fn check_time(certificate: &ParsedCertificate<'_>, now: Timestamp) -> Result<(), String> {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verified =
        verify_server_cert_signed_by_trust_anchor(certificate, &RootCertStore::empty(), &[], now, algorithms);
    match verified {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Err(format!("the certificate has expired ({})", date(not_after)))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Err(format!("the certificate is valid only from {} on", date(not_before)))
        }
        _ => Ok(()),
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| "an unknown time".to_owned(), |time| time.to_string())
}

fn check_host(certificate: &ParsedCertificate<'_>, host: &str) -> Result<(), String> {
    let Ok(name) = ServerName::try_from(host) else { return Ok(()) };
    match verify_server_name(certificate, &name) {
        Err(_) => {
            Err(format!("the certificate is not valid for {host}: it does not have that host as an alternative name"))
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use kube::api::ObjectMeta;

    use super::*;

    const CHAIN: &str = include_str!("../../tests/certificates/auth.crt");
    const OWN_KEY: &str = include_str!("../../tests/certificates/auth.key");
    const OTHER_KEY: &str = include_str!("../../tests/certificates/other.key");
    const HOST: &str = "auth.example.com";

    fn secret(data: &[(&str, &str)]) -> Secret {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        let metadata = ObjectMeta { name: Some("a-tls".to_owned()), ..ObjectMeta::default() };
        Secret { metadata, data: Some(data.collect()), ..Secret::default() }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_certificate_for_the_host_with_its_key_has_no_problem() {
        let secret = secret(&[(CERTIFICATE, CHAIN), (KEY, OWN_KEY)]);
        for host in [HOST, "a.wild.example.com", "AUTH.example.com"] {
            assert_eq!(problem(&secret, host, at("2030-01-01T00:00:00Z")), None, "{host}");
        }
    }

    #[test]
    fn each_problem_is_named() {
        let whole: &[(&str, &str)] = &[(CERTIFICATE, CHAIN), (KEY, OWN_KEY)];
        let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (data, host, time, expected) in [
            (&[][..], HOST, "2030", "key tls.crt is missing"),
            (&[(CERTIFICATE, CHAIN)], HOST, "2030", "key tls.key is missing"),
            (&[(KEY, OWN_KEY), (CERTIFICATE, "")], HOST, "2030", "key tls.crt is empty"),
            (&[(KEY, OWN_KEY), (CERTIFICATE, "abc")], HOST, "2030", "key tls.crt has no certificate in PEM form"),
            (&[(KEY, OWN_KEY), (CERTIFICATE, no_der)], HOST, "2030", "in key tls.crt cannot be read"),
            (&[(KEY, "abc"), (CERTIFICATE, CHAIN)], HOST, "2030", "key tls.key has no private key in PEM form"),
            (&[(KEY, no_key), (CERTIFICATE, CHAIN)], HOST, "2030", "the private key in key tls.key cannot be read"),
            (&[(KEY, OTHER_KEY), (CERTIFICATE, CHAIN)], HOST, "2030", "is not that of the first certificate"),
            (whole, "other.example.com", "2030", "the certificate is not valid for other.example.com"),
            (whole, "a.b.wild.example.com", "2030", "the certificate is not valid for a.b.wild"),
            (whole, HOST, "2300", "the certificate has expired (2120"),
            (whole, HOST, "2010", "the certificate is valid only from 2020"),
        ] {
            let found = problem(&secret(data), host, at(&format!("{time}-01-01T00:00:00Z"))).unwrap_or_default();
            assert!(found.starts_with("Secret a-tls, see spec.expose.ingress.tls: "), "{found}");
            assert!(found.contains(expected), "{found}, not: {expected}");
            assert!(!found.contains("BEGIN"), "{found}");
        }
    }
}
