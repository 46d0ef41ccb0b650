//! The file that declares the OpenID Connect clients. The operator or a person writes it; the server reloads it when it
//! changes. An invalid client is refused, the others are served.

mod client;
mod file;
mod logout;
mod node;
mod redirect;
mod rules;
mod shown;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use file::{Entry, File};
use shown::{shown, shown_id};

pub use client::{ClientType, Consent, DeclaredClient, IdTokenAlgorithm, IdTokenClaims, SecretHash};
pub use file::{CLIENTS_MAX, DeclaredError, FORMAT};
pub use logout::{BackchannelUri, Reach};
pub use redirect::{REDIRECT_URI_MAX, RedirectUri, is_loopback};
use rules::{AUDIENCE_MAX, AUDIENCES_MAX, CLIENT_ID_MAX, NAME_MAX, NAMESPACE_MAX};
pub use rules::{SCOPES, UNDERSTOOD};

/// The minimum length, in characters, of a secret that a person chose: shorter ones can be guessed from their hashes.
pub const SECRET_MIN: usize = 32;
/// The most characters of a nonce, which a client sends.
pub const NONCE_MAX: usize = 512;
/// The most characters of a client's key.
pub const CLIENT_KEY_MAX: usize = CLIENT_ID_MAX + NAME_MAX + NAMESPACE_MAX + 2;
/// The most characters of a client's audiences as a JSON array: each has two quotation marks and a comma or a bracket.
pub const AUDIENCES_JSON_MAX: usize = AUDIENCES_MAX * (AUDIENCE_MAX + 3) + 1;

/// The most refused clients and warnings that are kept, so that a file cannot fill memory.
const REFUSED_MAX: usize = 500;
const WARNINGS_MAX: usize = 100;

/// A client that is not served, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its `clientId`, or its place in the file.
    pub client: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// Grows with each change of the file.
    pub counter: u64,
    /// The clients that are served.
    pub clients: Vec<DeclaredClient>,
    /// The refused clients, the first 500.
    pub refused: Vec<Refused>,
    /// The number of those after them.
    pub more_refused: usize,
    /// Members without a meaning, which may be misspelt, and needs that `requires` does not name; the first 100.
    pub warnings: Vec<String>,
    /// The number of those after them.
    pub more_warnings: usize,
    /// The identifiers of all entries, including the refused ones.
    ids: BTreeSet<String>,
    /// The origins of browser applications: anybody can make the server look one up.
    spa_origins: BTreeSet<String>,
}

impl Declared {
    /// Reads a file's content.
    ///
    /// # Errors
    /// If the file as a whole cannot be used.
    pub fn parse(content: &str) -> Result<Self, DeclaredError> {
        let file = File::parse(content)?;
        let mut declared = Self { counter: file.counter, ..Self::default() };
        for member in &file.unknown {
            declared.warn(|| format!("{} has no effect", shown(member)));
        }
        let mut taken = BTreeSet::new();
        for (place, entry) in file.clients.iter().enumerate() {
            // A refused client keeps its identifier: otherwise a mistake in one would give it to another one.
            let is_first = entry.ids.iter().filter(|id| !taken.insert(id.as_str())).count() == 0;
            let name = entry.ids.first().map_or_else(|| format!("clients[{place}]"), |id| shown_id(id));
            match declared.accept(&name, entry, is_first) {
                Ok(accepted) => declared.clients.push(accepted),
                Err(problem) => declared.refuse(name, problem),
            }
        }
        // No client with a longer one was ever served.
        declared.ids = taken.into_iter().filter(|id| id.len() <= CLIENT_ID_MAX).map(str::to_owned).collect();
        declared.collect_origins();
        Ok(declared)
    }

    fn collect_origins(&mut self) {
        let of_spa = self.clients.iter().filter(|client| client.client_type == ClientType::Spa);
        let uris = of_spa.flat_map(|client| &client.redirect_uris).filter_map(|uri| RedirectUri::parse(uri)?.origin());
        self.spa_origins = uris.collect();
    }

    fn accept(&mut self, name: &str, entry: &Entry, is_first: bool) -> Result<DeclaredClient, String> {
        if self.clients.len() >= CLIENTS_MAX {
            return Err(format!("there are more than {CLIENTS_MAX} clients"));
        }
        if let Some(member) = &entry.repeated {
            return Err(format!("it has the member {} more than once", shown(member)));
        }
        let client = DeclaredClient::read(&entry.value)?;
        rules::check(&client)?;
        if !is_first {
            return Err("another client has this clientId".to_owned());
        }
        for member in client.unknown.keys() {
            self.warn(|| format!("{name}: {} has no effect", shown(member)));
        }
        for need in client.needs().into_iter().filter(|need| !client.requires.iter().any(|required| required == need)) {
            self.warn(|| {
                format!("{name}: requires should name {need}, because an earlier server would ignore that member")
            });
        }
        Ok(client)
    }

    /// Whether the file has a declaration with this key, be it refused: a mistake in it is no removal.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        let client_id = DeclaredClient::id_of_key(key);
        self.find(client_id).map_or_else(|| self.ids.contains(client_id), |client| client.key() == key)
    }

    /// Whether this is the origin of a browser application.
    #[must_use]
    pub fn has_spa_at(&self, origin: &str) -> bool {
        self.spa_origins.contains(origin)
    }

    fn refuse(&mut self, client: String, problem: String) {
        if self.refused.len() < REFUSED_MAX {
            self.refused.push(Refused { client, problem });
        } else {
            self.more_refused += 1;
        }
    }

    fn warn(&mut self, warning: impl FnOnce() -> String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning());
        } else {
            self.more_warnings += 1;
        }
    }

    /// Refuses clients whose logout tokens would be sent to this machine: in a pod, other containers listen there.
    pub fn refuse_own_machine(&mut self) {
        let is_here =
            |client: &mut DeclaredClient| client.backchannel_uri().is_some_and(|uri| uri.reach == Reach::Loopback);
        for client in self.clients.extract_if(.., is_here).collect::<Vec<_>>() {
            let problem = "backchannelLogoutUri must not be on this machine: in a cluster, set the client's namespace and use \
                           http://NAME.NAMESPACE.svc";
            self.refuse(client.client_id, problem.to_owned());
        }
        self.collect_origins();
    }

    /// Refuses clients with one of these audiences, which are those of other tokens of the server.
    pub fn reserve_audiences(&mut self, reserved: &[String]) {
        let has_one = |client: &mut DeclaredClient| client.audiences.iter().any(|audience| reserved.contains(audience));
        for client in self.clients.extract_if(.., has_one).collect::<Vec<_>>() {
            let problem = "audiences must not contain the issuer or an audience of the API, whose tokens are others";
            self.refuse(client.client_id, problem.to_owned());
        }
        self.collect_origins();
    }

    /// The client with this identifier.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Option<&DeclaredClient> {
        self.clients.iter().find(|client| client.client_id == client_id)
    }
}

#[cfg(test)]
mod tests;
