//! A service that greets the logged-in user: `API=http://auth.example.com LISTEN=127.0.0.1:3000 cargo run`. It notices a
//! logout only when the token expires; if that is too late, call `GET /api/v1/verify` instead.

mod verifier;

use axum::Router;
use axum::routing::get;

use verifier::{User, Verifier};

async fn greet(user: User) -> String {
    format!("{} {}\n", user.sub, user.roles.join(","))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let set = |name: &str| std::env::var(name).ok();
    let api = set("API").ok_or_else(|| anyhow::anyhow!("API is not set: the address of sc-auth"))?;
    let issuer = set("ISSUER").unwrap_or_else(|| api.clone());
    let audience = set("AUDIENCE").unwrap_or_else(|| issuer.clone());
    let verifier = Verifier::new(&api, &issuer, &audience).await?;
    let listener = tokio::net::TcpListener::bind(set("LISTEN").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    axum::serve(listener, Router::new().route("/", get(greet)).with_state(verifier)).await?;
    Ok(())
}
