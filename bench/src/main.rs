//! Measures the server with half a core and 128 MiB, and prints a table. `make bench` runs it as root, because it
//! creates a cgroup.
//!
//! The load comes from the same machine, on the cores that the cgroup leaves free.

#![expect(clippy::print_stdout, reason = "a table for a person")]

mod answer;
mod args;
mod cgroup;
mod load;
mod openid;
mod page;
mod server;
mod sign_on;
mod table;
mod users;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser as _;

use args::Args;
use cgroup::Cgroup;
use load::{Load, Report};
use server::Server;
use table::{mib, row};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.bare {
        println!("{}", bare_hashes(Duration::from_secs(args.seconds))?);
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run(&args))
}

/// The speed of the algorithm alone.
fn bare_hashes(duration: Duration) -> anyhow::Result<u32> {
    let params = argon2::Params::new(19_456, 2, 1, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut memory = vec![argon2::Block::default(); params.block_count()];
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < duration {
        argon2
            .hash_password_into_with_memory(b"correct horse battery", b"sixteen bytes ok", &mut [0; 32], &mut memory)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        count += 1;
    }
    Ok(count)
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let cgroup = Cgroup::create(args.cpu, args.memory).context("making a cgroup; are you root?")?;
    let duration = Duration::from_secs(args.seconds);
    if args.refreshes_only {
        let server = Server::start(args, &cgroup).await?;
        row("refresh, each client with a session of its own", &refreshes(&server, duration).await?.to_string());
        return applications(&server, duration).await;
    }
    row("the program", &format!("{} bytes", std::fs::metadata(&args.server)?.len()));
    let bare = bare_in(&cgroup, args.seconds)?;
    row("bare Argon2id in the same cgroup", &format!("{:.1} /s", per_second(bare, duration)));

    let server = Server::start(args, &cgroup).await?;
    row("start to ready, new database", &format!("{} ms", server.started_in.as_millis()));
    let server = if args.openid_only { server } else { passwords(args, &cgroup, server, bare, duration).await? };
    let server = server.restart(args, &cgroup).await?;
    sign_on::measure(&server, duration).await?;
    row("killed", if server.is_alive() { "no" } else { "yes" });
    Ok(())
}

/// Logins, tokens and refreshes of the API, and refreshes of applications.
async fn passwords(
    args: &Args,
    cgroup: &Cgroup,
    server: Server,
    bare: u32,
    duration: Duration,
) -> anyhow::Result<Server> {
    let server = server.restart(args, cgroup).await?;
    row("start to ready, migrated database", &format!("{} ms", server.started_in.as_millis()));
    row("memory before the first hash", &mib(server.memory()?));
    let token = server.login().await?;
    row("memory after it", &mib(server.memory()?));

    storms(&server, cgroup, duration, bare, &token).await?;
    let load = Load { duration, clients: 32, rate: None };
    row("/me", &load.run(&server, || server.me(&token)).await?.to_string());
    row("verify", &load.run(&server, || server.verify(&token)).await?.to_string());
    row("refresh, each client with a session of its own", &refreshes(&server, duration).await?.to_string());
    applications(&server, duration).await?;
    row("memory at its highest", &mib(server.peak_memory()?));
    Ok(server)
}

/// Logins from many clients, and their effect on other requests.
async fn storms(server: &Server, cgroup: &Cgroup, duration: Duration, bare: u32, token: &str) -> anyhow::Result<()> {
    for clients in [32, 500] {
        let throttled = cgroup.throttled()?;
        let logins = Load { duration, clients, rate: None };
        let others = Load { duration, clients: 16, rate: Some(200) };
        let (logins, others) =
            tokio::join!(logins.run(server, || server.try_login()), others.run(server, || server.me(token)));
        let (logins, others) = (logins?, others?);
        let share = 100.0 * f64::from(logins.accepted) / f64::from(bare);
        row(&format!("{clients} clients log in"), &format!("{logins}; {share:.0}% of bare"));
        row("  /me meanwhile, 200 /s", &others.to_string());
        row("  periods throttled", &format!("{} of {}", cgroup.throttled()? - throttled, duration.as_secs() * 10));
        row("  memory", &mib(server.memory()?));
    }
    Ok(())
}

async fn refreshes(server: &Server, duration: Duration) -> anyhow::Result<Report> {
    let mut tokens = Vec::new();
    for _ in 0..16 {
        tokens.push(server.refresh_token().await?);
    }
    let until = Instant::now() + duration;
    let mut tasks = tokio::task::JoinSet::new();
    for token in tokens {
        let server = server.client();
        tasks.spawn(async move { server.refresh_all(token, until).await });
    }
    let mut latencies = Vec::new();
    while let Some(result) = tasks.join_next().await {
        latencies.extend(result??);
    }
    Ok(Report::new(latencies, 0, duration))
}

/// Refreshes of applications, each of which signs an access token with ES256 and an ID token.
async fn applications(server: &Server, duration: Duration) -> anyhow::Result<()> {
    for algorithm in openid::ALGORITHMS {
        let mut applications = Vec::new();
        for _ in 0..16 {
            let application = server.application(algorithm, openid::OFFLINE)?;
            let tokens = application.tokens(&application.log_in("root").await?.code).await?;
            applications.push((application, tokens.refresh_token.context("no refresh token")?));
        }
        let until = Instant::now() + duration;
        let mut tasks = tokio::task::JoinSet::new();
        for (application, token) in applications {
            tasks.spawn(async move { application.refresh_all(token, until).await });
        }
        let mut latencies = Vec::new();
        while let Some(result) = tasks.join_next().await {
            latencies.extend(result??);
        }
        let report = Report::new(latencies, 0, duration);
        row(&format!("refresh of 16 applications, ID tokens with {algorithm}"), &report.to_string());
    }
    Ok(())
}

fn bare_in(cgroup: &Cgroup, seconds: u64) -> anyhow::Result<u32> {
    let program = std::env::current_exe()?;
    let output = cgroup
        .command(&program)
        .args(["--bare", "--server", "none", "--seconds", &seconds.to_string()])
        .output()
        .context("running the bare algorithm")?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn per_second(count: u32, duration: Duration) -> f64 {
    f64::from(count) / duration.as_secs_f64()
}
