//! Rotation of the two signing keys (T4, credential rotation): what was signed before stays verifiable, and the old private key is
//! needed for nothing any more.
//!
//! The vault keeps, sealed, the public halves of earlier keys beside the current private one; the same list is published. Statements
//! verify by any of them. The log's head is signed anew by the new key at once, so that readers trust only the current one; earlier
//! checkpoint keys stay published for proofs that were handed out before.

use std::path::Path;

use gate::{Digest, Receipt};
use ledger::keys::{P256Signer, P256Verifier};
use ledger::note::{Ed25519NoteSigner, NoteSigner, NoteVerifier};
use serde::Serialize;
use vault::{Stage, Vault};

use crate::desk::{CHECKPOINT_KEY, Desk, STATEMENT_KEY, now, origin};
use crate::evidence::Links;
use crate::{PipelineError, secrets};

/// Ends a PEM text.
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// What a rotation did.
#[derive(Clone, Debug, Serialize)]
pub struct Rotated {
    /// The vault's name of the key.
    pub key: String,
    /// The new public half: PEM, or the form of C2SP signed-note.
    pub public: String,
    /// How many earlier keys stay published.
    pub earlier: usize,
    /// The entry that says so, signed by the key before.
    pub evidence: String,
}

/// The vault's name of the public halves of a key's earlier versions.
fn earlier_name(key: &str) -> String {
    format!("{key}-earlier")
}

/// Public halves of earlier versions, newest first; empty where the key was never rotated.
fn earlier_text(vault: &Vault, key: &str) -> Result<String, PipelineError> {
    let name = earlier_name(key);
    if !vault.names()?.contains(&name) {
        return Ok(String::new());
    }
    Ok(String::from_utf8_lossy(&vault.get(&name)?).into_owned())
}

fn keep_earlier(vault: &Vault, key: &str, public: &str) -> Result<(), PipelineError> {
    let known = earlier_text(vault, key)?;
    // After a crash in the middle of a rotation the key stands there already.
    if known.contains(public.trim_end()) {
        return Ok(());
    }
    let text = format!("{}\n{known}", public.trim_end());
    let name = earlier_name(key);
    if known.is_empty() {
        vault.put(&name, text.as_bytes(), now())?
    } else {
        vault.rotate(&name, text.as_bytes(), now())?
    };
    Ok(())
}

/// Keys of a text of one or more PEM blocks, in order.
pub(crate) fn statement_keys(text: &str) -> Result<Vec<P256Verifier>, PipelineError> {
    let blocks = text.split_inclusive(PEM_END).filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| P256Verifier::from_spki_pem(block.trim()).map_err(|error| PipelineError::broken(error.to_string())))
        .collect()
}

/// Keys of a text with one signed-note verifier a line, in order.
pub(crate) fn checkpoint_keys(text: &str) -> Result<Vec<NoteVerifier>, PipelineError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| NoteVerifier::parse(line.trim()).map_err(|error| PipelineError::broken(error.to_string()))).collect()
}

/// The statement keys of a project: the current one, then earlier ones.
pub(crate) fn all_statement_keys(vault: &Vault, signer: &P256Signer) -> Result<Vec<P256Verifier>, PipelineError> {
    let mut keys = vec![signer.verifier().clone()];
    keys.extend(statement_keys(&earlier_text(vault, STATEMENT_KEY)?)?.into_iter().filter(|key| key != signer.verifier()));
    Ok(keys)
}

/// The checkpoint keys of a project: the current one, then earlier ones.
pub(crate) fn all_checkpoint_keys(vault: &Vault, current: &NoteVerifier) -> Result<Vec<NoteVerifier>, PipelineError> {
    let mut keys = vec![current.clone()];
    let earlier = checkpoint_keys(&earlier_text(vault, CHECKPOINT_KEY)?)?;
    keys.extend(earlier.into_iter().filter(|key| key.to_text() != current.to_text()));
    Ok(keys)
}

/// A fresh key and its public text.
fn fresh(vault: &Vault, key: &str) -> Result<(Vec<u8>, String), PipelineError> {
    if key == STATEMENT_KEY {
        let der = vault::generate_p256_pkcs8()?;
        let signer = P256Signer::from_pkcs8_der(&der).map_err(PipelineError::internal)?;
        return Ok((der.to_vec(), signer.verifier().to_spki_pem()));
    }
    let der = vault::generate_ed25519_pkcs8()?;
    let signer = Ed25519NoteSigner::from_pkcs8_der(&origin(vault), &der).map_err(PipelineError::internal)?;
    Ok((der.to_vec(), signer.verifier().to_text()))
}

/// The public text of the key that is current.
fn current_public(vault: &Vault, key: &str) -> Result<String, PipelineError> {
    let der = vault.get(key)?;
    if key == STATEMENT_KEY {
        return Ok(P256Signer::from_pkcs8_der(&der).map_err(PipelineError::internal)?.verifier().to_spki_pem());
    }
    Ok(Ed25519NoteSigner::from_pkcs8_der(&origin(vault), &der).map_err(PipelineError::internal)?.verifier().to_text())
}

/// Rotates one of the two signing keys, for somebody who may manage secrets. An entry signed by the key before names the new one; then the vault takes it, and the
/// project is opened again, which signs the log's head and publishes the keys.
pub async fn rotate(root: &Path, key: &str) -> Result<Rotated, PipelineError> {
    if ![STATEMENT_KEY, CHECKPOINT_KEY].contains(&key) {
        let help = format!("rotate `{STATEMENT_KEY}` or `{CHECKPOINT_KEY}`; the others are replaced by their own commands");
        return Err(PipelineError::wrong(format!("`{key}` is not rotated here"), help));
    }
    let desk = secrets::managed(root).await?;
    let (der, public) = fresh(&desk.vault, key)?;
    let receipt = announce(&desk, key, &public)?;
    keep_earlier(&desk.vault, key, &current_public(&desk.vault, key)?)?;
    desk.vault.rotate(key, &der, now())?;
    for version in desk.vault.versions(key)?.into_iter().filter(|version| version.stage == Stage::Retired) {
        desk.vault.erase(key, version.version)?;
    }
    drop(desk);
    let desk = Desk::open(root).await?;
    let earlier = if key == STATEMENT_KEY {
        desk.statement_keys().len()
    } else {
        checkpoint_keys(&earlier_text(&desk.vault, key)?)?.len() + 1
    };
    Ok(Rotated { key: key.to_owned(), public, earlier: earlier.saturating_sub(1), evidence: receipt.id })
}

fn announce(desk: &Desk, key: &str, public: &str) -> Result<Receipt, PipelineError> {
    let parameters = serde_json::json!({ "key": key, "public": public });
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    desk.record_made(("key", key, Digest::of(public.as_bytes())), parameters, &Links::default(), "", now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_texts_of_several_keys_read_back() {
        let pem = || P256Signer::from_pkcs8_der(&vault::generate_p256_pkcs8().unwrap()).unwrap().verifier().to_spki_pem();
        let (one, other) = (pem(), pem());
        let keys = statement_keys(&format!("{one}{other}")).unwrap();
        assert_eq!(keys.iter().map(P256Verifier::to_spki_pem).collect::<Vec<_>>(), [one.clone(), other]);
        assert!(statement_keys(&one.replace("BEGIN", "BEGUN")).is_err());
        assert!(statement_keys("").unwrap().is_empty());
        let note = Ed25519NoteSigner::from_pkcs8_der("example.com/x", &vault::generate_ed25519_pkcs8().unwrap()).unwrap();
        let text = note.verifier().to_text();
        assert_eq!(checkpoint_keys(&format!("{text}\n{text}\n")).unwrap().len(), 2);
        assert!(checkpoint_keys("what\n").is_err());
    }
}
