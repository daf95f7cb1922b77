//! Notes, heads of the log, proofs, bundles and keys: what was not signed must never verify (T4, T6).
//!
//! The files in `corpus` were written by `cargo run -p store --example make_log -- FOLDER 7`; their private keys are gone.

use ledger::bundle::Bundle;
use ledger::checkpoint::Checkpoint;
use ledger::note::{Note, NoteVerifier};
use ledger::statement::Statement;
use ledger::tile::{TileName, parse_entries, parse_hashes};
use ledger::{P256Verifier, TlogProof, modelsig};

use super::{Target, told};

const ORIGIN: &str = "example.com/stayward-judged";
const HEAD: &[u8] = include_bytes!("../../corpus/checkpoint");
const PROOF: &[u8] = include_bytes!("../../corpus/entry.tlog-proof");
const ENTRY: &[u8] = include_bytes!("../../corpus/entry.txt");
const BUNDLE: &[u8] = include_bytes!("../../corpus/bundle.sigstore.json");
const MODEL: &[u8] = include_bytes!("../../corpus/model.sig");
const PEM: &str = include_str!("../../corpus/bundle-key.pem");
const LOG_KEYS: [&str; 2] = [include_str!("../../corpus/log-key.txt"), include_str!("../../corpus/log-key-ml-dsa.txt")];
const HASHES: &[u8] = include_bytes!("../../corpus/tile-hashes-7");
const ENTRIES: &[u8] = include_bytes!("../../corpus/tile-entries-7");

fn verifiers() -> Result<Vec<NoteVerifier>, String> {
    LOG_KEYS.iter().map(|text| NoteVerifier::parse(text.trim()).map_err(|error| error.to_string())).collect()
}

fn signer() -> Result<P256Verifier, String> {
    P256Verifier::from_spki_pem(PEM).map_err(|error| error.to_string())
}

/// A signed note: only the text that was signed opens.
pub(super) fn note() -> Result<Target, String> {
    let keys = verifiers()?;
    let signed = Note::parse(HEAD).and_then(|note| note.open(&keys)).map_err(|error| error.to_string())?.text;
    let run = move |bytes: &[u8]| match Note::parse(bytes).and_then(|note| note.open(&keys)) {
        Ok(opened) if opened.text == signed => Ok(format!("opened, {} keys", opened.signed_by.len())),
        Ok(opened) => Err(format!("opened a text that nobody signed: {:?}", opened.text)),
        Err(error) => Ok(format!("refused: {error}")),
    };
    Ok(Target { name: "note", seeds: vec![HEAD.to_vec()], words: &["\n\n", "\n\u{2014} ", "=="], run: Box::new(run) })
}

/// A head of the log: canonical, and only the signed one opens.
pub(super) fn checkpoint() -> Result<Target, String> {
    let keys = verifiers()?;
    let signed = Checkpoint::open(HEAD, ORIGIN, &keys).map_err(|error| error.to_string())?.checkpoint;
    let run = move |bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes)
            && let Ok(head) = Checkpoint::parse(text)
            && head.to_text() != text
        {
            return Err("a head has two spellings".to_owned());
        }
        match Checkpoint::open(bytes, ORIGIN, &keys) {
            Ok(head) if head.checkpoint == signed => Ok(format!("opened, {} keys", head.signed_by.len())),
            Ok(head) => Err(format!("opened a head that nobody signed: {:?}", head.checkpoint)),
            Err(error) => Ok(format!("refused: {error}")),
        }
    };
    let bare = HEAD.split(|byte| *byte == b'\n').take(3).flat_map(|line| [line, b"\n"].concat()).collect();
    Ok(Target { name: "checkpoint", seeds: vec![HEAD.to_vec(), bare], words: &["\n7\n", "\n07\n", "\n\n"], run: Box::new(run) })
}

/// A proof: it proves the entry at its own place only.
pub(super) fn proof() -> Result<Target, String> {
    let keys = verifiers()?;
    let whole = TlogProof::parse(PROOF).map_err(|error| error.to_string())?;
    let run = move |bytes: &[u8]| {
        let proof = match TlogProof::parse(bytes) {
            Ok(proof) => proof,
            Err(error) => return Ok(format!("refused: {error}")),
        };
        if TlogProof::parse(proof.to_text().as_bytes()).as_ref() != Ok(&proof) {
            return Err("a proof is not read as it is written".to_owned());
        }
        match proof.verify(ENTRY, ORIGIN, &keys) {
            Ok(_) if (proof.index, &proof.hashes) == (whole.index, &whole.hashes) => Ok("proven".to_owned()),
            Ok(_) => Err(format!("an entry is proven at {} by {} hashes", proof.index, proof.hashes.len())),
            Err(error) => Ok(format!("not proven: {error}")),
        }
    };
    Ok(Target { name: "proof", seeds: vec![PROOF.to_vec()], words: &["extra AAAA\n", "index 3\n", "\n\n"], run: Box::new(run) })
}

/// A tile: its path in the first line, its bytes after it.
pub(super) fn tile() -> Target {
    let run = |bytes: &[u8]| {
        let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (path, rest) = (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default());
        let Ok(path) = std::str::from_utf8(path) else { return Ok("no path".to_owned()) };
        let Some(name) = TileName::parse(path) else { return Ok("refused path".to_owned()) };
        if name.to_string() != path {
            return Err(format!("`{path}` is another spelling of `{name}`"));
        }
        Ok(format!(
            "{}; {}",
            told(parse_hashes(name, rest), |hashes| format!("{} hashes", hashes.len().min(2))),
            told(parse_entries(name, rest), |entries| format!("{} entries", entries.len().min(2)))
        ))
    };
    let seeds = vec![
        [b"tile/0/000.p/7\n", HASHES].concat(),
        [b"tile/entries/000.p/7\n", ENTRIES].concat(),
        b"tile/1/x001/x234/067\n".to_vec(),
    ];
    Target { name: "tile", seeds, words: &["/x001", ".p/", "tile/entries/", "tile/63/"], run: Box::new(run) }
}

/// A bundle: only the statement that was signed verifies.
pub(super) fn bundle() -> Result<Target, String> {
    let key = signer()?;
    let signed =
        Bundle::parse(BUNDLE).and_then(|bundle| bundle.verify(std::slice::from_ref(&key))).map_err(|error| error.to_string())?;
    let run = move |bytes: &[u8]| {
        let bundle = match Bundle::parse(bytes) {
            Ok(bundle) => bundle,
            Err(error) => {
                return Ok(format!("refused: {error}; as a statement: {}", told(Statement::parse(bytes), |_| "read".into())));
            }
        };
        match bundle.verify(std::slice::from_ref(&key)) {
            Ok(statement) if statement == signed => Ok("verified".to_owned()),
            Ok(_) => Err("verified a statement that nobody signed".to_owned()),
            Err(error) => Ok(format!("not verified: {error}")),
        }
    };
    let statement = signed_statement(BUNDLE)?;
    let words: &[&str] = &["\"payload\":", "\"hint\":", "\"signatures\":[", "\"keyid\":\"\"", "\\u0000"];
    Ok(Target { name: "bundle", seeds: vec![BUNDLE.to_vec(), statement], words, run: Box::new(run) })
}

fn signed_statement(bundle: &[u8]) -> Result<Vec<u8>, String> {
    let statement = Bundle::parse(bundle).and_then(|bundle| bundle.verify(&[signer().map_err(|_| wrong_key())?]));
    statement.map_err(|error| error.to_string())?.to_canonical_json().map_err(|error| error.to_string())
}

fn wrong_key() -> ledger::bundle::BundleError {
    ledger::bundle::BundleError::UnknownKey("corpus".to_owned())
}

/// A model's signature beside the model that it signs, and beside a changed one, which it must never cover.
pub(super) fn model_signature() -> Result<Target, String> {
    let key = signer()?;
    let files: [(&str, &[u8]); 4] = [("model.bin", b"weights"), ("card.json", b"{}"), ("sub/a.txt", b"a"), ("sub.txt", b"b")];
    let changed: [(&str, &[u8]); 4] = [("model.bin", b"Weights"), ("card.json", b"{}"), ("sub/a.txt", b"a"), ("sub.txt", b"b")];
    let (own, other) = (modelsig::digest_files(files), modelsig::digest_files(changed));
    let good = Bundle::parse(MODEL).map_err(|error| error.to_string())?;
    modelsig::verify(&good, std::slice::from_ref(&key), &own).map_err(|error| error.to_string())?;
    let run = move |bytes: &[u8]| {
        let Ok(bundle) = Bundle::parse(bytes) else { return Ok("no bundle".to_owned()) };
        if modelsig::verify(&bundle, std::slice::from_ref(&key), &other).is_ok() {
            return Err("a changed model passes".to_owned());
        }
        Ok(told(modelsig::verify(&bundle, std::slice::from_ref(&key), &own), |_| "verified".to_owned()))
    };
    Ok(Target { name: "model-signature", seeds: vec![MODEL.to_vec()], words: &["\"payload\":", "\"sig\":"], run: Box::new(run) })
}

/// Keys as text.
pub(super) fn key() -> Target {
    let run = |bytes: &[u8]| {
        let point = told(P256Verifier::from_spki_der(bytes), |_| "a point".to_owned());
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(point) };
        let pem = P256Verifier::from_spki_pem(text);
        if let Ok(key) = &pem
            && P256Verifier::from_spki_pem(&key.to_spki_pem()).as_ref().map_err(ToString::to_string) != Ok(key)
        {
            return Err("a key is not read as it is written".to_owned());
        }
        let note = NoteVerifier::parse(text);
        if let Ok(key) = &note
            && key.to_text() != text
        {
            return Err("a key has two spellings".to_owned());
        }
        Ok(format!("{point}; {}; {}", told(pem, |_| "a PEM key".into()), told(note, |_| "a note key".into())))
    };
    let mut seeds = vec![PEM.as_bytes().to_vec()];
    seeds.extend(LOG_KEYS.iter().map(|text| text.trim().as_bytes().to_vec()));
    Target { name: "key", seeds, words: &["-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----", "+"], run: Box::new(run) }
}
