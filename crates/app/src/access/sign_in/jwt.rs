//! Signed tokens (JWT, RFC 7519) and the keys of those who sign them (JWK sets, RFC 7517), after the best
//! current practices of RFC 8725: the algorithm is one of a short list and fits the key, nothing is believed
//! before the signature is right, and issuer, audience and times are always looked at.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Micros;
use serde_json::{Map, Value};

/// Bytes of the longest token that is looked at.
const LONGEST: usize = 64 << 10;
/// Keys of a set that are looked at.
const MOST_KEYS: usize = 50;
/// Seconds by which two clocks may differ.
const LEEWAY: i64 = 60;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// The names of RFC 7518 and 8037. `none` and the keyed hashes, which whoever checks could forge, are not
/// among them.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
];

/// Why a token is not believed. It repeats nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsound {
    /// It is no signed token.
    Form,
    /// It is signed in a way that is not taken.
    Algorithm,
    /// Nobody of those whose keys are known signed it. There may be newer keys.
    Key,
    /// The signature is not of this token.
    Signature,
    /// It is somebody else's.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It holds no longer.
    Expired,
    /// It does not hold yet.
    TooEarly,
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "it is no signed token",
            Self::Algorithm => "it is signed in a way that is not taken",
            Self::Key => "it is not signed with a key that is known",
            Self::Signature => "its signature is wrong",
            Self::Issuer => "it was issued by somebody else",
            Self::Audience => "it is for somebody else",
            Self::Expired => "it holds no longer",
            Self::TooEarly => "it does not hold yet",
        })
    }
}

/// A public key.
enum Key {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point, uncompressed (SEC 1), and the algorithm of its curve.
    Curve(Vec<u8>, Algorithm),
}

/// A key of a set, and what is said of it.
struct Named {
    kid: Option<String>,
    algorithm: Option<String>,
    key: Key,
}

/// The keys of one who signs.
#[derive(Default)]
pub(crate) struct Keys(Vec<Named>);

impl Keys {
    /// Reads a JWK set. Keys that are not for signatures, or of kinds that are not taken, are left out.
    pub(crate) fn read(set: &Value) -> Self {
        let all = set.get("keys").and_then(Value::as_array).into_iter().flatten();
        Self(all.take(MOST_KEYS).filter_map(named).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.kid)).finish()
    }
}

fn named(jwk: &Value) -> Option<Named> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    if text("use").is_some_and(|what| what != "sig") {
        return None;
    }
    let point = |size: usize, algorithm| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        let fits = x.len() == size && y.len() == size;
        fits.then(|| Key::Curve([&[4], x.as_slice(), y.as_slice()].concat(), algorithm))
    };
    let key = match (text("kty")?, text("crv")) {
        ("RSA", _) => Key::Rsa { n: bytes("n")?, e: bytes("e")? },
        ("EC", Some("P-256")) => point(32, Algorithm::Es256)?,
        ("EC", Some("P-384")) => point(48, Algorithm::Es384)?,
        ("OKP", Some("Ed25519")) => Key::Curve(bytes("x")?, Algorithm::EdDsa),
        _ => return None,
    };
    let owned = |name| text(name).map(str::to_owned);
    Some(Named { kid: owned("kid"), algorithm: owned("alg"), key })
}

impl Key {
    /// Whether it made a signature; none where it is not a key for this algorithm.
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<bool> {
        match self {
            Self::Rsa { n, e } => {
                let how: &RsaParameters = match algorithm {
                    Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
                    Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
                    Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
                };
                Some(RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok())
            }
            Self::Curve(point, curve) => {
                let how: &'static dyn VerificationAlgorithm = match curve {
                    Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
                    Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
                    _ => &ED25519,
                };
                (*curve == algorithm)
                    .then(|| UnparsedPublicKey::new(how, point).verify(message, signature).is_ok())
            }
        }
    }
}

/// Whom a token must be from and for.
pub(crate) struct Expected<'e> {
    pub(crate) issuer: &'e str,
    /// One of these.
    pub(crate) audiences: &'e [String],
    /// The algorithms that are taken, by name; all that are known when there is none.
    pub(crate) algorithms: &'e [&'e str],
}

/// What a token says that was believed.
#[derive(Debug)]
pub(crate) struct Claims(pub(crate) Map<String, Value>);

impl Claims {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Until when it holds.
    pub(crate) fn expires(&self) -> Option<Micros> {
        seconds(&self.0, "exp").map(Micros::from_seconds)
    }
}

/// Believes a token, or says why not.
pub(crate) fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
    now: Micros,
) -> Result<Claims, Unsound> {
    if token.len() > LONGEST {
        return Err(Unsound::Form);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Unsound::Form)?;
    let (header, claims) = message.split_once('.').ok_or(Unsound::Form)?;
    let header = object(header)?;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    // An extension that must be understood (RFC 7515, 4.1.11): none is.
    if header.contains_key("crit") {
        return Err(Unsound::Form);
    }
    let name = text("alg").ok_or(Unsound::Form)?;
    let algorithm = ALGORITHMS
        .iter()
        .find(|(known, _)| *known == name)
        .filter(|_| expected.algorithms.is_empty() || expected.algorithms.contains(&name));
    let (name, algorithm) = *algorithm.ok_or(Unsound::Algorithm)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Unsound::Form)?;
    let kid = text("kid");
    let fits = |key: &&Named| {
        (kid.is_none() || key.kid.as_deref() == kid)
            && key.algorithm.as_deref().is_none_or(|only| only == name)
    };
    let mut answers = keys
        .0
        .iter()
        .filter(fits)
        .filter_map(|key| key.key.verify(algorithm, message.as_bytes(), &signature))
        .peekable();
    answers.peek().ok_or(Unsound::Key)?;
    if !answers.any(|right| right) {
        return Err(Unsound::Signature);
    }
    let claims = object(claims)?;
    check(&claims, expected, now)?;
    Ok(Claims(claims))
}

fn object(part: &str) -> Result<Map<String, Value>, Unsound> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Unsound::Form)?;
    serde_json::from_slice(&bytes).map_err(|_| Unsound::Form)
}

fn check(claims: &Map<String, Value>, expected: &Expected<'_>, now: Micros) -> Result<(), Unsound> {
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(Unsound::Issuer);
    }
    let audiences = match claims.get("aud") {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let is_ours =
        |audience: &Value| expected.audiences.iter().any(|ours| audience == ours.as_str());
    if !audiences.iter().any(is_ours) {
        return Err(Unsound::Audience);
    }
    let now = now.0.div_euclid(1_000_000);
    let expires = seconds(claims, "exp").ok_or(Unsound::Expired)?;
    if expires.saturating_add(LEEWAY) <= now {
        return Err(Unsound::Expired);
    }
    for name in ["nbf", "iat"] {
        // One that is there and is no time is not believed.
        let from = match claims.get(name) {
            Some(_) => seconds(claims, name).ok_or(Unsound::TooEarly)?,
            None => continue,
        };
        if from.saturating_sub(LEEWAY) > now {
            return Err(Unsound::TooEarly);
        }
    }
    Ok(())
}

/// A time in seconds since 1970, whole or not.
fn seconds(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    let number = claims.get(name)?;
    let whole = |number: f64| number.is_finite().then_some(number as i64);
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// The token and the key of RFC 7515, A.3 (ES256), and of RFC 8037, A.4 (Ed25519).
    #[test]
    fn the_examples_of_the_standards_are_believed() {
        let keys = Keys::read(&json!({ "keys": [{
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }, {
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }, { "kty": "oct", "k": "AAAA" }] }));
        assert_eq!(keys.0.len(), 2);
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
            cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA\
            pmWQxfKTUJqPP3-Kg6NU1Q";
        let says = |token: &str| {
            let expected = Expected { issuer: "joe", audiences: &[], algorithms: &[] };
            verify(token, &keys, &expected, Micros::from_seconds(1_300_819_000)).unwrap_err()
        };
        // Its signature is right; it is for nobody.
        assert_eq!(says(token), Unsound::Audience);
        assert_eq!(says(&token.replace("DtEh", "DtEi")), Unsound::Signature);
        let edwards = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt\
            7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        // Its signature is right; what is signed is no object.
        assert_eq!(says(edwards), Unsound::Form);
        assert_eq!(says(&edwards.replace("hgyY", "hgyZ")), Unsound::Signature);
    }
}
