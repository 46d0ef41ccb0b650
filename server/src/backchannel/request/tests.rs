use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// What a sender says to a server with this answer, and what the server got.
async fn sent(scheme: &str, answer: &[u8]) -> (anyhow::Result<Answer>, String) {
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
    let sender = Sender::new(None).unwrap();
    let uri = BackchannelUri::parse(&text, "").unwrap();
    tokio::join!(sender.post(&uri, "a.b.c"), serve)
}

#[tokio::test]
async fn only_a_confirmation_counts() {
    for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"] {
        let (result, got) = sent("http", answer.as_bytes()).await;
        assert_eq!(result.unwrap(), Answer::Confirmed);
        assert!(got.starts_with("POST /logout?x=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{got}");
        assert!(got.contains("content-length: 18\r\n") && got.ends_with("\r\n\r\nlogout_token=a.b.c"), "{got}");
    }
    // An endless body is not read.
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffff\r\nxxxx";
    assert_eq!(sent("http", endless).await.0.unwrap(), Answer::Confirmed);
    for (answer, status) in [
        ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n", StatusCode::FOUND),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(sent("http", answer.as_bytes()).await.0.unwrap(), Answer::Refused(status));
    }
    for (answer, why) in [
        ("HTTP/1.1 408 Request Timeout\r\n\r\n", "408"),
        ("HTTP/1.1 429 Too Many Requests\r\n\r\n", "429"),
        ("HTTP/1.1 500 Internal Server Error\r\n\r\n", "500"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"),
        ("nonsense\r\n\r\n", "the answer"),
        (&format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(2 * MAX_HEADER_BYTES)), "the answer"),
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
    let count = || authorities(Some(&file)).map(|authorities| authorities.len());
    let problem = || format!("{:#}", count().unwrap_err());
    assert!(problem().contains("ca.pem"), "{}", problem());
    std::fs::write(&file, AUTHORITY).unwrap();
    assert_eq!(count().unwrap(), authorities(None).unwrap().len() + 1);
    std::fs::write(&file, AUTHORITY.replace("MII", "XXX")).unwrap();
    assert!(problem().contains("a certificate in"), "{}", problem());
    for nothing in ["", "no certificate", KEY] {
        std::fs::write(&file, nothing).unwrap();
        assert!(problem().contains("contains no certificate"), "{}", problem());
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_if_the_file_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, AUTHORITY).unwrap();
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("https://127.0.0.1:{}/logout", listener.local_addr().unwrap().port());
    for (ca_file, is_trusted) in [(Some(file.as_path()), true), (None, false)] {
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 16 * 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        };
        let (sender, uri) = (Sender::new(ca_file).unwrap(), BackchannelUri::parse(&text, "").unwrap());
        let (result, ()) = tokio::join!(sender.post(&uri, "a.b.c"), serve);
        assert_eq!(result.is_ok(), is_trusted, "{result:?}");
    }
}

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
    let error = Sender::new(None).unwrap().post(&uri, "a.b.c").await.unwrap_err();
    assert!(error.to_string().contains("must not go to"), "{error:#}");
    let uri = BackchannelUri::parse("http://127.0.0.1:9/quitquitquit", "").unwrap();
    let error = Sender::new(None).unwrap().without_loopback().post(&uri, "a.b.c").await.unwrap_err();
    assert!(error.to_string().contains("nothing is sent to this machine"), "{error:#}");
}

/// A private authority, and a certificate of it for 127.0.0.1 with its key.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBdjCCARugAwIBAgIUDZSxP/eJJYf7sN6RzWD+IRLVj4owCgYIKoZIzj0EAwIw\n\
    DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjcwODQzMzJaGA8yMTI2MTEwMzA4NDMz\n\
    MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNBO\n\
    LrJ593jJm1tC3g0L/apfmXlL9dE2y2qwEDSKqQDGf+23kcR1GHHwL+mCmrXAqhtF\n\
    ov3QN3ucFr8BaPAdK8ejUzBRMB0GA1UdDgQWBBR/CauDK7a0OO5fuPG6rRxVjAVA\n\
    MjAfBgNVHSMEGDAWgBR/CauDK7a0OO5fuPG6rRxVjAVAMjAPBgNVHRMBAf8EBTAD\n\
    AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDIWBwMtaPALdQH/K7P/L+BkcOrY++kQDMH\n\
    OmsOa5Tw6AIhANiU8xVgtTKZsJeY1g8FyUt8CAwZPb0IAxEasT4OYhTS\n\
    -----END CERTIFICATE-----\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBfzCCASagAwIBAgIUXkALRGOEpiJbCXI+MvpTBfwMynMwCgYIKoZIzj0EAwIw\n\
    DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjcwODQzMzJaGA8yMTI2MTEwMzA4NDMz\n\
    MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAFp\n\
    qRVRMKsl+g4cx7kfLInc3MrxYb2Hn6qKEtXR+YGPz1GCnig1uEDW+PEvW4qO9t5E\n\
    YnJ9C1m9Rv3kLsokmWajXjBcMA8GA1UdEQQIMAaHBH8AAAEwCQYDVR0TBAIwADAd\n\
    BgNVHQ4EFgQUB7oSqmtElFkw4H38YEbf58Y7mx4wHwYDVR0jBBgwFoAUfwmrgyu2\n\
    tDjuX7jxuq0cVYwFQDIwCgYIKoZIzj0EAwIDRwAwRAIgVdDMKaf1SFN9j5KqBtbR\n\
    IY5bl60bogzD3WbDyjL4CN4CIEpGT5p63OFTvN/VQLgaUTjDNwTDn6NNFRliVBld\n\
    Obdo\n\
    -----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgaN+kYTRiB9Npwes+\n\
    Lf7MJs84LE8Zvx4WHLsgxB7+KJahRANCAAQBaakVUTCrJfoOHMe5HyyJ3NzK8WG9\n\
    h5+qihLV0fmBj89Rgp4oNbhA1vjxL1uKjvbeRGJyfQtZvUb95C7KJJlm\n\
    -----END PRIVATE KEY-----\n";
