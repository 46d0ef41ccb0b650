//! The helper of docs/quick-start.md, against a server whose answers the test sets.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use sc_auth_e2e::shell::section;

/// The number of requests and pauses of the helper with a server that always answers with this status, and its success.
fn asks(status: &str) -> (usize, usize, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
    let server = std::thread::spawn(move || {
        let mut asked = 0;
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = [0; 1024];
            let length = connection.read(&mut request).unwrap();
            if request[..length].starts_with(b"QUIT") {
                return asked;
            }
            asked += 1;
            if !answer.starts_with("HTTP/1.1 none") {
                connection.write_all(answer.as_bytes()).unwrap();
            }
        }
        asked
    });
    let helper = section("docs/quick-start.md", "# Quick start", &[]);
    let helper = helper.iter().find(|block| block.starts_with("api()")).unwrap();
    // Pauses are counted, but take no time.
    let script = format!("INGRESS=127.0.0.1\nsleep() {{ echo paused; }}\n{helper}\napi {url}");
    let output = Command::new("sh").args(["-eu", "-c", &script]).output().unwrap();
    let pauses = String::from_utf8(output.stdout).unwrap().matches("paused").count();
    let mut quit = std::net::TcpStream::connect(url["http://".len()..].trim_end_matches('/')).unwrap();
    quit.write_all(b"QUIT").unwrap();
    (server.join().unwrap(), pauses, output.status.success())
}

#[test]
fn only_failed_connections_and_5xx_are_retried() {
    assert_eq!(asks("200 OK"), (1, 0, true));
    assert_eq!(asks("201 Created"), (1, 0, true));
    for refusal in
        ["401 Unauthorized", "404 Not Found", "409 Conflict", "422 Unprocessable Entity", "429 Too Many Requests"]
    {
        assert_eq!(asks(refusal), (1, 0, false), "{refusal}");
    }
    for failure in ["500 Internal Server Error", "503 Service Unavailable", "none"] {
        assert_eq!(asks(failure), (5, 4, false), "{failure}");
    }
}
