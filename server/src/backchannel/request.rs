//! One request of the server: to an address that is looked up once and checked, within bounds of time and memory. Redirects are
//! not followed, and nothing but the status of the answer is used.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use sc_auth_contract::declared::{BackchannelUri, Reach};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::task::AbortOnDropHandle;

use super::address::is_allowed;
use crate::files::{MAX_BYTES, read_regular};

/// How long a request may take, from the look-up of the name to the head of the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to connect to one of several addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes of the answer's head. Its body is not read.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// What an application answers to a logout token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Confirmed,
    /// It does not accept this token, and may accept others.
    Refused(StatusCode),
}

/// Sends logout tokens.
pub struct Sender {
    tls: TlsConnector,
    reaches_loopback: bool,
}

impl Sender {
    /// `ca_file` has the certificates of further authorities, in PEM.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn new(ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities(ca_file).context("SC_AUTH_BACKCHANNEL_CA_FILE")?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), reaches_loopback: true })
    }

    /// Sends nothing to this machine: in a pod, that is the server itself and its sidecars.
    #[must_use]
    pub fn without_loopback(self) -> Self {
        Self { reaches_loopback: false, ..self }
    }

    /// Sends a logout token (OpenID Connect Back-Channel Logout, 2.5).
    ///
    /// # Errors
    /// If the application cannot be reached, does not answer in time, or answers that it is down or overloaded: then it
    /// accepts no other token either.
    pub async fn post(&self, uri: &BackchannelUri<'_>, token: &str) -> anyhow::Result<Answer> {
        let text = format!("no answer within {} s", REQUEST_TIMEOUT.as_secs());
        timeout(REQUEST_TIMEOUT, self.post_untimed(uri, token)).await.context(text)?
    }

    async fn post_untimed(&self, uri: &BackchannelUri<'_>, token: &str) -> anyhow::Result<Answer> {
        ensure!(self.reaches_loopback || uri.reach != Reach::Loopback, "nothing is sent to this machine in a pod");
        let stream = connect(uri).await?;
        if !uri.is_https() {
            return exchange(TokioIo::new(stream), uri, token).await;
        }
        let name = ServerName::try_from(uri.host().to_owned()).context("the name of the host")?;
        let stream = self.tls.connect(name, stream).await.context("TLS")?;
        exchange(TokioIo::new(stream), uri, token).await
    }
}

/// The authorities that browsers know, and those of a file.
fn authorities(file: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut authorities = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(file) = file else { return Ok(authorities) };
    let public = authorities.len();
    let (text, _) = read_regular(file, MAX_BYTES).with_context(|| format!("reading {}", file.display()))?;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.with_context(|| format!("reading a certificate in {}", file.display()))?;
        authorities.add(certificate).with_context(|| format!("a certificate in {}", file.display()))?;
    }
    ensure!(authorities.len() > public, "{} contains no certificate", file.display());
    Ok(authorities)
}

/// Connects to an address of the host that it may have. The name is not looked up again.
async fn connect(uri: &BackchannelUri<'_>) -> anyhow::Result<TcpStream> {
    let found: Vec<SocketAddr> = lookup_host((uri.host(), uri.port())).await.context("looking up the host")?.collect();
    let mut last = anyhow::anyhow!("the host has no address");
    for address in found {
        if !is_allowed(uri.reach, address.ip()) {
            last = anyhow::anyhow!("the host has an address that a request must not go to");
            continue;
        }
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = anyhow::Error::new(error).context("connecting"),
            Err(_) => last = anyhow::anyhow!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(last)
}

async fn exchange<T>(io: T, uri: &BackchannelUri<'_>, token: &str) -> anyhow::Result<Answer>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEADER_BYTES).handshake(io).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    // A token contains nothing that a form would have to encode.
    let request = Request::post(uri.path())
        .header(header::HOST, uri.authority())
        .header(header::USER_AGENT, "sc-auth")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("logout_token={token}"))?;
    let status = sender.send_request(request).await.context("the answer")?.status();
    let is_down =
        status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    ensure!(!is_down, "it was answered with {status}");
    Ok(if status.is_success() { Answer::Confirmed } else { Answer::Refused(status) })
}

#[cfg(test)]
mod tests;
