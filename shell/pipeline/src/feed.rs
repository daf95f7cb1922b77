//! What a supplier runs: make a key, sign a file. It needs nothing else of this program.

use std::path::{Path, PathBuf};

use artifact::FeedClaim;
use gate::Digest;
use ledger::{Bundle, P256Signer, P256Verifier, Statement, Subject};
use provenance::{PublicKey, Scheme};
use s01_intake::{Arrival, CLAIM_SUFFIX, DoorFacts, SupplierKey, claim_file};
use serde::Serialize;

use crate::PipelineError;
use crate::beside::Beside;
use crate::desk::now;

/// Largest file that is signed.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// Largest signature file.
const BUNDLE_BYTES_MAX: u64 = 4 << 20;
/// What follows the name of a signed file.
pub const SUFFIX: &str = crate::beside::BUNDLE_SUFFIX;
/// Characters on a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;
const LABEL: &str = "PRIVATE KEY";

/// A supplier's signing key.
pub struct SupplierSigner(P256Signer);

impl SupplierSigner {
    /// A new key, and its private half as PKCS#8 PEM.
    pub fn generate() -> Result<(Self, String), PipelineError> {
        let der = vault::generate_p256_pkcs8()?;
        let text = data_encoding::BASE64.encode(&der);
        let lines: Vec<&str> =
            (0..text.len()).step_by(PEM_LINE).filter_map(|at| text.get(at..text.len().min(at + PEM_LINE))).collect();
        let pem = format!("-----BEGIN {LABEL}-----\n{}\n-----END {LABEL}-----\n", lines.join("\n"));
        Ok((Self(P256Signer::from_pkcs8_der(&der).map_err(PipelineError::internal)?), pem))
    }

    /// Reads PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, PipelineError> {
        let help = "make a key with `stayward feed keygen`";
        let body = pem
            .split_once(&format!("-----BEGIN {LABEL}-----"))
            .and_then(|(_, rest)| rest.split_once(&format!("-----END {LABEL}-----")));
        let body = body.ok_or_else(|| PipelineError::wrong("the key is no PKCS#8 PEM", help))?.0;
        let text: String = body.split_whitespace().collect();
        let der = data_encoding::BASE64
            .decode(text.as_bytes())
            .map_err(|error| PipelineError::wrong(format!("the key is no PEM: {error}"), help))?;
        Ok(Self(P256Signer::from_pkcs8_der(&der).map_err(|error| PipelineError::wrong(error.to_string(), help))?))
    }

    /// The public half, PEM.
    pub fn public_pem(&self) -> String {
        self.0.verifier().to_spki_pem()
    }

    /// Signs bytes: a Sigstore bundle with an in-toto statement that names their digest, the feed, a sequence number and an expiry.
    pub fn sign(&self, name: &str, bytes: &[u8], claim: &FeedClaim) -> Result<Vec<u8>, PipelineError> {
        let statement = Statement {
            subject: vec![Subject { name: name.to_owned(), digest: Digest::of(bytes) }],
            predicate_type: FeedClaim::PREDICATE_TYPE.to_owned(),
            predicate: serde_json::to_value(claim).map_err(PipelineError::internal)?,
        };
        let bundle = Bundle::sign(&statement, &self.0).map_err(PipelineError::internal)?;
        bundle.to_canonical_json().map_err(PipelineError::internal)
    }
}

/// A claim that holds for some days from now.
pub fn claim(feed: &str, supplier: &str, sequence: u64, days: i64) -> FeedClaim {
    let created = now();
    FeedClaim {
        feed: feed.to_owned(),
        supplier: supplier.to_owned(),
        sequence,
        created,
        expires: created.saturating_add(days.saturating_mul(86_400)),
    }
}

/// Signs a file; the bundle lies beside it.
pub fn sign_file(path: &Path, signer: &SupplierSigner, claim: &FeedClaim) -> Result<PathBuf, PipelineError> {
    let bytes = store::disk::read_limited(path, FILE_BYTES_MAX)
        .map_err(|error| PipelineError::wrong(error.to_string(), "check the path"))?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let beside = bundle_path(path);
    store::disk::write_atomic(&beside, &signer.sign(&name, &bytes, claim)?)?;
    Ok(beside)
}

/// What a signed file claims, once its signature and digest were checked.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedFeed {
    /// The claim.
    pub claim: FeedClaim,
    /// Digest of the file.
    pub content: Digest,
    /// Whether the claim holds at this moment.
    pub in_time: bool,
}

/// Checks a file against what signs it beside it, with the supplier's public key: a bundle and PEM, or another program's (`scheme`)
/// signature of the claim file.
pub fn verify_file(path: &Path, scheme: Option<Scheme>, public_key: &str) -> Result<VerifiedFeed, PipelineError> {
    let help = "give the file, what signs it beside it, the supplier's public key and, for another program's key, its `--scheme`";
    let broken = |why: String| PipelineError::Broken {
        why,
        help: "ask the supplier for the file again, by another way than it came".to_owned(),
    };
    let readable = match scheme {
        None => P256Verifier::from_spki_pem(public_key).map(drop).map_err(|error| error.to_string()),
        Some(scheme) => PublicKey::parse(scheme, public_key).map(drop).map_err(|error| error.to_string()),
    };
    readable.map_err(|error| PipelineError::wrong(error, help))?;
    let bytes = store::disk::read_limited(path, FILE_BYTES_MAX).map_err(|error| PipelineError::wrong(error.to_string(), help))?;
    let mut beside = Beside::read(path)?;
    if scheme.is_some() {
        beside.bundle = None;
    } else {
        beside.detached = None;
    }
    if beside.bundle.is_none() && beside.detached.is_none() {
        return Err(PipelineError::wrong(format!("nothing of this kind signs `{}`", path.display()), help));
    }
    // The door's own reading, for a supplier who has this key alone; the number and the time are for the caller to judge.
    let supplier = "the supplier".to_owned();
    let key = SupplierKey {
        supplier: supplier.clone(),
        scheme,
        public_key: public_key.to_owned(),
        not_before: i64::MIN,
        expires: i64::MAX,
        revoked: false,
    };
    let Beside { bundle, detached } = beside;
    let (now, arrival, keys) = (now(), Arrival::Folder, vec![key]);
    let facts = DoorFacts {
        now,
        arrival,
        bundle,
        detached,
        keys,
        last_sequence: None,
        accepted_late: false,
        size_max_bytes: FILE_BYTES_MAX,
    };
    let signed = s01_intake::read_claim(&facts, &supplier).map_err(|finding| broken(finding.why))?;
    let content = Digest::of(&bytes);
    if signed.content != content {
        let (wanted, found) = (signed.content.short(), content.short());
        return Err(broken(format!("the signature is for a file with digest `{wanted}`, this one has `{found}`")));
    }
    let in_time = (signed.claim.created..signed.claim.expires).contains(&now);
    Ok(VerifiedFeed { claim: signed.claim, content, in_time })
}

/// Writes the claim file of a file, for a supplier who signs with minisign, ssh-keygen or an OpenPGP program; answers its path.
pub fn write_claim(path: &Path, claim: &FeedClaim) -> Result<PathBuf, PipelineError> {
    let bytes = store::disk::read_limited(path, FILE_BYTES_MAX)
        .map_err(|error| PipelineError::wrong(error.to_string(), "check the path"))?;
    let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let text = claim_file(claim, Digest::of(&bytes), size_bytes).map_err(PipelineError::internal)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(CLAIM_SUFFIX);
    let beside = PathBuf::from(beside);
    store::disk::write_atomic(&beside, text.as_bytes())?;
    Ok(beside)
}

/// Puts a file and what signs it into an inbox; answers the file's digest. The signatures go first, so that whoever sees the file finds
/// them.
pub fn put_into(inbox: &Path, path: &Path) -> Result<Digest, PipelineError> {
    let help = "give a file that `stayward feed sign` signed, or one with a signed claim file; what signs it lies beside it";
    let read =
        |path: &Path, most| store::disk::read_limited(path, most).map_err(|error| PipelineError::wrong(error.to_string(), help));
    let bytes = read(path, FILE_BYTES_MAX)?;
    let beside = Beside::read(path)?;
    if beside.bundle.is_none() && beside.detached.is_none() {
        let why = format!("nothing beside `{}` says who signed it", path.display());
        return Err(PipelineError::wrong(why, help));
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let to = inbox.join(&name);
    if to.is_file() && read(&to, FILE_BYTES_MAX)? != bytes {
        let why = format!("the inbox has another file with the name `{name}`");
        return Err(PipelineError::wrong(why, "give the delivery a name of its own, for instance with its number"));
    }
    store::disk::make_folder(inbox)?;
    for (file, suffix) in Beside::files(path) {
        store::disk::write_atomic(&inbox.join(format!("{name}{suffix}")), &read(&file, BUNDLE_BYTES_MAX)?)?;
    }
    store::disk::write_atomic(&to, &bytes)?;
    Ok(Digest::of(&bytes))
}

fn bundle_path(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(SUFFIX);
    PathBuf::from(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_back() {
        let (signer, pem) = SupplierSigner::generate().unwrap();
        assert_eq!(SupplierSigner::from_pem(&pem).unwrap().public_pem(), signer.public_pem());
        assert!(SupplierSigner::from_pem("nothing").is_err());
        assert!(SupplierSigner::from_pem(&pem.replace('M', "*")).is_err());
    }
}
