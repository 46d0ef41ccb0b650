//! Logins with the page, and what applications get with the sessions of browsers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::answer::Answer;
use crate::load::{Load, Report};
use crate::openid::{ALGORITHMS, Application, ONLINE};
use crate::server::Server;
use crate::table::{mib, row};
use crate::users;

/// What requests use in turns.
struct Turns<T> {
    all: Vec<T>,
    next: AtomicUsize,
}

impl<T> Turns<T> {
    const fn new(all: Vec<T>) -> Self {
        Self { all, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> &T {
        &self.all[self.next.fetch_add(1, Ordering::Relaxed) % self.all.len()]
    }
}

/// Prints the rows. The server has just started, so that the memory is that of logins.
pub async fn measure(server: &Server, duration: Duration) -> anyhow::Result<()> {
    row("the page: memory before a login", &mib(server.memory()?));
    let application = server.application(ALGORITHMS[0], ONLINE)?;
    finish(&application, &application.log_in(&users::name(0)).await?.code).await?;
    row("  memory after a login", &mib(server.memory()?));
    let sessions = Turns::new(all_at_once(server, &application).await?);
    row("  memory at its highest", &mib(server.peak_memory()?));
    row("  memory after it", &mib(server.memory()?));
    for algorithm in ALGORITHMS {
        let report = flows(server, &server.application(algorithm, ONLINE)?, &sessions, duration).await?;
        row(&format!("code, token and userinfo, 16 clients, ID tokens with {algorithm}"), &report.to_string());
    }
    let load = Load { duration, clients: 16, rate: Some(200) };
    let report = load.run(server, || authorize(&application, &sessions)).await?;
    row("authorize with a session, 200 /s", &report.to_string());
    beside_logins(server, &application, &sessions, duration).await
}

/// The application gets the tokens and asks for the user.
async fn finish(application: &Application, code: &str) -> anyhow::Result<()> {
    let tokens = application.tokens(code).await?;
    application.userinfo(&tokens.access_token).await
}

/// Each user logs in with a browser of its own. Returns the sessions.
async fn all_at_once(server: &Server, application: &Application) -> anyhow::Result<Vec<String>> {
    let began = Instant::now();
    let logins = (0..users::COUNT).map(|number| async move {
        let logged_in = application.apart()?.log_in(&users::name(number)).await?;
        let took = began.elapsed();
        finish(application, &logged_in.code).await?;
        anyhow::Ok((logged_in, took))
    });
    let logins = try_join_all(logins).await?;
    let elapsed = began.elapsed();
    anyhow::ensure!(server.is_alive(), "the server has ended");
    let refusals = logins.iter().map(|(logged_in, _)| logged_in.refusals).sum();
    let report = Report::new(logins.iter().map(|(_, took)| *took).collect(), refusals, elapsed);
    row(&format!("{} browsers log in, all at once", users::COUNT), &report.to_string());
    Ok(logins.into_iter().map(|(logged_in, _)| logged_in.session).collect())
}

async fn flows(
    server: &Server,
    application: &Application,
    sessions: &Turns<String>,
    duration: Duration,
) -> anyhow::Result<Report> {
    let flow = || async {
        let code = application.authorize(sessions.next()).await?;
        finish(application, &code).await?;
        Ok(Answer::Accepted)
    };
    Load { duration, clients: 16, rate: None }.run(server, flow).await
}

async fn authorize(application: &Application, sessions: &Turns<String>) -> anyhow::Result<Answer> {
    application.authorize(sessions.next()).await?;
    Ok(Answer::Accepted)
}

/// How long users with a session wait while others log in.
async fn beside_logins(
    server: &Server,
    application: &Application,
    sessions: &Turns<String>,
    duration: Duration,
) -> anyhow::Result<()> {
    let names = Turns::new((0..users::COUNT).map(users::name).collect());
    let log_in = || async {
        application.log_in(names.next()).await?;
        Ok(Answer::Accepted)
    };
    let logins = Load { duration, clients: 32, rate: None };
    let others = Load { duration, clients: 16, rate: Some(200) };
    let (logins, others) =
        tokio::join!(logins.run(server, log_in), others.run(server, || authorize(application, sessions)));
    row("32 browsers log in", &logins?.to_string());
    row("  authorize with a session meanwhile, 200 /s", &others?.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn() {
        let turns = Turns::new(vec!["a", "b"]);
        assert_eq!([turns.next(), turns.next(), turns.next()], [&"a", &"b", &"a"]);
    }
}
