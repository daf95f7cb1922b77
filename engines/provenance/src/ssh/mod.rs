//! SSH signatures (`ssh-keygen -Y sign`): many suppliers have such a key, and its namespace keeps a signature for one purpose from
//! serving another (T1).
//!
//! Format: PROTOCOL.sshsig of OpenSSH; keys by RFC 4253, section 6.6 and RFC 5656, section 3.1, and RFC 8709.

mod allowed;
mod key;

use data_encoding::BASE64;

pub use allowed::{LINE_BYTES_MAX, SshSigner};
pub use key::SshKey;

use crate::{Refusal, SIGNATURE_BYTES_MAX, Scheme, Signed, bounded, crypto::Hash, reader::Reader, shown};

const SIGNATURE: &str = "the SSH signature";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8; 6] = b"SSHSIG";
const VERSION: u32 = 1;
/// Longest namespace: it must be named by a key's line, which is short.
pub const NAMESPACE_BYTES_MAX: usize = 64;
/// The purposes that a signature of a delivery may have: ours, and the one that `ssh-keygen` suggests for files.
pub const NAMESPACES: [&str; 2] = ["stayward-feed", "file"];

/// A signature in its armour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSignature {
    key: SshKey,
    namespace: String,
    hash: Hash,
    signature: Vec<u8>,
}

impl SshSignature {
    /// Reads the armoured text.
    ///
    /// # Errors
    /// Too long, cut short, another form, version, hash or kind of key.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        bounded(SIGNATURE, bytes.len(), SIGNATURE_BYTES_MAX)?;
        let blob = unarmoured(bytes)?;
        let mut reader = Reader::new(SIGNATURE, &blob);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(reader.form("it does not begin with SSHSIG"));
        }
        let version = reader.u32()?;
        if version != VERSION {
            return Err(reader.unsupported(format!("version {version}")));
        }
        let key = SshKey::from_blob(reader.string()?)?;
        let namespace = reader.string()?;
        bounded("the namespace", namespace.len(), NAMESPACE_BYTES_MAX)?;
        let namespace = std::str::from_utf8(namespace).map_err(|_| reader.form("its namespace is not text"))?;
        if namespace.is_empty() {
            return Err(reader.form("it has no namespace"));
        }
        if !reader.string()?.is_empty() {
            return Err(reader.form("its reserved part is not empty"));
        }
        let hash = match reader.string()? {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            other => return Err(reader.unsupported(shown(&String::from_utf8_lossy(other)))),
        };
        let signature = reader.string()?.to_vec();
        reader.end()?;
        key.check_form(&signature)?;
        Ok(Self { key, namespace: namespace.to_owned(), hash, signature })
    }

    /// The fingerprint of the key that travels with it; nothing proves that anybody trusts it.
    pub fn key_name(&self) -> String {
        self.key.fingerprint()
    }

    /// What it was made for.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl SshSigner {
    /// Whether the signature comes with this key.
    pub fn is_named_by(&self, signature: &SshSignature) -> bool {
        *self.key() == signature.key
    }

    /// Checks the signature, its namespace against [`NAMESPACES`] and the signer's own, and the signer's validity at `now` (Unix seconds).
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`], [`Refusal::Namespace`], [`Refusal::KeyNotYetValid`], [`Refusal::KeyExpired`], [`Refusal::WrongSignature`].
    pub fn verify(&self, signature: &SshSignature, message: &[u8], now: i64) -> Result<Signed, Refusal> {
        let name = signature.key_name();
        if !self.is_named_by(signature) {
            return Err(Refusal::UnknownKey { key: name });
        }
        if !NAMESPACES.contains(&signature.namespace.as_str()) || !self.allows(&signature.namespace) {
            return Err(Refusal::Namespace { seen: shown(&signature.namespace) });
        }
        self.check_time(now)?;
        let hashed = signature.hash.of(&[message]);
        let mut signed = MAGIC.to_vec();
        for part in [signature.namespace.as_bytes(), b"", signature.hash.name().as_bytes(), hashed.as_ref()] {
            // A `string` of RFC 4251; every part is short.
            signed.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            signed.extend(part);
        }
        if !self.key().verify(&signed, &signature.signature) {
            return Err(Refusal::WrongSignature { key: name });
        }
        let (digest, comment) = (signature.hash.name(), Some(signature.namespace.clone()));
        Ok(Signed { scheme: Scheme::Ssh, key: name, digest, comment, created: None })
    }
}

/// The bytes between the two lines.
fn unarmoured(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let form = |why| Refusal::Form { what: SIGNATURE, why };
    let text = std::str::from_utf8(bytes).map_err(|_| form("it is not text"))?;
    let body = text.strip_prefix(BEGIN).ok_or_else(|| form("it does not begin with the line of an SSH signature"))?;
    let body = body.trim_end_matches(['\n', '\r']).strip_suffix(END).ok_or(Refusal::Truncated { what: SIGNATURE })?;
    if !body.starts_with(['\n', '\r']) || !body.ends_with('\n') {
        return Err(form("its lines do not end"));
    }
    let base64: String = body.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
    BASE64.decode(base64.as_bytes()).map_err(|_| form("it is not base64"))
}
