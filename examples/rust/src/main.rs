//! A service for logged-in users: `API=http://auth.example.com cargo run`

mod verifier;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use verifier::{User, Verifier};

async fn greet(user: User) -> String {
    format!("{} {}\n", user.sub, user.roles.join(","))
}

async fn admin(user: User) -> Result<String, StatusCode> {
    user.needs("Admin")?;
    Ok(format!("{} is an Admin\n", user.sub))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let set = |name: &str| std::env::var(name).ok();
    let api = set("API").ok_or_else(|| anyhow::anyhow!("API is not set: the address of sc-auth"))?;
    let issuer = set("ISSUER").unwrap_or_else(|| api.clone());
    let audience = set("AUDIENCE").unwrap_or_else(|| issuer.clone());
    let verifier = Verifier::new(&api, &issuer, &audience).await?;
    let port = set("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, Router::new().route("/", get(greet)).route("/admin", get(admin)).with_state(verifier))
        .await?;
    Ok(())
}
