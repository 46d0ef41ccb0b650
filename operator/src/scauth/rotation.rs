//! The scheduled rotation of the signing keys: publish, promote, retire and delete. The Secret itself contains the
//! whole state of a rotation, so that the next leader can continue. Pure functions.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use rand::CryptoRng;
use sc_auth_contract::keys::{Algorithm, Key, KeySet, KeysError, Purpose, Rotation, RotationRules, State};
use sc_auth_contract::places::KEYS_FILE;
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::api::{KeyStatus, Keys, ScAuth};
use crate::scauth::names::{ANNOTATION_REVOKE, ANNOTATION_REVOKED, ANNOTATION_ROTATE, ANNOTATION_ROTATED};
use crate::shared::reasons::Reason;

/// Default signing period of a key.
const DEFAULT_PERIOD: Duration = Duration::from_hours(30 * 24);
/// Keys of refresh tokens are kept for a year afterwards, so they rotate no more often than this.
const REFRESH_PERIOD: Duration = Duration::from_hours(30 * 24);
/// A file can contain 64 keys; requests are refused before that.
const MOST_KEYS: usize = 60;

/// The desired rotation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long a key signs.
    pub period: Duration,
    /// How long it is published before that.
    pub publish_for: Duration,
    pub algorithm: Option<Algorithm>,
    /// Requests of a person by annotation.
    pub rotate: Option<String>,
    pub revoke: Option<String>,
}

impl Plan {
    pub fn of(scauth: &ScAuth, publish_for: Duration) -> Self {
        let wanted = scauth.spec.keys.clone().unwrap_or_default();
        let annotation = |name: &str| scauth.metadata.annotations.as_ref()?.get(name).cloned();
        Self {
            period: period(&wanted),
            publish_for,
            algorithm: wanted.algorithm.map(Into::into),
            rotate: annotation(ANNOTATION_ROTATE),
            revoke: annotation(ANNOTATION_REVOKE),
        }
    }

    fn period_of(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::Access => self.period,
            Purpose::Refresh => self.period.max(REFRESH_PERIOD),
        }
    }
}

fn period(keys: &Keys) -> Duration {
    let period = keys.rotation.as_deref().and_then(|text| humantime::parse_duration(text).ok());
    period.unwrap_or(DEFAULT_PERIOD)
}

/// The algorithm of a new set of keys. One that replaces a lost set keeps its algorithm, which the verifiers expect. The
/// default is decided here and not in the CustomResourceDefinition, whose defaults the API server also applies to
/// existing objects.
pub fn algorithm_of_new_keys(scauth: &ScAuth) -> Algorithm {
    let wanted = scauth.spec.keys.as_ref().and_then(|keys| keys.algorithm).map(Algorithm::from);
    let reported = scauth.status.iter().flat_map(|status| &status.keys);
    let is_current =
        |key: &&KeyStatus| key.purpose == Purpose::Access.to_string() && key.state == State::Current.to_string();
    let lost = reported.into_iter().find(is_current);
    wanted.or_else(|| serde_json::from_value(json!(lost?.alg)).ok()).unwrap_or_default()
}

/// The generated Secret that was read.
#[derive(Debug)]
pub struct Stored {
    pub keys: KeySet,
    resource_version: Option<String>,
    rotated: Option<String>,
    revoked: Option<String>,
}

impl Stored {
    /// # Errors
    /// If the Secret does not contain valid keys; the message contains no part of them.
    pub fn read(secret: &Secret) -> Result<Self, String> {
        let content = secret.data.as_ref().and_then(|data| data.get(KEYS_FILE)).ok_or("it has no key keys.json")?;
        let text = String::from_utf8(content.0.clone()).map_err(|_| "keys.json is not text")?;
        let keys = KeySet::parse(&SecretString::from(text)).map_err(|error| error.to_string())?;
        let note = |name: &str| secret.metadata.annotations.as_ref()?.get(name).cloned();
        Ok(Self {
            keys,
            resource_version: secret.metadata.resource_version.clone(),
            rotated: note(ANNOTATION_ROTATED),
            revoked: note(ANNOTATION_REVOKED),
        })
    }

    /// The keys without their private parts.
    pub fn status(&self) -> Vec<KeyStatus> {
        self.keys.keys().iter().map(key_status).collect()
    }
}

fn key_status(key: &Key) -> KeyStatus {
    KeyStatus {
        kid: key.kid.clone(),
        purpose: key.purpose.to_string(),
        alg: key.material.algorithm().to_string(),
        state: key.state.to_string(),
        since: k8s_openapi::jiff::Timestamp::from_second(key.since.seconds()).unwrap_or_default().into(),
    }
}

/// A change of the Secret that is due.
#[derive(Debug)]
pub struct Change {
    /// The new content of the file, if it changes.
    file: Option<SecretString>,
    annotations: BTreeMap<&'static str, String>,
    resource_version: Option<String>,
    /// The reasons and messages for events.
    pub notes: Vec<(Reason, String)>,
}

impl Change {
    /// The merge patch; the version in it ensures that nothing else has changed meanwhile.
    pub fn patch(&self) -> Value {
        use base64::Engine as _;
        let encode = |file: &SecretString| base64::engine::general_purpose::STANDARD.encode(file.expose_secret());
        let mut patch = json!({"metadata": {
            "resourceVersion": self.resource_version, "annotations": self.annotations,
        }});
        if let Some(file) = &self.file {
            patch["data"] = json!({KEYS_FILE: encode(file)});
        }
        patch
    }
}

/// Performs the steps that are due at `now`. `None` if no step is due.
pub fn advance(
    stored: &mut Stored,
    plan: &Plan,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<Change>, KeysError> {
    let (mut notes, mut annotations) = (Vec::new(), BTreeMap::new());
    let mut has_changed = stored.keys.delete_retired(now);
    if let Some(kid) = plan.revoke.clone().filter(|kid| stored.revoked.as_ref() != Some(kid)) {
        match stored.keys.revoke(&kid, now, rng) {
            Ok(successor) => {
                has_changed = true;
                let signs = successor.map(|kid| format!("; {kid} now signs")).unwrap_or_default();
                notes.push((
                    Reason::KeyRevoked,
                    format!("key {kid} was removed, and every token that it signed is rejected{signs}"),
                ));
            }
            Err(KeysError::Unknown(_)) => notes.push((
                Reason::KeyUnknown,
                format!("key {kid} cannot be revoked: it does not exist; status.keys lists the existing keys"),
            )),
            Err(error) => return Err(error),
        }
        annotations.insert(ANNOTATION_REVOKED, kid);
    }
    let request = plan.rotate.clone().filter(|request| stored.rotated.as_ref() != Some(request));
    let mut is_met = request.is_some();
    for purpose in [Purpose::Access, Purpose::Refresh] {
        match step(&mut stored.keys, plan, purpose, request.is_some(), now, rng)? {
            Some(Rotation::Published { kid, .. }) => {
                notes.push((
                    Reason::KeyPublished,
                    format!("key {kid} is published and will sign {purpose} tokens later"),
                ));
                (has_changed, is_met) = (true, false);
            }
            Some(Rotation::Promoted { kid, retired }) => {
                notes.push((
                    Reason::KeyPromoted,
                    format!("key {kid} now signs {purpose} tokens; {retired} still verifies the tokens that it signed"),
                ));
                has_changed = true;
            }
            Some(Rotation::Waiting { .. }) => is_met = false,
            None => {}
        }
    }
    if let Some(request) = request.filter(|_| is_met) {
        annotations.insert(ANNOTATION_ROTATED, request);
    }
    if !has_changed && annotations.is_empty() {
        return Ok(None);
    }
    let file = if has_changed { Some(stored.keys.to_json()?) } else { None };
    Ok(Some(Change { file, annotations, resource_version: stored.resource_version.clone(), notes }))
}

fn step(
    keys: &mut KeySet,
    plan: &Plan,
    purpose: Purpose,
    is_requested: bool,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<Rotation>, KeysError> {
    let algorithm = if purpose == Purpose::Access { plan.algorithm } else { None };
    let current = keys.find(purpose, State::Current);
    let differs = current.zip(algorithm).is_some_and(|(key, wanted)| key.material.algorithm() != wanted);
    let ends = current.map_or(now, |key| key.since + plan.period_of(purpose));
    if let Some(next) = keys.find(purpose, State::Next) {
        let ready_at = next.since + plan.publish_for;
        if !(is_requested || differs) && now < ends {
            return Ok(None);
        }
        if now < ready_at {
            return Ok(Some(Rotation::Waiting { kid: next.kid.clone(), ready_at }));
        }
        // Whatever its algorithm: if the spec has changed meanwhile, the next rotation follows it.
        return keys.rotate(purpose, None, true, now, rng).map(Some);
    }
    let is_due = is_requested || differs || now >= ends - plan.publish_for;
    if !is_due || keys.keys().len() >= MOST_KEYS {
        return Ok(None);
    }
    keys.rotate(purpose, algorithm, true, now, rng).map(Some)
}

/// When the next step is due.
pub fn next_step(stored: &Stored, plan: &Plan) -> UnixTime {
    let is_requested = plan.rotate.is_some() && plan.rotate != stored.rotated;
    let keys = stored.keys.keys().iter();
    let drops = keys.filter(|key| key.state == State::Retired);
    let drops = drops.map(|key| key.since + RotationRules::of(key.purpose).retire_for);
    let [access, refresh] = [Purpose::Access, Purpose::Refresh].map(|purpose| {
        let since = |state| stored.keys.find(purpose, state).map(|key| key.since);
        let ends = since(State::Current).unwrap_or_default() + plan.period_of(purpose);
        match since(State::Next).map(|since| since + plan.publish_for) {
            Some(ready_at) if is_requested => ready_at,
            Some(ready_at) => ready_at.max(ends),
            None => ends - plan.publish_for,
        }
    });
    drops.fold(access.min(refresh), UnixTime::min)
}
