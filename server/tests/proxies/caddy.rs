//! Caddy, with the blocks of docs/forward-auth.md.

use std::path::Path;

use tokio::process::Command;

use crate::page::{blocks, replace};

pub fn command(folder: &Path, port: u16, server: &str, app: &str) -> Command {
    let [site, cors] = blocks("caddyfile").try_into().unwrap();
    let cors = replace(&cors, "/data", "/cors");
    let mistyped = "
\thandle /mistyped* {
\t\tforward_auth sc-auth-svc.sc-auth.svc:8000 {
\t\t\turi /api/v1/verify?roles=Admin
\t\t}
\t\treverse_proxy wiki.wiki.svc:80
\t}";
    let rest = "
\thandle /public* {
\t\treverse_proxy wiki.wiki.svc:80
\t}
\thandle /api/* {
\t\treverse_proxy sc-auth-svc.sc-auth.svc:8000
\t}
\thandle / {
\t\treverse_proxy sc-auth-svc.sc-auth.svc:8000
\t}";
    let opened = format!("http://:{port} {{\n\tbind 127.0.0.1\n{cors}{mistyped}{rest}");
    let config = replace(&site, "wiki.example.com {", &opened);
    let config = replace(&config, "sc-auth-svc.sc-auth.svc:8000", server.trim_start_matches("http://"));
    let config = replace(&config, "wiki.wiki.svc:80", app.trim_start_matches("http://"));
    let file = folder.join("Caddyfile");
    std::fs::write(&file, format!("{{\n\tadmin off\n}}\n{config}\n")).unwrap();
    let mut command = Command::new("/usr/bin/caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", folder).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
    command
}
