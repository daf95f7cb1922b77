//! What a supplier runs: make a key, sign a file. It needs nothing else of this program.

use std::path::Path;

use artifact::FeedClaim;
use gate::Digest;
use ledger::{Bundle, P256Signer, Statement, Subject};

use crate::PipelineError;
use crate::desk::now;

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
        let lines: Vec<&str> = (0..text.len()).step_by(PEM_LINE).filter_map(|at| text.get(at..text.len().min(at + PEM_LINE))).collect();
        let pem = format!("-----BEGIN {LABEL}-----\n{}\n-----END {LABEL}-----\n", lines.join("\n"));
        Ok((Self(P256Signer::from_pkcs8_der(&der).map_err(PipelineError::internal)?), pem))
    }

    /// Reads PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, PipelineError> {
        let help = "make a key with `stayward feed keygen`";
        let body = pem.split_once(&format!("-----BEGIN {LABEL}-----")).and_then(|(_, rest)| rest.split_once(&format!("-----END {LABEL}-----")));
        let body = body.ok_or_else(|| PipelineError::wrong("the key is no PKCS#8 PEM", help))?.0;
        let text: String = body.split_whitespace().collect();
        let der = data_encoding::BASE64.decode(text.as_bytes()).map_err(|error| PipelineError::wrong(format!("the key is no PEM: {error}"), help))?;
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
    FeedClaim { feed: feed.to_owned(), supplier: supplier.to_owned(), sequence, created, expires: created.saturating_add(days.saturating_mul(86_400)) }
}

/// Signs a file; the bundle lies beside it.
pub fn sign_file(path: &Path, signer: &SupplierSigner, claim: &FeedClaim) -> Result<std::path::PathBuf, PipelineError> {
    /// Largest file that is signed.
    const FILE_BYTES_MAX: u64 = 4 << 30;
    let bytes = store::disk::read_limited(path, FILE_BYTES_MAX).map_err(|error| PipelineError::wrong(error.to_string(), "check the path"))?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut beside = path.as_os_str().to_owned();
    beside.push(SUFFIX);
    let beside = std::path::PathBuf::from(beside);
    store::disk::write_atomic(&beside, &signer.sign(&name, &bytes, claim)?)?;
    Ok(beside)
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
