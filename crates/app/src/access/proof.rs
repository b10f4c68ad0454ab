//! Proofs of identity: passwords (Argon2id, RFC 9106), random tokens, time-based codes (RFC 6238).

use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::LazyLock;

use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ledger::Secret;
use model::Digest;
use totp_rs::{Builder, Totp};

use crate::failure::{Failure, Kind, system};

/// Characters that a password has at least: NIST SP 800-63B-4 asks for 15 where it stands alone and 8
/// beside a second factor; a code may be added later, so the middle is taken.
const SHORTEST: usize = 12;
/// Bytes beyond which hashing would be work for nothing.
const LONGEST: usize = 512;
/// Bytes of a token: 256 bits cannot be guessed.
const TOKEN: usize = 32;
/// Bytes of a code's secret (RFC 4226 asks for 20).
const CODE: usize = 20;
/// The file of the key with which secrets are sealed.
const KEY_FILE: &str = "seal.key";

/// Refuses what is too easily guessed.
pub(crate) fn check_password(login: &str, password: &str) -> Result<(), Failure> {
    let bad = |message: String| Err(Failure::new(Kind::Usage, message));
    if password.chars().count() < SHORTEST {
        return bad(format!("a password has at least {SHORTEST} characters"));
    }
    if password.len() > LONGEST {
        return bad(format!("a password has at most {LONGEST} bytes"));
    }
    let lower = password.to_lowercase();
    let first = lower.chars().next();
    let plain = lower.chars().all(|c| Some(c) == first)
        || lower
            == "0123456789".repeat(lower.len() / 10 + 1).get(..lower.len()).unwrap_or_default()
        || lower.contains("password") && lower.len() < SHORTEST + 4;
    if plain || (login.len() > 3 && lower.contains(&login.to_lowercase())) {
        return bad("this password is one that is tried first".to_owned());
    }
    Ok(())
}

/// Hashes a password. Takes some tens of milliseconds and 19 MiB.
pub(crate) fn hash_password(password: &str) -> Result<Secret, Failure> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|e| Failure::new(Kind::Defect, format!("cannot hash a password: {e}")))?;
    Ok(Secret::new(hash.to_string()))
}

/// True when the password is the one that was hashed. Without a hash it takes as long, so that a login
/// that does not exist cannot be told from a wrong password.
pub(crate) fn verify_password(hash: Option<&Secret>, password: &str) -> bool {
    static NOBODY: LazyLock<Option<Secret>> = LazyLock::new(|| hash_password("nobody").ok());
    let known = hash.is_some();
    let text = hash.or(NOBODY.as_ref()).map(Secret::expose).unwrap_or_default();
    let parsed = PasswordHash::new(text);
    let fits = password.len() <= LONGEST
        && parsed.is_ok_and(|hash| {
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        });
    fits && known
}

/// A secret that a browser or a program holds. Only its digest is kept here.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Makes one, with a prefix by which scanners for leaked secrets know it.
    pub(crate) fn make(prefix: &str) -> Result<Self, Failure> {
        let mut bytes = [0; TOKEN];
        random(&mut bytes)?;
        Ok(Self(format!("{prefix}{}", crate::hex(&bytes))))
    }

    /// What a caller presented.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Its digest. The token is random and long, so a plain hash is as good as a slow one.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Says it, once, to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a page sends along with a change, to show that it and not another site sends it.
    pub fn csrf(&self) -> String {
        Digest::of(format!("csrf {}", self.0).as_bytes()).to_string()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|e| Failure::new(Kind::System, format!("the system gives no random bytes: {e}")))
}

/// Seals secrets that must be read again (the seeds of codes), with a key beside the ledger and not in it.
pub(crate) struct Seal {
    cipher: XChaCha20Poly1305,
    /// For digests of what may be guessed.
    key: Digest,
}

impl Seal {
    /// The key of a data folder, made when there is none. Only its owner can read it.
    pub(crate) fn of(data: &Path) -> Result<Self, Failure> {
        let path = data.join(KEY_FILE);
        let mut key = Vec::new();
        match fs::File::open(&path) {
            Ok(file) => {
                let most = 65;
                file.take(most).read_to_end(&mut key).map_err(system("cannot read the seal"))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                key = vec![0; 32];
                random(&mut key)?;
                let mut how = fs::OpenOptions::new();
                how.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
                let mut file = how.open(&path).map_err(system("cannot write the seal"))?;
                file.write_all(&key).map_err(system("cannot write the seal"))?;
                file.sync_all().map_err(system("cannot write the seal"))?;
            }
            Err(error) => return Err(system("cannot read the seal")(error)),
        }
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| {
            Failure::new(Kind::System, format!("{} is not a key of 32 bytes", path.display()))
        })?;
        Ok(Self { cipher, key: keyed(&Digest::of(b"watchfloor digests"), &[&key]) })
    }

    /// A digest of parts that cannot be told from a guess of them without the key.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> Digest {
        keyed(&self.key, parts)
    }

    pub(crate) fn close(&self, secret: &[u8]) -> Result<Secret, Failure> {
        let mut nonce = [0; 24];
        random(&mut nonce)?;
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), secret)
            .map_err(|_| Failure::new(Kind::Defect, "a secret could not be sealed"))?;
        Ok(Secret::new(format!("{}{}", crate::hex(&nonce), crate::hex(&sealed))))
    }

    pub(crate) fn open(&self, sealed: &Secret) -> Option<Vec<u8>> {
        let bytes = unhex(sealed.expose())?;
        let (nonce, sealed) = bytes.split_at_checked(24)?;
        self.cipher.decrypt(XNonce::from_slice(nonce), sealed).ok()
    }
}

/// A digest of parts, each with its length so that they do not run into each other, under a key.
fn keyed(key: &Digest, parts: &[&[u8]]) -> Digest {
    let mut all = key.0.to_vec();
    for part in parts {
        all.extend((part.len() as u64).to_le_bytes());
        all.extend(*part);
    }
    Digest::of(&all)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}

/// A new seed for codes: sealed, and as the address that an authenticator reads from a picture.
pub(crate) fn new_code(seal: &Seal, login: &str) -> Result<(Secret, String), Failure> {
    let mut seed = [0; CODE];
    random(&mut seed)?;
    let sealed = seal.close(&seed)?;
    let secret = totp_rs::Secret::from(seed.to_vec());
    let login: String =
        login.chars().filter(|c| c.is_ascii_alphanumeric() || "._-@".contains(*c)).collect();
    let uri = format!(
        "otpauth://totp/Watchfloor:{login}?secret={}&issuer=Watchfloor&algorithm=SHA1&digits=6&period=30",
        secret.to_base32()
    );
    Ok((sealed, uri))
}

/// The time step of a code that is right now, or was or will be half a minute from now.
pub(crate) fn code_step(
    seal: &Seal,
    sealed: &Secret,
    code: &str,
    now: model::Micros,
) -> Option<i64> {
    let code = code.trim();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let totp: Totp = Builder::new().with_secret(seal.open(sealed)?).build().ok()?;
    let seconds = u64::try_from(now.0.div_euclid(1_000_000)).ok()?;
    totp.check(code, seconds).and_then(|step| i64::try_from(step).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::Micros;

    #[test]
    fn passwords_are_told_apart_and_easy_ones_refused() {
        let hash = hash_password("correct horse battery").unwrap();
        assert!(hash.expose().starts_with("$argon2id$"));
        assert!(verify_password(Some(&hash), "correct horse battery"));
        assert!(!verify_password(Some(&hash), "correct horse batterx"));
        assert!(!verify_password(None, "correct horse battery"));
        assert!(!verify_password(Some(&Secret::new("")), ""));
        for easy in
            ["short", "aaaaaaaaaaaaaaaa", "01234567890123", "anna-lindqvist-1", "password12345"]
        {
            assert!(check_password("lindqvist", easy).is_err(), "{easy}");
        }
        assert!(check_password("lindqvist", "correct horse battery").is_ok());
    }

    #[test]
    fn a_code_is_right_for_its_step_alone_and_the_seed_lies_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::of(folder.path()).unwrap();
        let (sealed, uri) = new_code(&seal, "anna").unwrap();
        let base32 = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
        assert!(!sealed.expose().contains(base32));
        let seed = seal.open(&sealed).unwrap();
        let totp: Totp = Builder::new().with_secret(seed).build().unwrap();
        let at = 1_790_000_000;
        let code = totp.generate(at).to_string();
        let now = Micros::from_seconds(at as i64);
        // The same key, read again.
        let seal = Seal::of(folder.path()).unwrap();
        assert_eq!(code_step(&seal, &sealed, &code, now), Some(at as i64 / 30));
        let later = Micros::from_seconds(at as i64 + 120);
        assert_eq!(code_step(&seal, &sealed, &code, later), None);
        assert_eq!(code_step(&seal, &sealed, "12345", now), None);
        // Another folder's key opens nothing.
        let other = tempfile::tempdir().unwrap();
        assert!(Seal::of(other.path()).unwrap().open(&sealed).is_none());
    }

    #[test]
    fn tokens_differ_and_are_never_shown() {
        let (one, other) = (Token::make("wfk_").unwrap(), Token::make("wfk_").unwrap());
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.expose().len(), 4 + 64);
        assert_eq!(format!("{one:?}"), "Token(…)");
        assert_ne!(one.csrf(), other.csrf());
    }
}
