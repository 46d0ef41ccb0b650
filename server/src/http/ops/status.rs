//! `/status`: the server's state, for the operator.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use sc_auth_contract::status::{AdminStatus, DatabaseStatus, Other, Status, Trouble, TroubleReason};

use super::state::Ops;
use crate::files::secret_id;
use crate::store::{Contents, Health, Identity, Store};

/// How long the database may take to answer.
const DATABASE_LIMIT: Duration = Duration::from_secs(4);
/// How long another ScAuth is reported after its last heartbeat in this database.
const OTHERS: Duration = Duration::from_mins(5);

/// Always answers 200: the question is about the server, not the database.
pub async fn status(State(ops): State<Ops>) -> Json<Status> {
    let ((database, identity), others) = tokio::join!(database(&ops), others(&ops));
    let secret_id = ops.bootstrap.as_deref().and_then(secret_id);
    let made = secret_id.as_ref().zip(identity).map(|(id, identity)| identity.bootstrap_id.as_ref() == Some(id));
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database,
        hold: ops.report.held().map(|held| held.hold),
        admin: AdminStatus { secret_id, made },
        keys_lost: ops.report.are_keys_lost(),
        others,
        server_errors: ops.metrics.server_errors().in_last_minute(Instant::now()),
        keys: ops.keys.get().status(),
        oidc_keys: ops.oidc_keys.as_ref().and_then(|ring| ring.get()).map(|keys| keys.status()).unwrap_or_default(),
        declared: ops.declared.as_ref().filter(|file| !file.is_awaited()).map(|file| file.status()),
        draining: ops.draining.is_draining(),
        warnings: ops.warnings.iter().cloned().chain(ops.logo.as_ref().and_then(|logo| logo.problem())).collect(),
    })
}

/// The state of the database, and the identity that was read from it if the server uses it.
async fn database(ops: &Ops) -> (DatabaseStatus, Option<Identity>) {
    let offered = ops.report.offered();
    if let Some(held) = ops.report.held() {
        let (schema, identity) = match held.contents {
            Contents::Ours { schema, identity } => (schema, identity),
            Contents::Empty | Contents::OldService => (None, None),
        };
        let (identity, accepted_as) = parts(identity);
        let engine = held.engine.name().to_owned();
        return (DatabaseStatus { engine, schema, identity, accepted_as, offered, ..DatabaseStatus::default() }, None);
    }
    let Some(sessions) = ops.sessions.get() else { return (DatabaseStatus::default(), None) };
    let store = &sessions.store;
    let health = health(store).await;
    let found = health.as_ref().and_then(|health| health.identity.clone());
    let (identity, accepted_as) = parts(found.clone());
    let database = DatabaseStatus {
        engine: store.engine().name().to_owned(),
        reachable: health.as_ref().is_some_and(|health| health.is_usable),
        trouble: trouble(store, health.as_ref()),
        taken_over: store.has_old_tables(),
        schema: health.and_then(|health| health.schema),
        // While the database does not answer, report its last known identity.
        identity: identity.or_else(|| store.own_identity().map(str::to_owned)),
        accepted_as,
        offered,
    };
    (database, found)
}

/// Why the database cannot be used; `None` if it can.
fn trouble(store: &Store, health: Option<&Health>) -> Option<Trouble> {
    match health {
        Some(health) if health.is_usable => None,
        Some(_) => store.trouble(),
        None => Some(store.trouble().unwrap_or_else(|| Trouble {
            reason: TroubleReason::Unreachable,
            message: format!("the database does not answer within {} s", DATABASE_LIMIT.as_secs()),
        })),
    }
}

async fn health(store: &Store) -> Option<Health> {
    tokio::time::timeout(DATABASE_LIMIT, store.health()).await.ok()?.ok()
}

fn parts(identity: Option<Identity>) -> (Option<String>, Option<String>) {
    identity.map_or((None, None), |identity| (Some(identity.id), identity.accepted_as))
}

async fn others(ops: &Ops) -> Vec<Other> {
    let (Some(sessions), Some(deployment)) = (ops.sessions.get(), ops.deployment.get()) else { return Vec::new() };
    let since = (ops.clock)() - OTHERS;
    let others = sessions.store.others(&deployment, since);
    tokio::time::timeout(DATABASE_LIMIT, others).await.ok().and_then(Result::ok).unwrap_or_default()
}
