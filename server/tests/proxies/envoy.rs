//! Envoy, with the configuration of docs/forward-auth.md.

use std::path::Path;

use tokio::process::Command;

use crate::page::{blocks, replace};

/// A filter that asks for a role that does not exist, in front of the page's.
const MISTYPED: &str = r#"
                  - name: mistyped
                    disabled: true
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                      http_service:
                        server_uri: {uri: "http://sc-auth", cluster: sc-auth, timeout: 5s}
                        path_prefix: /api/v1/verify/roles/Admin"#;

const ROUTES: &str = r#"
                        - match: {path_separated_prefix: /mistyped}
                          route: {cluster: wiki}
                          typed_per_filter_config:
                            mistyped: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}
                            logged-in: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}
                        - match: {path_separated_prefix: /api}
                          route: {cluster: sc-auth}
                          typed_per_filter_config:
                            logged-in: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}
                        - match: {path: /}
                          route: {cluster: sc-auth}
                          typed_per_filter_config:
                            logged-in: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}"#;

pub fn command(folder: &Path, port: u16, server: &str, app: &str) -> Command {
    let program = std::env::var("SCDEV_ENVOY").expect("SCDEV_ENVOY is not set; run `make test`");
    let [config] = blocks("yml").try_into().unwrap();
    let address = |host: &str, port: &str| format!("{{address: {host}, port_value: {port}}}");
    let at = |url: &str| {
        let (host, port) = url.trim_start_matches("http://").split_once(':').unwrap();
        address(host, port)
    };
    let config = replace(&config, &address("0.0.0.0", "8080"), &address("127.0.0.1", &port.to_string()));
    let config = replace(&config, &address("sc-auth-svc.sc-auth.svc", "8000"), &at(server));
    let config = replace(&config, &address("wiki.wiki.svc", "80"), &at(app));
    let config = replace(&config, "/data", "/cors");
    let config = replace(&config, "http_filters:", &format!("http_filters:{MISTYPED}"));
    let config = replace(&config, " routes:", &format!(" routes:{ROUTES}"));
    let file = folder.join("envoy.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    // Several Envoys share a machine.
    command.arg("--config-path").arg(file).args(["--use-dynamic-base-id", "--concurrency", "2"]);
    command
}
