//! Makes a small log, a signed model and the public keys to them, for the judges in `checks/peers`: `make_log FOLDER [ENTRIES]`.
//!
//! The keys are fresh and forgotten: this is input for outside programs, not evidence of anything.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, ML_DSA_44_SIGNING, PqdsaKeyPair};
use gate::Digest;
use ledger::note::{Ed25519NoteSigner, MlDsa44NoteSigner, NoteSigner};
use ledger::slsa::{Named, Resource, VerificationResult, VerificationSummary};
use ledger::{Bundle, P256Signer, Subject, modelsig};
use serde_json::json;
use store::log::{LogReader, LogWriter};

const ORIGIN: &str = "example.com/stayward-judged";
const ENTRIES: u64 = 300;
/// The entries whose bundle and proof are written out as files of their own.
const SHOWN: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: make_log FOLDER [ENTRIES]")?);
    let entries: u64 = arguments.next().map_or(Ok(ENTRIES), |text| text.parse())?;
    fs::create_dir_all(&folder)?;

    let key = P256Signer::from_pkcs8_der(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?.to_pkcs8v1()?.as_ref())?;
    fs::write(folder.join("bundle-key.pem"), key.verifier().to_spki_pem())?;
    write_log(&folder, entries, &key)?;
    write_model(&folder, &key)
}

fn summary(number: u64) -> VerificationSummary {
    VerificationSummary {
        verifier: Named { id: "https://example.com/stayward".into() },
        time_verified: "2026-11-20T10:00:00Z".into(),
        resource_uri: format!("batch:{number}"),
        policy: Resource { uri: "policy:intake".into(), digest: Digest::of(b"policy") },
        input_attestations: Vec::new(),
        verification_result: VerificationResult::Passed,
        verified_levels: vec!["STAYWARD_INTAKE".into()],
        stayward: json!({ "number": number }),
    }
}

fn write_log(folder: &Path, entries: u64, key: &P256Signer) -> Result<(), Box<dyn Error>> {
    let old = Ed25519NoteSigner::from_pkcs8_der(ORIGIN, Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref())?;
    let new = MlDsa44NoteSigner::from_pkcs8_der(ORIGIN, PqdsaKeyPair::generate(&ML_DSA_44_SIGNING)?.to_pkcs8v1()?.as_ref())?;
    fs::write(folder.join("log-key.txt"), format!("{}\n", old.verifier().to_text()))?;
    fs::write(folder.join("log-key-ml-dsa.txt"), format!("{}\n", new.verifier().to_text()))?;
    let verifiers = vec![old.verifier().clone(), new.verifier().clone()];
    let log = folder.join("log");
    let mut writer = LogWriter::open(&log, ORIGIN, vec![Box::new(old), Box::new(new)])?;
    for number in 0..entries {
        let subject = vec![Subject { name: format!("batch-{number}"), digest: Digest::of(&number.to_be_bytes()) }];
        writer.append(&Bundle::sign(&summary(number).of(subject)?, key)?)?;
    }
    let reader = LogReader::open(&log, ORIGIN, verifiers)?;
    let shown = SHOWN.min(entries.saturating_sub(1));
    fs::write(folder.join("bundle.sigstore.json"), reader.bundle(shown)?.to_canonical_json()?)?;
    fs::write(folder.join("entry.tlog-proof"), reader.tlog_proof(shown)?.to_text())?;
    fs::write(folder.join("entry.txt"), ledger::bundle::entry_of(&reader.digest(shown)?))?;
    Ok(())
}

fn write_model(folder: &Path, key: &P256Signer) -> Result<(), Box<dyn Error>> {
    let files: [(&str, &[u8]); 4] = [("model.bin", b"weights"), ("card.json", b"{}"), ("sub/a.txt", b"a"), ("sub.txt", b"b")];
    for (path, bytes) in files {
        let path = folder.join("model").join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, bytes)?;
    }
    let extra = serde_json::Map::from_iter([("stayward".to_owned(), json!({ "log": ORIGIN }))]);
    let bundle = modelsig::sign("model", &modelsig::digest_files(files), &extra, key)?;
    fs::write(folder.join("model.sig"), bundle.to_canonical_json()?)?;
    Ok(())
}
