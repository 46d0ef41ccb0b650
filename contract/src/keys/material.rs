//! The secret part of a key, by algorithm.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use pkcs8::der::{Decode as _, Encode as _};
use rand::CryptoRng;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::attributes::Algorithm;
use super::error::KeysError;
use super::file::{Members, decode, encode, unusable};

/// A secret key, in the form that token libraries need. It does not implement `Debug`, so that it is never printed.
pub enum Material {
    /// PKCS #8 (RFC 5958), and the public point `x` (RFC 8037), base64url.
    EdDSA {
        /// The private key.
        pkcs8: Vec<u8>,
        /// The public point.
        x: String,
    },
    /// PKCS #8, and the public point's coordinates, base64url.
    ES256 {
        /// The private key.
        pkcs8: Vec<u8>,
        /// The first coordinate.
        x: String,
        /// The second coordinate.
        y: String,
    },
    /// PKCS #1 (RFC 8017), and modulus and exponent, base64url.
    RS256 {
        /// The private key.
        pkcs1: Vec<u8>,
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// 32 bytes or more.
    HS256(Vec<u8>),
}

impl Material {
    pub(crate) fn generate(algorithm: Algorithm, rng: &mut impl CryptoRng) -> Result<(Members, Self), KeysError> {
        let members = match algorithm {
            Algorithm::EdDSA => {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
                    .map_err(|_| KeysError::Generation("the seed was refused"))?;
                Members::Okp { crv: "Ed25519".into(), x: encode(pair.public_key().as_ref()), d: encode(&seed) }
            }
            Algorithm::ES256 => ec_members()?,
            Algorithm::RS256 => rsa_members()?,
            Algorithm::HS256 => {
                let mut secret = [0; 32];
                rng.fill_bytes(&mut secret);
                Members::Oct { k: encode(&secret) }
            }
        };
        let material = Self::read("new", algorithm, &members)?;
        Ok((members, material))
    }

    /// # Errors
    /// If the members are not a key of that algorithm.
    pub(crate) fn read(kid: &str, algorithm: Algorithm, members: &Members) -> Result<Self, KeysError> {
        match (algorithm, members) {
            (Algorithm::EdDSA, Members::Okp { crv, x, d }) if crv == "Ed25519" => read_ed25519(kid, x, d),
            (Algorithm::ES256, Members::Ec { crv, x, y, d }) if crv == "P-256" => read_p256(kid, x, y, d),
            (Algorithm::RS256, Members::Rsa { n, e, .. }) => {
                let pkcs1 = pkcs1(kid, members)?;
                let pair = RsaKeyPair::from_der(&pkcs1).map_err(|_| unusable(kid, "its members do not match"))?;
                if pair.public_modulus_len() < 256 {
                    return Err(unusable(kid, "an RSA key must have at least 2048 bits"));
                }
                Ok(Self::RS256 { pkcs1, n: n.clone(), e: e.clone() })
            }
            (Algorithm::HS256, Members::Oct { k }) => {
                let secret = decode(kid, k)?;
                if secret.len() < 32 {
                    return Err(unusable(kid, "member k must have at least 32 bytes"));
                }
                Ok(Self::HS256(secret))
            }
            _ => Err(unusable(kid, "kty, crv and alg do not match")),
        }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::EdDSA { .. } => Algorithm::EdDSA,
            Self::ES256 { .. } => Algorithm::ES256,
            Self::RS256 { .. } => Algorithm::RS256,
            Self::HS256(_) => Algorithm::HS256,
        }
    }

    /// The public members of the key (RFC 7517); `None` for a symmetric key.
    #[must_use]
    pub fn public_members(&self) -> Option<Value> {
        match self {
            Self::EdDSA { x, .. } => Some(json!({"kty": "OKP", "crv": "Ed25519", "x": x})),
            Self::ES256 { x, y, .. } => Some(json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})),
            Self::RS256 { n, e, .. } => Some(json!({"kty": "RSA", "n": n, "e": e})),
            Self::HS256(_) => None,
        }
    }

    /// RFC 7638: a digest of the public members in their order; `None` for a symmetric key.
    pub(crate) fn thumbprint(&self) -> Option<String> {
        let canonical = match self {
            Self::EdDSA { x, .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::ES256 { x, y, .. } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::RS256 { n, e, .. } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::HS256(_) => return None,
        };
        Some(encode(&Sha256::digest(canonical)))
    }
}

fn read_ed25519(kid: &str, x: &str, d: &str) -> Result<Material, KeysError> {
    let pair = Ed25519KeyPair::from_seed_and_public_key(&decode(kid, d)?, &decode(kid, x)?)
        .map_err(|_| unusable(kid, "members d and x do not match"))?;
    let pkcs8 = pair.to_pkcs8().map_err(|_| unusable(kid, "it cannot be encoded as PKCS #8"))?;
    Ok(Material::EdDSA { pkcs8: pkcs8.as_ref().to_vec(), x: x.to_owned() })
}

fn read_p256(kid: &str, x: &str, y: &str, d: &str) -> Result<Material, KeysError> {
    // An uncompressed point (SEC 1, 2.3.3).
    let point = [vec![4], decode(kid, x)?, decode(kid, y)?].concat();
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &decode(kid, d)?, &point)
            .map_err(|_| unusable(kid, "members d, x and y do not match"))?;
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| unusable(kid, "it cannot be encoded as PKCS #8"))?;
    Ok(Material::ES256 { pkcs8: pkcs8.as_ref().to_vec(), x: x.to_owned(), y: y.to_owned() })
}

fn ec_members() -> Result<Members, KeysError> {
    let failed = |_| KeysError::Generation("P-256 failed");
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(failed)?;
    let point = pair.public_key().as_ref();
    let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
        return Err(KeysError::Generation("P-256 returned no point"));
    };
    Ok(Members::Ec { crv: "P-256".into(), x: encode(x), y: encode(y), d: encode(d.as_ref()) })
}

fn rsa_members() -> Result<Members, KeysError> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeysError::Generation("RSA failed"))?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeysError::Generation("RSA returned no key"))?;
    let bad = |_| KeysError::Generation("RSA returned no PKCS #8");
    let info = pkcs8::PrivateKeyInfoRef::from_der(pkcs8.as_ref()).map_err(bad)?;
    let key: pkcs1::RsaPrivateKey<pkcs1::UintRef<'_>> =
        pkcs1::RsaPrivateKey::from_der(info.private_key.as_bytes()).map_err(bad)?;
    Ok(Members::Rsa {
        n: encode(key.modulus.as_bytes()),
        e: encode(key.public_exponent.as_bytes()),
        d: encode(key.private_exponent.as_bytes()),
        p: encode(key.prime1.as_bytes()),
        q: encode(key.prime2.as_bytes()),
        dp: encode(key.exponent1.as_bytes()),
        dq: encode(key.exponent2.as_bytes()),
        qi: encode(key.coefficient.as_bytes()),
    })
}

/// An RSA key as PKCS #1.
fn pkcs1(kid: &str, members: &Members) -> Result<Vec<u8>, KeysError> {
    let Members::Rsa { n, e, d, p, q, dp, dq, qi } = members else {
        return Err(unusable(kid, "it is not an RSA key"));
    };
    let bytes: Vec<Vec<u8>> =
        [n, e, d, p, q, dp, dq, qi].into_iter().map(|text| decode(kid, text)).collect::<Result<_, _>>()?;
    let bad = |_| unusable(kid, "a member is not a number");
    let number = |place: usize| pkcs1::UintRef::new(&bytes[place]).map_err(bad);
    let key = pkcs1::RsaPrivateKey {
        modulus: number(0)?,
        public_exponent: number(1)?,
        private_exponent: number(2)?,
        prime1: number(3)?,
        prime2: number(4)?,
        exponent1: number(5)?,
        exponent2: number(6)?,
        coefficient: number(7)?,
        other_prime_infos: None,
    };
    let mut der = vec![0; 4096];
    let length = key.encode_to_slice(&mut der).map_err(bad)?.len();
    der.truncate(length);
    Ok(der)
}
