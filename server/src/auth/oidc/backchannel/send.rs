//! One request of the server: to an address that is looked up once and checked, within bounds of time and memory. Redirects are
//! not followed, and nothing but the status of the answer is used.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use sc_auth_contract::declared::BackchannelUri;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::task::AbortOnDropHandle;

use super::address::may_reach;
use crate::logging;

/// How long a request may take, from the look-up of the name to the head of the answer.
const TIME: Duration = Duration::from_secs(5);
/// How long it may take to connect to one of several addresses.
const CONNECT: Duration = Duration::from_secs(2);
/// The most bytes of the answer's head. Its body is not read.
const HEAD: usize = 64 * 1024;

/// The variable that names a file of further authorities in PEM, as other programs read it: for certificates of a private one.
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// Sends logout tokens.
pub struct Sender {
    tls: TlsConnector,
}

impl Sender {
    /// # Errors
    /// If the library supports no version of TLS, which it always does.
    pub fn new() -> anyhow::Result<Self> {
        let roots = roots(std::env::var_os(AUTHORITIES).as_deref()).unwrap_or_else(|error| {
            let error = logging::chain(error.as_ref());
            tracing::error!(
                error,
                "{AUTHORITIES} cannot be used; logouts are sent only to servers with public certificates"
            );
            public_roots()
        });
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Sends a logout token (OpenID Connect Back-Channel Logout, 2.5).
    ///
    /// # Errors
    /// If the application does not confirm it in time.
    pub async fn post(&self, uri: &BackchannelUri<'_>, token: &str) -> anyhow::Result<()> {
        let text = format!("no answer within {} s", TIME.as_secs());
        timeout(TIME, self.post_at_length(uri, token)).await.context(text)?
    }

    async fn post_at_length(&self, uri: &BackchannelUri<'_>, token: &str) -> anyhow::Result<()> {
        let stream = connect(uri).await?;
        if !uri.is_https() {
            return exchange(TokioIo::new(stream), uri, token).await;
        }
        let name = ServerName::try_from(uri.host().to_owned()).context("the name of the host")?;
        let stream = self.tls.connect(name, stream).await.context("TLS")?;
        exchange(TokioIo::new(stream), uri, token).await
    }
}

/// The authorities that browsers know.
fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// The same, and those of a file.
fn roots(file: Option<&OsStr>) -> anyhow::Result<RootCertStore> {
    let mut roots = public_roots();
    if let Some(file) = file {
        for certificate in CertificateDer::pem_file_iter(file).context("reading the file")? {
            roots.add(certificate.context("reading a certificate")?).context("a certificate")?;
        }
    }
    Ok(roots)
}

/// Connects to an address of the host that it may have. The name is not looked up again.
async fn connect(uri: &BackchannelUri<'_>) -> anyhow::Result<TcpStream> {
    let found: Vec<SocketAddr> = lookup_host((uri.host(), uri.port())).await.context("looking up the host")?.collect();
    let mut last = anyhow::anyhow!("the host has no address");
    for address in found {
        if !may_reach(uri.reach, address.ip()) {
            last = anyhow::anyhow!("the host has an address that a request must not go to");
            continue;
        }
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = anyhow::Error::new(error).context("connecting"),
            Err(_) => last = anyhow::anyhow!("no connection within {} s", CONNECT.as_secs()),
        }
    }
    Err(last)
}

async fn exchange<T>(io: T, uri: &BackchannelUri<'_>, token: &str) -> anyhow::Result<()>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new().max_buf_size(HEAD).handshake(io).await?;
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
    if status.is_redirection() {
        bail!("it was answered with {status}, and redirects are not followed");
    }
    ensure!(status.is_success(), "it was answered with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What a sender says to a server with this answer, and what the server got.
    async fn sent(scheme: &str, answer: &[u8]) -> (anyhow::Result<()>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = format!("{scheme}://127.0.0.1:{}/logout?x=1", listener.local_addr().unwrap().port());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut got = vec![0; 16 * 1024];
            let count = stream.read(&mut got).await.unwrap_or(0);
            let _ = stream.write_all(answer).await;
            let more = async { while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {} };
            more.await;
            String::from_utf8_lossy(&got[..count]).into_owned()
        };
        let sender = Sender::new().unwrap();
        let uri = BackchannelUri::parse(&text, "").unwrap();
        tokio::join!(sender.post(&uri, "a.b.c"), serve)
    }

    #[tokio::test]
    async fn only_a_confirmation_counts() {
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"] {
            let (result, got) = sent("http", answer.as_bytes()).await;
            result.unwrap();
            assert!(got.starts_with("POST /logout?x=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{got}");
            assert!(got.contains("content-length: 18\r\n") && got.ends_with("\r\n\r\nlogout_token=a.b.c"), "{got}");
        }
        // An endless body is not read.
        sent("http", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffff\r\nxxxx").await.0.unwrap();
        for (answer, why) in [
            ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n", "redirects"),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", "400"),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"),
            ("nonsense\r\n\r\n", "the answer"),
            (&format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD)), "the answer"),
        ] {
            let error = sent("http", answer.as_bytes()).await.0.unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }

    #[tokio::test]
    async fn a_server_without_a_known_certificate_gets_nothing() {
        let (result, got) = sent("https", b"HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(result.unwrap_err().to_string().contains("TLS") && !got.contains("logout_token"), "{got}");
    }

    #[test]
    fn a_file_can_have_further_authorities() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let count = || roots(Some(file.as_os_str())).map(|roots| roots.len());
        assert!(count().is_err());
        std::fs::write(&file, AUTHORITY).unwrap();
        assert_eq!(count().unwrap(), public_roots().len() + 1);
        std::fs::write(&file, AUTHORITY.replace("MII", "XXX")).unwrap();
        assert!(count().is_err());
    }

    const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBdDCCARugAwIBAgIUPT5Ehe4lyrDtvHS42jOVTmfsDjMwCgYIKoZIzj0EAwIw\n\
        DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjcwNTIxNDRaGA8yMTI2MTEwMzA1MjE0\n\
        NFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABH2A\n\
        81TL+KjlN4Q4aMidO1C3FhVu9lQ6Fn7BB4aUdQ9xUNfn1+cksr5cofyoShBMw0sb\n\
        4ZvURutb2e6XqM8QzIyjUzBRMB0GA1UdDgQWBBRhculpm+kygGrk4hsjru3OYI5X\n\
        2DAfBgNVHSMEGDAWgBRhculpm+kygGrk4hsjru3OYI5X2DAPBgNVHRMBAf8EBTAD\n\
        AQH/MAoGCCqGSM49BAMCA0cAMEQCIG0ZNkvduQV/mTTQYW8BOW1BfbNBpvVlnvvf\n\
        +9cfmw8qAiABdquXON7EGKbrxDZi+pjisi5jBWIz5yDQJmnDsOnLmw==\n\
        -----END CERTIFICATE-----\n";

    #[tokio::test]
    async fn a_request_has_a_time_limit() {
        let error = sent("http", b"").await.0.unwrap_err();
        assert!(error.to_string().contains("no answer within 5 s"), "{error:#}");
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused() {
        // As a public name that leads to this machine.
        let mut uri = BackchannelUri::parse("https://localhost/logout", "").unwrap();
        uri.reach = sc_auth_contract::declared::Reach::Public;
        let error = Sender::new().unwrap().post(&uri, "a.b.c").await.unwrap_err();
        assert!(error.to_string().contains("must not go to"), "{error:#}");
    }
}
