//! Signed tokens of others and of our own (T1, T4): the compact form of RFC 7515, read strictly, with the algorithm tied to the key.
//!
//! What a token says of its own algorithm never chooses how it is checked: the caller names the algorithms that it accepts, there is
//! no `none` and no shared-secret algorithm among them (RFC 8725, sections 3.1 and 3.2), and a key fits one algorithm only.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use crate::token::same_hash;

/// Bytes of a token that are looked at.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Keys of one set that are looked at.
const KEYS_MAX: usize = 64;
/// Bytes of a key's coordinate on P-256, and of an Ed25519 key.
const COORDINATE_BYTES: usize = 32;
/// Bytes of an RSA modulus: 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// Bytes of an RSA exponent at most.
const EXPONENT_BYTES_MAX: usize = 8;

/// Signature algorithms that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (section 3.3).
    Rs256,
    /// Ed25519 (RFC 8037, section 3.1; RFC 9864 names it `Ed25519`).
    EdDsa,
}

impl Algorithm {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// The protected header, as far as it is heeded; a critical extension is never understood.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// A token that was read and not yet checked. Its payload is given out only by [`Jws::verified`].
#[derive(Debug)]
pub(crate) struct Jws<'t> {
    /// What the token says of its algorithm.
    pub(crate) algorithm: Algorithm,
    /// What it says of its key.
    pub(crate) kid: Option<String>,
    /// Its type, lower case, without `application/` (RFC 7515, section 4.1.9).
    pub(crate) typ: Option<String>,
    signed: &'t [u8],
    signature: Vec<u8>,
    payload: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Reads the form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &'t str) -> Result<Self, &'static str> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err("the token is too long");
        }
        let (signed, signature) = text.rsplit_once('.').ok_or("the token has not three parts")?;
        let (header, payload) = signed.split_once('.').ok_or("the token has not three parts")?;
        // A dot is no letter of the encoding, so a fourth part fails here.
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| "a part of the token is not base64url");
        let read: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "the token's header cannot be read")?;
        if read.crit.is_some() {
            return Err("the token has a critical extension");
        }
        let algorithm = Algorithm::parse(&read.alg).ok_or("the token's algorithm is not accepted")?;
        let typ = read.typ.map(|typ| typ.to_ascii_lowercase());
        let typ = typ.map(|typ| typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ));
        Ok(Self {
            algorithm,
            kid: read.kid,
            typ,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            payload: decode(payload)?,
        })
    }

    /// The payload, if this key signed it by an algorithm that fits the key.
    pub(crate) fn verified(&self, key: &Key) -> Option<&[u8]> {
        (self.algorithm == key.algorithm() && key.verifies(self.signed, &self.signature)).then_some(self.payload.as_slice())
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// A point of P-256: 04, x, y.
    P256(Vec<u8>),
    /// Modulus and exponent, big endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// 32 bytes.
    Ed25519(Vec<u8>),
}

impl Key {
    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn verifies(&self, message: &[u8], signed: &[u8]) -> bool {
        match self {
            Self::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signed).is_ok()
            }
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signed).is_ok()
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signed).is_ok(),
        }
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

impl Jwk {
    /// The key, where it is of a kind that is known and is meant for signatures.
    fn key(&self) -> Option<Key> {
        let field = |text: &Option<String>| BASE64URL_NOPAD.decode(text.as_deref()?.as_bytes()).ok();
        let fixed = |text: &Option<String>| field(text).filter(|bytes| bytes.len() == COORDINATE_BYTES);
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => Key::P256([&[4][..], &fixed(&self.x)?, &fixed(&self.y)?].concat()),
            ("OKP", Some("Ed25519")) => Key::Ed25519(fixed(&self.x)?),
            ("RSA", _) => {
                let (n, e) = (field(&self.n)?, field(&self.e)?);
                if !MODULUS_BYTES.contains(&n.len()) || e.len() > EXPONENT_BYTES_MAX || n.first() == Some(&0) {
                    return None;
                }
                Key::Rsa { n, e }
            }
            _ => return None,
        };
        let for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let of_its_algorithm = self.alg.as_deref().is_none_or(|alg| Algorithm::parse(alg) == Some(key.algorithm()));
        (for_signatures && of_its_algorithm).then_some(key)
    }
}

/// Public keys by id (RFC 7517); keys of kinds that are not known here are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeySet(Vec<(Option<String>, Key)>);

impl KeySet {
    /// Reads `{"keys": [...]}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(text).map_err(|_| "the key set cannot be read")?;
        if set.keys.len() > KEYS_MAX {
            return Err("the key set has too many keys");
        }
        let read = |value| serde_json::from_value::<Jwk>(value).ok();
        let keys = set.keys.into_iter().filter_map(read).filter_map(|jwk| Some((jwk.kid.clone(), jwk.key()?)));
        Ok(Self(keys.collect()))
    }

    /// The payload of a token, and whether a key for it is known at all: where none is, a newer set may have it.
    pub(crate) fn verify<'j>(&self, jws: &'j Jws<'_>) -> Checked<'j> {
        let named = |kid: &Option<String>| jws.kid.is_none() || *kid == jws.kid;
        let mut known = false;
        for (_, key) in self.0.iter().filter(|(kid, key)| named(kid) && key.algorithm() == jws.algorithm) {
            known = true;
            if let Some(payload) = jws.verified(key) {
                return Checked::Good(payload);
            }
        }
        if known { Checked::Forged } else { Checked::NoKey }
    }
}

/// What a set of keys says of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked<'j> {
    /// One of them signed it; the payload.
    Good(&'j [u8]),
    /// A key of its name and kind is there and did not sign it.
    Forged,
    /// No key of its name and kind is there.
    NoKey,
}

/// Equality of two texts in a time that does not tell where they differ.
pub(crate) fn same_text(one: &str, other: &str) -> bool {
    same_hash(&crate::token::hash(one), &crate::token::hash(other))
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use proptest::prelude::*;

    use super::*;

    /// A signer for tests of callers: an ES256 key, its id, and its public half as a set.
    pub(crate) struct Signer {
        pub(crate) pair: EcdsaKeyPair,
        pub(crate) kid: &'static str,
    }

    pub(crate) fn signer(kid: &'static str) -> Signer {
        Signer { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), kid }
    }

    impl Signer {
        pub(crate) fn jwk(&self) -> serde_json::Value {
            let point = self.pair.public_key().as_ref();
            let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
            serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256",
                "x": text(&point[1..33]), "y": text(&point[33..]) })
        }

        pub(crate) fn set(&self) -> KeySet {
            KeySet::parse(serde_json::json!({ "keys": [self.jwk()] }).to_string().as_bytes()).unwrap()
        }

        pub(crate) fn sign(&self, header: &serde_json::Value, claims: &serde_json::Value) -> String {
            let part = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }
    }

    fn header(alg: &str) -> serde_json::Value {
        serde_json::json!({ "alg": alg, "kid": "one", "typ": "JWT" })
    }

    #[test]
    fn the_examples_of_the_standards_verify() {
        // RFC 7515, appendix A.2 (RS256), A.3 (ES256); RFC 8037, appendix A.4 (EdDSA).
        for (key, token) in [
            (
                r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
                "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            (
                r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
                "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            (
                r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
                "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            ),
        ] {
            let set = KeySet::parse(format!("{{\"keys\":[{key}]}}").as_bytes()).unwrap();
            let jws = Jws::parse(token).unwrap();
            assert!(matches!(set.verify(&jws), Checked::Good(_)), "{token}");
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let mut bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
            bytes[7] ^= 1;
            let forged = format!("{signed}.{}", BASE64URL_NOPAD.encode(&bytes));
            assert_eq!(set.verify(&Jws::parse(&forged).unwrap()), Checked::Forged);
        }
    }

    #[test]
    fn no_algorithm_of_the_tokens_own_choice() {
        let one = signer("one");
        for alg in ["none", "None", "HS256", "ES384", "PS256", "es256", ""] {
            let token = one.sign(&header(alg), &serde_json::json!({}));
            assert_eq!(Jws::parse(&token).unwrap_err(), "the token's algorithm is not accepted", "{alg}");
        }
        // An algorithm that is known, with a key of another kind.
        let token = one.sign(&header("RS256"), &serde_json::json!({}));
        assert_eq!(one.set().verify(&Jws::parse(&token).unwrap()), Checked::NoKey);
        let critical = one.sign(&serde_json::json!({ "alg": "ES256", "crit": ["exp"] }), &serde_json::json!({}));
        assert!(Jws::parse(&critical).is_err());
        let twice = r#"{"alg":"ES256","alg":"none"}"#;
        assert!(Jws::parse(&format!("{}.e30.AA", BASE64URL_NOPAD.encode(twice.as_bytes()))).is_err());
    }

    #[test]
    fn a_key_is_found_by_name_and_a_stranger_is_not() {
        let (one, two) = (signer("one"), signer("two"));
        let token = one.sign(&header("ES256"), &serde_json::json!({ "a": 1 }));
        let jws = Jws::parse(&token).unwrap();
        assert_eq!(one.set().verify(&jws), Checked::Good(br#"{"a":1}"#));
        assert_eq!(two.set().verify(&jws), Checked::NoKey);
        let liar = Signer { kid: "one", ..two };
        assert_eq!(liar.set().verify(&jws), Checked::Forged);
        for (field, value) in [("use", "enc"), ("alg", "ES384"), ("crv", "P-384"), ("x", "AAAA")] {
            let mut jwk = one.jwk();
            jwk[field] = value.into();
            let set = KeySet::parse(serde_json::json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
            assert_eq!(set.verify(&jws), Checked::NoKey, "{field}");
        }
    }

    #[test]
    fn an_ed25519_key_signs() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let signed = format!("{}.e30", BASE64URL_NOPAD.encode(br#"{"alg":"Ed25519"}"#));
        let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(pair.sign(signed.as_bytes()).as_ref()));
        let key = Key::Ed25519(pair.public_key().as_ref().to_vec());
        assert!(Jws::parse(&token).unwrap().verified(&key).is_some());
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault(text in "\\PC{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Jws::parse(&text);
            let _ = KeySet::parse(&bytes);
            let _ = KeySet::parse(format!("{{\"keys\":[{{\"kty\":\"RSA\",\"n\":{text:?},\"e\":\"AQAB\"}}]}}").as_bytes());
        }
    }
}
