//! Signs tokens (RFC 7515) with a key that is parsed once: the token library parses it again for each token.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use sc_auth_contract::keys::Material;
use serde::Serialize;

/// A secret key, ready to sign. It does not implement `Debug`, so that it is never printed.
pub(super) enum Signer {
    EdDSA(Ed25519KeyPair),
    ES256(EcdsaKeyPair),
    RS256(RsaKeyPair),
    HS256(Box<hmac::Key>),
}

impl Signer {
    /// # Errors
    /// If the library refuses the key.
    pub fn new(material: &Material) -> anyhow::Result<Self> {
        Ok(match material {
            Material::EdDSA { pkcs8, .. } => Self::EdDSA(Ed25519KeyPair::from_pkcs8(pkcs8)?),
            Material::ES256 { pkcs8, .. } => {
                Self::ES256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?)
            }
            Material::RS256 { pkcs1, .. } => Self::RS256(RsaKeyPair::from_der(pkcs1)?),
            Material::HS256(secret) => Self::HS256(hmac::Key::new(hmac::HMAC_SHA256, secret).into()),
        })
    }

    /// The token with these parts. The header must name the algorithm of the key.
    pub fn token(&self, header: &Header, claims: &impl Serialize) -> anyhow::Result<String> {
        let (header, claims) = (serde_json::to_vec(header)?, serde_json::to_vec(claims)?);
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let rng = SystemRandom::new();
        Ok(match self {
            Self::EdDSA(key) => key.sign(message).as_ref().to_vec(),
            Self::ES256(key) => key.sign(&rng, message)?.as_ref().to_vec(),
            Self::RS256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)?;
                signature
            }
            Self::HS256(key) => hmac::sign(key, message).as_ref().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::EncodingKey;
    use sc_auth_contract::keys::{Algorithm, KeySet, OidcKeySet};
    use sc_auth_contract::time::UnixTime;
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::claims::decode;
    use crate::auth::keys::Key;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    fn library_key(material: &Material) -> EncodingKey {
        match material {
            Material::EdDSA { pkcs8, .. } => EncodingKey::from_ed_der(pkcs8),
            Material::ES256 { pkcs8, .. } => EncodingKey::from_ec_der(pkcs8),
            Material::RS256 { pkcs1, .. } => EncodingKey::from_rsa_der(pkcs1),
            Material::HS256(secret) => EncodingKey::from_secret(secret),
        }
    }

    #[test]
    fn tokens_are_those_of_the_library() {
        let rng = &mut rand::rng();
        let own = KeySet::generate(Algorithm::EdDSA, NOW, rng).unwrap();
        let of_applications = OidcKeySet::generate(NOW, rng).unwrap();
        let claims = json!({"sub": "ü", "exp": 1});
        let mut algorithms = Vec::new();
        for key in own.keys().iter().chain(of_applications.keys()) {
            let ready = Key::new(key).unwrap();
            let (token, again) = (ready.sign("JWT", &claims).unwrap(), ready.sign("JWT", &claims).unwrap());
            assert_eq!(decode::<Value>(&token, ready.algorithm, &ready.decoding).unwrap(), claims);
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!((header.typ.as_deref(), header.kid.as_deref()), (Some("JWT"), Some(ready.kid.as_str())));
            let library = jsonwebtoken::encode(&header, &claims, &library_key(&key.material)).unwrap();
            // ECDSA is randomized.
            let is_same = (token == library, token == again);
            assert_eq!(is_same, (ready.algorithm != jsonwebtoken::Algorithm::ES256, is_same.0), "{header:?}");
            assert_eq!(token.rsplit_once('.').unwrap().0, library.rsplit_once('.').unwrap().0);
            algorithms.push(format!("{:?}", ready.algorithm));
        }
        algorithms.sort();
        assert_eq!(algorithms, ["ES256", "EdDSA", "HS256", "RS256"]);
    }

    #[test]
    fn the_header_names_the_algorithm_of_the_key() {
        let own = KeySet::generate(Algorithm::EdDSA, NOW, &mut rand::rng()).unwrap();
        let key = Key::new(&own.keys()[0]).unwrap();
        assert!(key.sign_with(&Header::new(jsonwebtoken::Algorithm::RS256), &json!({})).is_err());
    }
}
