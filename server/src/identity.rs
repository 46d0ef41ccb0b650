//! Decides whether a database is the one that holds this ScAuth's data, from the expected identity and the database's
//! contents. Pure functions.

use sc_auth_contract::status::{Hold, HoldReason};

use crate::store::{Contents, NewIdentity, Place};

/// Whether to use a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Use it, and give it this identity if it has none.
    Use(NewIdentity),
    /// Don't touch it.
    Hold(Hold),
}

/// Without an expected identity, every database is used. Otherwise a database is used if it has that identity, was
/// accepted under that name, or is ours without an identity: release 0.2 wrote none. `random` is a new identity.
pub fn decide(expected: Option<&str>, contents: &Contents, place: &Place, random: String) -> Decision {
    let Some(expected) = expected else {
        return Decision::Use(NewIdentity { identity: random, accepted_as: None });
    };
    let accepted = || NewIdentity { identity: random.clone(), accepted_as: Some(expected.to_owned()) };
    let (reason, found) = match contents {
        Contents::Ours { identity: None, .. } if Place::is_name(expected) => return Decision::Use(accepted()),
        Contents::Ours { identity: None, .. } => {
            return Decision::Use(NewIdentity { identity: expected.to_owned(), accepted_as: None });
        }
        Contents::Ours { identity: Some(identity), .. } => {
            if identity.accepted_as.as_deref() == Some(expected) {
                return Decision::Use(accepted());
            }
            (HoldReason::AnotherDatabase, identity.id.clone())
        }
        Contents::OldService => (HoldReason::AnotherDatabase, place.old_service()),
        Contents::Empty => (HoldReason::EmptyDatabase, place.empty()),
    };
    if found == expected {
        return Decision::Use(accepted());
    }
    Decision::Hold(Hold { reason, expected: expected.to_owned(), found })
}

/// The identity of the database, or the name that it can be accepted under; `None` if it is ours without an identity.
pub fn name(contents: &Contents, place: &Place) -> Option<String> {
    match contents {
        Contents::Empty => Some(place.empty()),
        Contents::OldService => Some(place.old_service()),
        Contents::Ours { identity, .. } => identity.as_ref().map(|identity| identity.id.clone()),
    }
}

/// The error of a command on such a database.
pub fn refusal(hold: &Hold, scauth: &str) -> String {
    let what = match hold.reason {
        HoldReason::AnotherDatabase | HoldReason::Unknown => "another database",
        HoldReason::EmptyDatabase => "an empty database",
    };
    let Hold { expected, found, .. } = hold;
    format!(
        "the settings lead to {what} ({found}), not to the database of ScAuth {scauth} ({expected}); nothing was \
         changed. Correct the database's address or restore its data. To use {found} from now on, run \
         `kubectl annotate scauth {scauth} sc-auth.io/accept-database={found} --overwrite`"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::DatabaseArgs;
    use crate::store::Identity;

    #[derive(clap::Parser)]
    struct Harness {
        #[command(flatten)]
        database: DatabaseArgs,
    }

    fn place() -> Place {
        Harness::parse_from(["test", "--database-url", "mysql://u:p@h/n"]).database.resolve().unwrap().place()
    }

    fn ours(identity: Option<(&str, Option<&str>)>) -> Contents {
        let identity = identity.map(|(id, accepted_as)| Identity {
            id: id.into(),
            accepted_as: accepted_as.map(Into::into),
            bootstrap_id: None,
        });
        Contents::Ours { schema: Some(2), identity }
    }

    fn decided(expected: Option<&str>, contents: &Contents) -> Decision {
        decide(expected, contents, &place(), "random".into())
    }

    fn used(identity: &str, accepted_as: Option<&str>) -> Decision {
        Decision::Use(NewIdentity { identity: identity.into(), accepted_as: accepted_as.map(Into::into) })
    }

    fn held(reason: HoldReason, expected: &str, found: &str) -> Decision {
        Decision::Hold(Hold { reason, expected: expected.into(), found: found.into() })
    }

    #[test]
    fn without_an_expected_identity_every_database_is_used() {
        for contents in [Contents::Empty, Contents::OldService, ours(None), ours(Some(("a", None)))] {
            assert_eq!(decided(None, &contents), used("random", None));
        }
    }

    #[test]
    fn only_the_expected_database_is_used() {
        assert!(matches!(decided(Some("a"), &ours(Some(("a", None)))), Decision::Use(_)));
        assert_eq!(decided(Some("a"), &ours(None)), used("a", None), "release 0.2 wrote none");
        assert_eq!(decided(Some("a"), &ours(Some(("b", None)))), held(HoldReason::AnotherDatabase, "a", "b"));
        let (empty, old) = (place().empty(), place().old_service());
        assert_eq!(decided(Some("a"), &Contents::Empty), held(HoldReason::EmptyDatabase, "a", &empty));
        assert_eq!(decided(Some("a"), &Contents::OldService), held(HoldReason::AnotherDatabase, "a", &old));
    }

    #[test]
    fn an_accepted_database_is_used_from_then_on() {
        let (empty, old) = (place().empty(), place().old_service());
        assert_eq!(decided(Some(&empty), &Contents::Empty), used("random", Some(&empty)));
        assert_eq!(decided(Some(&old), &Contents::OldService), used("random", Some(&old)));
        assert_eq!(decided(Some(&empty), &ours(None)), used("random", Some(&empty)), "the migration was interrupted");
        assert!(matches!(decided(Some(&empty), &ours(Some(("b", Some(&empty))))), Decision::Use(_)));
        assert!(matches!(decided(Some("b"), &ours(Some(("b", Some(&empty))))), Decision::Use(_)));
        // Another empty database has not been accepted.
        assert!(matches!(decided(Some("empty-000000000000"), &Contents::Empty), Decision::Hold(_)));
        assert!(matches!(decided(Some(&empty), &Contents::OldService), Decision::Hold(_)));
    }
}
