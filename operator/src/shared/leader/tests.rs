//! One candidate before a server that answers as the test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower::{BoxError, service_fn};

use super::*;

const PACE: Pace = Pace {
    lease: Duration::from_secs(1),
    deadline: Duration::from_millis(200),
    every: Duration::from_millis(10),
    patience: Duration::from_mins(1),
    is_released: true,
};

/// An API server whose answer depends on how many requests it has answered before, which it counts.
pub fn server(answer: fn(usize) -> (u16, Value)) -> (Client, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let service = service_fn(move |_: Request<Body>| {
        let (code, body) = answer(counted.fetch_add(1, Ordering::SeqCst));
        let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
        std::future::ready(answer.map_err(BoxError::from))
    });
    (Client::new(service, "default"), count)
}

pub fn refusal(code: u16) -> (u16, Value) {
    (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"}))
}

pub fn held_by(holder: &str) -> (u16, Value) {
    (200, json!({"metadata": {"name": "lease", "resourceVersion": "1"}, "spec": {"holderIdentity": holder}}))
}

pub fn candidate(client: Client, pace: Pace) -> Candidate {
    Candidate::at_pace(pace, client, "default", "lease".into(), "we".into(), || Timestamp::UNIX_EPOCH)
}

/// The first two requests get and renew it.
#[tokio::test]
async fn the_deadline_of_a_lease_counts_from_its_renewal_however_often_it_is_kept() {
    let (client, _) = server(|before| if before < 2 { held_by("we") } else { refusal(500) });
    let mut candidate = candidate(client, PACE);
    let began = Instant::now();
    assert_eq!(candidate.attempt().await.unwrap(), Turn::Ours);
    let kept = async { while tokio::time::timeout(PACE.deadline / 4, candidate.keep()).await.is_err() {} };
    tokio::time::timeout(Duration::from_mins(1), kept).await.unwrap();
    assert!(began.elapsed() > PACE.deadline);
}

#[tokio::test]
async fn the_deadline_counts_from_before_the_request() {
    let (client, count) = server(|before| {
        if before == 1 {
            std::thread::sleep(PACE.deadline * 2);
        }
        held_by("we")
    });
    let mut candidate = candidate(client, PACE);
    assert_eq!(candidate.attempt().await.unwrap(), Turn::Ours);
    candidate.keep().await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "it is lost before another request");
}

#[tokio::test]
async fn a_conflict_is_not_yet_a_loss() {
    // Each conflict but the last is with an edit that leaves us the holder.
    let (client, count) = server(|before| match before {
        2 | 4 | 7 => refusal(409),
        0..8 => held_by("we"),
        _ => held_by("they"),
    });
    let mut candidate = candidate(client, Pace { deadline: Duration::from_mins(1), ..PACE });
    assert_eq!(candidate.attempt().await.unwrap(), Turn::Ours);
    candidate.keep().await;
    assert_eq!(count.load(Ordering::SeqCst), 9);
}

#[tokio::test]
async fn a_lease_expires_after_the_time_that_its_holder_wrote() {
    let (client, _) = server(|_| refusal(500));
    for (seconds, expires) in [(json!(0), true), (json!(3600), false), (json!(null), false)] {
        let mut candidate = candidate(client.clone(), Pace { lease: Duration::from_hours(1), ..PACE });
        let lease = json!({"metadata": {"resourceVersion": "1"}, "spec": {"leaseDurationSeconds": seconds}});
        let lease = serde_json::from_value(lease).unwrap();
        assert!(!candidate.has_expired(&lease), "it was just observed");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(candidate.has_expired(&lease), expires, "{seconds}");
    }
}
pub fn gone() -> (u16, Value) {
    (404, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"}))
}

/// The holder creates it again at its next renewal.
#[tokio::test]
async fn one_that_waits_does_not_create_a_lease_that_somebody_deletes_before_it_would_have_expired() {
    let (client, _) = server(|before| match before {
        0 | 3 => held_by("they"),
        1 | 2 => gone(),
        _ => refusal(500),
    });
    let mut candidate = candidate(client, Pace { lease: Duration::from_hours(1), ..PACE });
    for _ in 0..4 {
        assert_eq!(candidate.attempt().await.unwrap(), Turn::Theirs { holder: "they".into() });
    }
}

#[tokio::test]
async fn one_that_waits_creates_a_deleted_lease_once_it_would_have_expired() {
    let (client, count) = server(|before| match before {
        0 => (
            200,
            json!({"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": "they", "leaseDurationSeconds": 0}}),
        ),
        1 | 2 => gone(),
        _ => held_by("we"),
    });
    let mut candidate = candidate(client, PACE);
    let mut turns = Vec::new();
    while count.load(Ordering::SeqCst) < 4 {
        turns.push(candidate.attempt().await.unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(turns.last(), Some(&Turn::Ours), "{turns:?}");
}

#[tokio::test]
async fn a_lease_without_a_holder_is_free_only_if_holders_remove_their_name() {
    for is_released in [true, false] {
        let (client, _) = server(|_| held_by(""));
        let pace = Pace { lease: Duration::from_hours(1), is_released, ..PACE };
        let turn = candidate(client, pace).attempt().await.unwrap();
        assert_eq!(turn == Turn::Ours, is_released);
    }
}
