//! The scheduled rotation of the signing keys: publish, promote, retire and delete. The Secret itself contains the
//! whole state of a rotation, so that the next leader can continue. Pure functions.

mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use rand::CryptoRng;
use sc_auth_contract::keys::{Algorithm, Key, KeySet, KeysError, OidcKeySet, Purpose, Rotation, RotationRules, State};
use sc_auth_contract::places::{KEYS_FILE, OIDC_KEYS_FILE};
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{KeyStatus, Keys, ScAuth};
use crate::scauth::names::{
    ANNOTATION_REVOKE, ANNOTATION_REVOKED, ANNOTATION_ROTATE, ANNOTATION_ROTATED, ANNOTATION_ROTATING,
};
use crate::shared::reasons::Reason;
use sets::{PartPlan, RotatingKeys, due_at, step};

/// Default signing period of a key.
const DEFAULT_PERIOD: Duration = Duration::from_hours(30 * 24);
/// Keys of refresh tokens are kept for a year afterwards, so they rotate no more often than this.
const REFRESH_PERIOD: Duration = Duration::from_hours(30 * 24);
/// The file of OpenID Connect has room for the keys of a day's rotation.
const OIDC_PERIOD: Duration = Duration::from_hours(24);

/// The purpose of the keys of OpenID Connect in `status.keys`.
pub const OPENID: &str = "openid";

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

    fn of_purpose<'a>(&self, purpose: Purpose, request: Option<&'a Request>) -> PartPlan<'a> {
        let (period, algorithm) = match purpose {
            Purpose::Access => (self.period, self.algorithm),
            Purpose::Refresh => (self.period.max(REFRESH_PERIOD), None),
        };
        PartPlan { period, publish_for: self.publish_for, algorithm, requested: request.map(|request| &request.kids) }
    }

    fn of_openid<'a>(&self, request: Option<&'a Request>) -> PartPlan<'a> {
        let period = self.period.max(OIDC_PERIOD);
        PartPlan {
            period,
            publish_for: self.publish_for,
            algorithm: None,
            requested: request.map(|request| &request.kids),
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
    pub oidc: OidcKeys,
    resource_version: Option<String>,
    rotated: Option<String>,
    /// The request that is under way.
    rotating: Option<Request>,
    revoked: Option<String>,
}

/// The second file of the Secret.
#[derive(Debug)]
pub enum OidcKeys {
    /// Not created yet, or deleted.
    Missing,
    /// It cannot be read, and is left alone: the reason.
    Broken(String),
    Read(OidcKeySet),
}

impl OidcKeys {
    fn read(secret: &Secret) -> Self {
        let Some(content) = secret.data.as_ref().and_then(|data| data.get(OIDC_KEYS_FILE)) else {
            return Self::Missing;
        };
        let Ok(text) = String::from_utf8(content.0.clone()) else { return Self::Broken("it is not text".to_owned()) };
        OidcKeySet::parse(&SecretString::from(text)).map_or_else(|error| Self::Broken(error.to_string()), Self::Read)
    }

    /// Why it cannot be used.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Broken(problem) => Some(problem),
            Self::Missing | Self::Read(_) => None,
        }
    }

    pub fn set(&self) -> Option<&OidcKeySet> {
        match self {
            Self::Read(set) => Some(set),
            Self::Missing | Self::Broken(_) => None,
        }
    }

    fn set_mut(&mut self) -> Option<&mut OidcKeySet> {
        match self {
            Self::Read(set) => Some(set),
            Self::Missing | Self::Broken(_) => None,
        }
    }
}

/// A person's request to rotate, and the keys that signed when the operator took it up: each is rotated once for it,
/// although they need not be published at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Request {
    #[serde(rename = "for")]
    text: String,
    kids: BTreeSet<String>,
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
            oidc: OidcKeys::read(secret),
            resource_version: secret.metadata.resource_version.clone(),
            rotated: note(ANNOTATION_ROTATED),
            rotating: note(ANNOTATION_ROTATING).and_then(|text| serde_json::from_str(&text).ok()),
            revoked: note(ANNOTATION_REVOKED),
        })
    }

    /// The keys without their private parts.
    pub fn status(&self) -> Vec<KeyStatus> {
        let keys = self.keys.keys().iter().map(|key| key_status(key, &key.purpose.to_string()));
        let oidc = self.oidc.set().map(OidcKeySet::keys).unwrap_or_default();
        // A kid may occur only once in the status.
        let is_new = |key: &&Key| self.keys.keys().iter().all(|known| known.kid != key.kid);
        keys.chain(oidc.iter().filter(is_new).map(|key| key_status(key, OPENID))).collect()
    }

    /// The request of the plan, unless it was completed.
    fn request(&self, plan: &Plan) -> Option<Request> {
        let text = plan.rotate.clone().filter(|text| self.rotated.as_ref() != Some(text))?;
        let known = self.rotating.clone().filter(|request| request.text == text);
        let current = self.all().filter(|key| key.state == State::Current);
        Some(known.unwrap_or_else(|| Request { text, kids: current.map(|key| key.kid.clone()).collect() }))
    }

    /// The keys of both files.
    fn all(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys().iter().chain(self.oidc.set().map(OidcKeySet::keys).unwrap_or_default())
    }
}

fn key_status(key: &Key, purpose: &str) -> KeyStatus {
    KeyStatus {
        kid: key.kid.clone(),
        purpose: purpose.to_owned(),
        alg: key.material.algorithm().to_string(),
        state: key.state.to_string(),
        since: k8s_openapi::jiff::Timestamp::from_second(key.since.seconds()).unwrap_or_default().into(),
    }
}

/// A change of the Secret that is due.
#[derive(Debug, Default)]
pub struct Change {
    /// The new content of the files that change.
    files: BTreeMap<&'static str, SecretString>,
    annotations: BTreeMap<&'static str, String>,
    resource_version: Option<String>,
    /// The reasons and messages for events.
    pub notes: Vec<(Reason, String)>,
}

impl Change {
    /// The first keys of OpenID Connect.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn of_first_oidc_keys(
        resource_version: Option<String>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, KeysError> {
        let files = [(OIDC_KEYS_FILE, OidcKeySet::generate(now, rng)?.to_json()?)].into();
        Ok(Self { files, resource_version, ..Self::default() })
    }

    /// The merge patch; the version in it ensures that nothing else has changed meanwhile.
    pub fn patch(&self) -> Value {
        use base64::Engine as _;
        let encode = |file: &SecretString| base64::engine::general_purpose::STANDARD.encode(file.expose_secret());
        let mut patch = json!({"metadata": {
            "resourceVersion": self.resource_version, "annotations": self.annotations,
        }});
        for (name, file) in &self.files {
            patch["data"][*name] = json!(encode(file));
        }
        patch
    }

    fn note(&mut self, step: Rotation, signs: &str) -> bool {
        let (reason, note) = match step {
            Rotation::Published { kid, .. } => {
                (Reason::KeyPublished, format!("key {kid} is published and will sign {signs} later"))
            }
            Rotation::Promoted { kid, retired } if retired.is_empty() => {
                (Reason::KeyPromoted, format!("key {kid} now signs {signs}"))
            }
            Rotation::Promoted { kid, retired } => (
                Reason::KeyPromoted,
                format!("key {kid} now signs {signs}; {retired} still verifies the tokens that it signed"),
            ),
            Rotation::Waiting { .. } => return false,
        };
        self.notes.push((reason, note));
        true
    }
}

/// Performs the steps that are due at `now`. `None` if no step is due.
pub fn advance(
    stored: &mut Stored,
    plan: &Plan,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<Change>, KeysError> {
    let mut change = Change { resource_version: stored.resource_version.clone(), ..Change::default() };
    let request = stored.request(plan);
    let mut changed = Changed {
        keys: stored.keys.delete_retired(now),
        oidc: stored.oidc.set_mut().is_some_and(|oidc| oidc.delete_retired(now)),
    };
    if let Some(kid) = plan.revoke.clone().filter(|kid| stored.revoked.as_ref() != Some(kid)) {
        revoke(stored, &kid, &mut change, &mut changed, now, rng)?;
        change.annotations.insert(ANNOTATION_REVOKED, kid);
    }
    let of_purpose = |purpose| plan.of_purpose(purpose, request.as_ref());
    let mut is_met = rotate(&mut stored.keys, of_purpose, &mut change, &mut changed.keys, now, rng)?;
    if let Some(oidc) = stored.oidc.set_mut() {
        let of_openid = |_| plan.of_openid(request.as_ref());
        is_met &= rotate(oidc, of_openid, &mut change, &mut changed.oidc, now, rng)?;
    }
    match request {
        Some(request) if is_met => drop(change.annotations.insert(ANNOTATION_ROTATED, request.text)),
        Some(request) if stored.rotating.as_ref() != Some(&request) => {
            let text = serde_json::to_string(&request).unwrap_or_default();
            change.annotations.insert(ANNOTATION_ROTATING, text);
        }
        _ => {}
    }
    if changed.keys {
        change.files.insert(KEYS_FILE, stored.keys.to_json()?);
    }
    if let Some(oidc) = stored.oidc.set().filter(|_| changed.oidc) {
        change.files.insert(OIDC_KEYS_FILE, oidc.to_json()?);
    }
    Ok((!change.files.is_empty() || !change.annotations.is_empty()).then_some(change))
}

/// Which files have changed.
struct Changed {
    keys: bool,
    oidc: bool,
}

/// Deletes a key that has leaked from the files that have it: a person may have copied it.
fn revoke(
    stored: &mut Stored,
    kid: &str,
    change: &mut Change,
    changed: &mut Changed,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<(), KeysError> {
    let in_keys = unless_unknown(stored.keys.revoke(kid, now, rng))?;
    let in_oidc = match stored.oidc.set_mut() {
        Some(oidc) => unless_unknown(oidc.revoke(kid, now, rng))?,
        None => None,
    };
    changed.keys |= in_keys.is_some();
    changed.oidc |= in_oidc.is_some();
    if in_keys.is_none() && in_oidc.is_none() {
        let note = format!("key {kid} cannot be revoked: it does not exist; status.keys lists the existing keys");
        change.notes.push((Reason::KeyUnknown, note));
    }
    change.notes.extend([in_keys, in_oidc].into_iter().flatten().map(|successor| {
        let signs = successor.map(|kid| format!("; {kid} now signs")).unwrap_or_default();
        let note = format!("key {kid} was removed, and every token that it signed is rejected{signs}");
        (Reason::KeyRevoked, note)
    }));
    Ok(())
}

/// `None` if the file has no such key.
fn unless_unknown<T>(result: Result<T, KeysError>) -> Result<Option<T>, KeysError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(KeysError::Unknown(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Performs the steps of one file. Returns whether all of its keys have been rotated since the request.
fn rotate<'a, K: RotatingKeys>(
    keys: &mut K,
    plan_of: impl Fn(K::Part) -> PartPlan<'a>,
    change: &mut Change,
    has_changed: &mut bool,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<bool, KeysError> {
    let mut is_met = true;
    for part in keys.parts() {
        let plan = plan_of(part);
        if let Some(done) = step(keys, part, &plan, now, rng)? {
            *has_changed |= change.note(done, &K::signs(part));
        }
        is_met &= !plan.is_requested(keys, part);
    }
    Ok(is_met)
}

/// When the next step is due.
pub fn next_step(stored: &Stored, plan: &Plan) -> UnixTime {
    let request = stored.request(plan);
    let request = request.as_ref();
    let drops = stored.all().filter(|key| key.state == State::Retired);
    let drops = drops.map(|key| key.since + RotationRules::of(key.purpose).retire_for);
    let of_keys = stored.keys.parts().into_iter();
    let of_keys = of_keys.filter_map(|part| due_at(&stored.keys, part, &plan.of_purpose(part, request)));
    let of_openid =
        stored.oidc.set().into_iter().flat_map(|oidc| {
            oidc.parts().into_iter().filter_map(move |part| due_at(oidc, part, &plan.of_openid(request)))
        });
    drops.chain(of_keys).chain(of_openid).min().unwrap_or_default()
}

/// Whether a step is due: the rest of the work, which may take a fifth of a second, is only done then.
pub fn is_due(stored: &Stored, plan: &Plan, now: UnixTime) -> bool {
    let is_revoked = plan.revoke.is_none() || plan.revoke == stored.revoked;
    let request = stored.request(plan);
    let is_taken_up = request.is_none() || request == stored.rotating;
    !is_revoked || !is_taken_up || next_step(stored, plan) <= now
}
