//! What a supplier runs: make a key, sign a file. It needs nothing else of this program.

use std::path::{Path, PathBuf};

use artifact::FeedClaim;
use gate::Digest;
use ledger::{Bundle, P256Signer, P256Verifier, Statement, Subject};
use serde::Serialize;

use crate::PipelineError;
use crate::desk::now;

/// Largest file that is signed.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// Largest signature file.
const BUNDLE_BYTES_MAX: u64 = 4 << 20;
/// What follows the name of a signed file.
pub const SUFFIX: &str = ".sigstore.json";
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

/// Checks a file against the bundle beside it, with the supplier's public key.
pub fn verify_file(path: &Path, public_pem: &str) -> Result<VerifiedFeed, PipelineError> {
    let wrong = |error: &dyn std::fmt::Display| {
        PipelineError::wrong(error.to_string(), "give the file, its `.sigstore.json` beside it, and the supplier's public key")
    };
    let broken = |why: String| PipelineError::Broken {
        why,
        help: "ask the supplier for the file again, by another way than it came".to_owned(),
    };
    let key = P256Verifier::from_spki_pem(public_pem).map_err(|error| wrong(&error))?;
    let bytes = store::disk::read_limited(path, FILE_BYTES_MAX).map_err(|error| wrong(&error))?;
    let bundle = store::disk::read_limited(&bundle_path(path), BUNDLE_BYTES_MAX).map_err(|error| wrong(&error))?;
    let statement = Bundle::parse(&bundle).and_then(|bundle| bundle.verify(&[key])).map_err(|error| broken(error.to_string()))?;
    let claim: FeedClaim = statement.predicate_as(FeedClaim::PREDICATE_TYPE).map_err(|error| broken(error.to_string()))?;
    let content = Digest::of(&bytes);
    match statement.subject.as_slice() {
        [one] if one.digest == content => {}
        [one] => {
            return Err(broken(format!(
                "the signature is for a file with digest `{}`, this one has `{}`",
                one.digest.short(),
                content.short()
            )));
        }
        _ => return Err(broken("the signature is not for exactly one file".to_owned())),
    }
    let in_time = (claim.created..claim.expires).contains(&now());
    Ok(VerifiedFeed { claim, content, in_time })
}

/// Puts a file and its bundle into an inbox; answers the file's digest. The bundle goes first, so that whoever sees the file finds its signature.
pub fn put_into(inbox: &Path, path: &Path) -> Result<Digest, PipelineError> {
    let help = "give a file that `stayward feed sign` signed; its `.sigstore.json` lies beside it";
    let read =
        |path: &Path, most| store::disk::read_limited(path, most).map_err(|error| PipelineError::wrong(error.to_string(), help));
    let (bytes, bundle) = (read(path, FILE_BYTES_MAX)?, read(&bundle_path(path), BUNDLE_BYTES_MAX)?);
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let to = inbox.join(&name);
    if to.is_file() && read(&to, FILE_BYTES_MAX)? != bytes {
        let why = format!("the inbox has another file with the name `{name}`");
        return Err(PipelineError::wrong(why, "give the delivery a name of its own, for instance with its number"));
    }
    store::disk::make_folder(inbox)?;
    store::disk::write_atomic(&bundle_path(&to), &bundle)?;
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
