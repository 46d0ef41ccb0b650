//! Load from many clients, and the latencies that they see.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::server::Server;

/// The duration of a load, its clients and its rate.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub duration: Duration,
    pub clients: u32,
    /// Requests per second from all clients; `None` for as many as possible.
    pub rate: Option<u32>,
}

/// The results of a load.
#[derive(Debug)]
pub struct Report {
    pub accepted: u32,
    pub later: u32,
    pub duration: Duration,
    latencies: Vec<Duration>,
}

impl Report {
    pub fn new(mut latencies: Vec<Duration>, later: u32, duration: Duration) -> Self {
        latencies.sort_unstable();
        Self { accepted: u32::try_from(latencies.len()).unwrap_or(u32::MAX), later, duration, latencies }
    }

    fn percentile(&self, percent: usize) -> f64 {
        let place = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = f64::from(self.accepted) / self.duration.as_secs_f64();
        write!(f, "{rate:.1} /s, p50 {:.1} ms, p99 {:.1} ms", self.percentile(50), self.percentile(99))?;
        if self.later > 0 { write!(f, ", {} answered with 503", self.later) } else { Ok(()) }
    }
}

impl Load {
    pub async fn run<F, R>(self, server: &Server, request: F) -> anyhow::Result<Report>
    where
        F: Fn() -> R,
        R: Future<Output = anyhow::Result<Answer>>,
    {
        let until = Instant::now() + self.duration;
        let pause = self.rate.map(|rate| Duration::from_secs(u64::from(self.clients)) / rate);
        let clients = (0..self.clients).map(|number| {
            let request = &request;
            async move {
                let (mut latencies, mut later) = (Vec::new(), 0);
                if let Some(pause) = pause {
                    tokio::time::sleep(pause * number / self.clients).await;
                }
                while Instant::now() < until {
                    let began = Instant::now();
                    match request().await? {
                        Answer::Accepted => latencies.push(began.elapsed()),
                        Answer::Later => {
                            later += 1;
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                    }
                    if let Some(pause) = pause {
                        tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
                    }
                }
                Ok::<_, anyhow::Error>((latencies, later))
            }
        });
        let (mut latencies, mut later) = (Vec::new(), 0);
        for result in futures::future::join_all(clients).await {
            let (own, told) = result?;
            latencies.extend(own);
            later += told;
        }
        anyhow::ensure!(server.is_alive(), "the server has ended");
        Ok(Report::new(latencies, later, self.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_rate_and_the_latencies() {
        let latencies = (1..=100).rev().map(Duration::from_millis).collect();
        let report = Report::new(latencies, 0, Duration::from_secs(10));
        assert_eq!(report.to_string(), "10.0 /s, p50 51.0 ms, p99 100.0 ms");
        let refused = Report::new(Vec::new(), 3, Duration::from_secs(10));
        assert_eq!(refused.to_string(), "0.0 /s, p50 0.0 ms, p99 0.0 ms, 3 answered with 503");
    }
}
