//! What a relying party of WebAuthn checks (W3C Web Authentication Level 3, 7.1 and 7.2): that a passkey was
//! made for this floor, and that it answers this challenge. Which device made it is not asked, so
//! attestations are let be (7.1 allows it where no trust path is wanted).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use model::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Bytes of any part of what a browser sends.
const LONGEST: usize = 64 << 10;
/// Bytes of a credential's id (Level 3, 5.8.3).
const LONGEST_ID: usize = 1_023;
/// How deep CBOR is nested: a signed attestation has lists of certificates in a map in a map.
const DEEPEST: usize = 8;

/// The algorithms that are asked for, best first, by their COSE numbers: ES256, Ed25519, RS256.
const ALGORITHMS: [i64; 3] = [-7, -8, -257];

/// Bits of an authenticator's flags.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const BACKED_UP: u8 = 1 << 4;
const CREDENTIAL: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// For whom passkeys are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    /// The domain.
    pub(crate) id: String,
    /// As browsers name the page: scheme, host, port.
    pub(crate) origin: String,
}

/// A passkey that was made, as `navigator.credentials.create()` tells it in JSON.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
pub struct Made {
    /// The credential's id, in base64url.
    pub id: String,
    /// What the authenticator says.
    pub response: MadeResponse,
}

/// What an authenticator says that made a passkey.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeResponse {
    /// What the browser was asked, in base64url.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// The passkey's public key, and how it was made, in base64url.
    pub attestation_object: String,
}

/// A passkey's answer, as `navigator.credentials.get()` tells it in JSON.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
pub struct Answered {
    /// The credential's id, in base64url.
    pub id: String,
    /// What the authenticator says.
    pub response: AnsweredResponse,
}

/// What an authenticator says that answers a challenge.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnsweredResponse {
    /// What the browser was asked, in base64url.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// How the authenticator was used, in base64url.
    pub authenticator_data: String,
    /// The signature over both, in base64url.
    pub signature: String,
    /// Whose the passkey is, where the authenticator keeps it, in base64url.
    pub user_handle: Option<String>,
}

/// A passkey as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credential {
    /// The public key.
    #[serde(flatten)]
    key: Key,
    /// How often it was used, as the authenticator counts; 0 where it does not.
    pub(crate) counter: u32,
    /// Whether copies of it are kept elsewhere.
    pub(crate) backed_up: bool,
}

/// A public key, its parts in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alg")]
enum Key {
    /// A point of P-256, uncompressed (SEC 1).
    #[serde(rename = "ES256")]
    Es256 { point: String },
    #[serde(rename = "EdDSA")]
    EdDsa { point: String },
    #[serde(rename = "RS256")]
    Rs256 { n: String, e: String },
}

/// What is not as it should be, in a few words for the log. It repeats nothing of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) &'static str);

type Checked<T> = Result<T, Wrong>;

/// How sure it is that the person was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Somebody touched the authenticator: enough beside a password.
    Touched,
    /// The authenticator knows who: a finger, a face, a PIN.
    Verified,
}

/// What a browser hands to `navigator.credentials.create()`.
pub(crate) fn creation(
    party: &Party,
    challenge: &[u8],
    (handle, login, name): (&[u8], &str, &str),
    known: &[&str],
) -> Value {
    let credential = |id: &&str| json!({ "type": "public-key", "id": id });
    json!({
        "rp": { "id": party.id, "name": "Watchfloor" },
        "user": { "id": text(handle), "name": login, "displayName": name },
        "challenge": text(challenge),
        "pubKeyCredParams":
            ALGORITHMS.map(|alg| json!({ "type": "public-key", "alg": alg })),
        "timeout": 300_000,
        "excludeCredentials": known.iter().map(credential).collect::<Vec<_>>(),
        "authenticatorSelection": { "residentKey": "preferred", "userVerification": "preferred" },
        "attestation": "none",
    })
}

/// What a browser hands to `navigator.credentials.get()`.
pub(crate) fn request(
    party: &Party,
    challenge: &[u8],
    known: &[&str],
    presence: Presence,
) -> Value {
    let credential = |id: &&str| json!({ "type": "public-key", "id": id });
    let verification = match presence {
        // Beside a password a PIN would be a third thing to know.
        Presence::Touched => "discouraged",
        Presence::Verified => "required",
    };
    json!({
        "rpId": party.id,
        "challenge": text(challenge),
        "timeout": 300_000,
        "allowCredentials": known.iter().map(credential).collect::<Vec<_>>(),
        "userVerification": verification,
    })
}

/// Takes a passkey that was made for this party and challenge: its id and what is kept of it.
pub(crate) fn made(party: &Party, challenge: &[u8], made: &Made) -> Checked<(String, Credential)> {
    client_data(party, challenge, &made.response.client_data_json, "webauthn.create")?;
    let object = bytes(&made.response.attestation_object)?;
    let (object, rest) = cbor(&object)?;
    let data = match field(&object, "authData") {
        Some(Cbor::Bytes(data)) if rest.is_empty() => data,
        _ => return Err(Wrong("no authenticator data")),
    };
    let data = AuthenticatorData::read(party, data)?;
    data.shows(Presence::Touched)?;
    let (id, key) = data.credential.ok_or(Wrong("no credential"))?;
    let id = text(id);
    if made.id != id {
        return Err(Wrong("another credential's id"));
    }
    let backed_up = data.flags & BACKED_UP != 0;
    Ok((id, Credential { key, counter: data.counter, backed_up }))
}

/// Believes a passkey's answer to a challenge: how it stands now.
pub(crate) fn answered(
    party: &Party,
    challenge: &[u8],
    (answer, credential): (&Answered, &Credential),
    presence: Presence,
) -> Checked<Credential> {
    let said = &answer.response;
    let client = client_data(party, challenge, &said.client_data_json, "webauthn.get")?;
    let bytes_of_data = bytes(&said.authenticator_data)?;
    let data = AuthenticatorData::read(party, &bytes_of_data)?;
    data.shows(presence)?;
    let message = [bytes_of_data.as_slice(), &Digest::of(&client).0].concat();
    if !credential.key.verify(&message, &bytes(&said.signature)?)? {
        return Err(Wrong("the signature"));
    }
    // Of a copy the counter lags behind (Level 3, 6.1.1). Passkeys that are synchronised do not count.
    let counts = credential.counter > 0 || data.counter > 0;
    if counts && data.counter <= credential.counter {
        return Err(COPIED);
    }
    let backed_up = data.flags & BACKED_UP != 0;
    Ok(Credential { key: credential.key.clone(), counter: data.counter, backed_up })
}

/// An authenticator that counts says that it was used less often than before.
pub(crate) const COPIED: Wrong = Wrong("the counter went back: there may be a copy");

/// Checks what the browser was asked, and by which page.
fn client_data(party: &Party, challenge: &[u8], data: &str, what: &str) -> Checked<Vec<u8>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClientData {
        #[serde(rename = "type")]
        what: String,
        challenge: String,
        origin: String,
        #[serde(default)]
        cross_origin: bool,
    }
    let raw = bytes(data)?;
    let data: ClientData = serde_json::from_slice(&raw).map_err(|_| Wrong("the client data"))?;
    if data.what != what {
        return Err(Wrong("another kind of ceremony"));
    }
    if data.challenge != text(challenge) {
        return Err(Wrong("another challenge"));
    }
    if data.origin != party.origin || data.cross_origin {
        return Err(Wrong("another page"));
    }
    Ok(raw)
}

/// What an authenticator says of itself (Level 3, 6.1).
struct AuthenticatorData<'d> {
    flags: u8,
    counter: u32,
    credential: Option<(&'d [u8], Key)>,
}

impl<'d> AuthenticatorData<'d> {
    fn read(party: &Party, data: &'d [u8]) -> Checked<Self> {
        let short = Wrong("authenticator data that ends early");
        let (digest, rest) = data.split_first_chunk::<32>().ok_or(short)?;
        if Digest::of(party.id.as_bytes()).0 != *digest {
            return Err(Wrong("another party"));
        }
        let (flags, rest) = rest.split_first().ok_or(short)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let mut credential = None;
        if flags & CREDENTIAL != 0 {
            let (_aaguid, after) = rest.split_first_chunk::<16>().ok_or(short)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(short)?;
            let length = usize::from(u16::from_be_bytes(*length));
            if !(1..=LONGEST_ID).contains(&length) {
                return Err(Wrong("a credential's id of a wrong length"));
            }
            let (id, after) = after.split_at_checked(length).ok_or(short)?;
            let (key, after) = cbor(after)?;
            credential = Some((id, Key::read(&key)?));
            rest = after;
        }
        if flags & EXTENSIONS != 0 {
            let (extensions, after) = cbor(rest)?;
            if !extensions.is_map() {
                return Err(Wrong("extensions that are no map"));
            }
            rest = after;
        }
        match rest {
            [] => Ok(Self { flags: *flags, counter: u32::from_be_bytes(*counter), credential }),
            _ => Err(Wrong("something behind the authenticator data")),
        }
    }

    fn shows(&self, presence: Presence) -> Checked<()> {
        if self.flags & PRESENT == 0 {
            return Err(Wrong("nobody was there"));
        }
        match presence {
            Presence::Verified if self.flags & VERIFIED == 0 => Err(Wrong("nobody was verified")),
            _ => Ok(()),
        }
    }
}

impl Key {
    /// Reads a key in COSE's form (RFC 9052 and 9053).
    fn read(key: &Cbor) -> Checked<Self> {
        let number = |label: i64| {
            let value = numbered(key, label)?.as_integer()?;
            i64::try_from(value).ok()
        };
        let part = |label: i64, size: Option<usize>| {
            let bytes = numbered(key, label).and_then(Cbor::as_bytes);
            let fits = |bytes: &&Vec<u8>| size.is_none_or(|size| bytes.len() == size);
            bytes.filter(fits).ok_or(Wrong("a key whose parts are missing"))
        };
        match (number(1), number(3), number(-1)) {
            (Some(2), Some(-7), Some(1)) => {
                let (x, y) = (part(-2, Some(32))?, part(-3, Some(32))?);
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                Ok(Self::Es256 { point: text(&point) })
            }
            (Some(1), Some(-8), Some(6)) => Ok(Self::EdDsa { point: text(part(-2, Some(32))?) }),
            (Some(3), Some(-257), _) => {
                Ok(Self::Rs256 { n: text(part(-1, None)?), e: text(part(-2, None)?) })
            }
            _ => Err(Wrong("a kind of key that was not asked for")),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Checked<bool> {
        let right = match self {
            Self::Es256 { point } => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes(point)?)
                .verify(message, signature),
            Self::EdDsa { point } => {
                UnparsedPublicKey::new(&ED25519, bytes(point)?).verify(message, signature)
            }
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n: bytes(n)?, e: bytes(e)? }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        Ok(right.is_ok())
    }
}

/// Reads one value; what follows it is left.
fn cbor(bytes: &[u8]) -> Checked<(Cbor, &[u8])> {
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEEPEST);
    Ok((value.map_err(|_| Wrong("CBOR that cannot be read"))?, rest))
}

fn field<'c>(map: &'c Cbor, name: &str) -> Option<&'c Cbor> {
    let entries = map.as_map()?;
    entries.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

fn numbered(map: &Cbor, label: i64) -> Option<&Cbor> {
    let entries = map.as_map()?;
    let is_it = |key: &Cbor| key.as_integer().is_some_and(|key| key == label.into());
    entries.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn bytes(text: &str) -> Checked<Vec<u8>> {
    if text.len() > LONGEST {
        return Err(Wrong("more than any authenticator says"));
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Wrong("text that is not base64url"))
}

/// The id of a credential as it would be written, so that one credential has one name.
pub(crate) fn canonical(id: &str) -> Option<String> {
    let bytes = bytes(id).ok()?;
    (1..=LONGEST_ID).contains(&bytes.len()).then(|| text(&bytes))
}

/// Bytes that stand in JSON as text.
pub(crate) fn handle(text: &str) -> Option<Vec<u8>> {
    bytes(text).ok()
}
