//! Measures how fast the log takes bundles, alone and by group commit: `measure_log FOLDER [BUNDLES] [TASKS]`.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, ML_DSA_44_SIGNING, PqdsaKeyPair};
use gate::Digest;
use ledger::note::{Ed25519NoteSigner, MlDsa44NoteSigner, NoteSigner};
use ledger::{Bundle, P256Signer, Statement, Subject};
use serde_json::json;
use store::log::{Log, LogReader, LogWriter};

const ORIGIN: &str = "example.com/stayward-measured";
const BUNDLES: usize = 4000;
const TASKS: usize = 64;
/// Appends that wait for their own flush each.
const ALONE: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: measure_log FOLDER [BUNDLES] [TASKS]")?);
    let count: usize = arguments.next().map_or(Ok(BUNDLES), |text| text.parse())?;
    let tasks: usize = arguments.next().map_or(Ok(TASKS), |text| text.parse())?;
    let key = P256Signer::from_pkcs8_der(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?.to_pkcs8v1()?.as_ref())?;
    let bundles = (0..count.max(ALONE)).map(|number| bundle(number, &key)).collect::<Result<Vec<_>, _>>()?;
    let old = Ed25519NoteSigner::from_pkcs8_der(ORIGIN, Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref())?;
    let new = MlDsa44NoteSigner::from_pkcs8_der(ORIGIN, PqdsaKeyPair::generate(&ML_DSA_44_SIGNING)?.to_pkcs8v1()?.as_ref())?;
    let verifiers = vec![old.verifier().clone(), new.verifier().clone()];
    let mut out = std::io::stdout().lock();

    let mut writer = LogWriter::open(&folder, ORIGIN, vec![Box::new(old), Box::new(new)])?;
    let start = Instant::now();
    for bundle in bundles.iter().take(ALONE) {
        writer.append(bundle)?;
    }
    let alone = start.elapsed().as_secs_f64() * 1000.0 / ALONE as f64;
    writeln!(out, "alone: {alone:.2} ms an entry")?;

    let log = Log::start(writer)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let start = Instant::now();
    let mut waits = runtime.block_on(append_all(&log, &bundles, tasks))?;
    let seconds = start.elapsed().as_secs_f64();
    waits.sort();
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0);
    let rate = bundles.len() as f64 / seconds;
    writeln!(
        out,
        "{tasks} tasks: {rate:.0} entries a second, wait {:.1} ms at the median, {:.1} ms at 99 of 100",
        at(0.5),
        at(0.99)
    )?;
    drop(log);

    let reader = LogReader::open(&folder, ORIGIN, verifiers)?;
    let start = Instant::now();
    let report = reader.check_all(&[key.verifier().clone()])?;
    let micros = start.elapsed().as_secs_f64() * 1e6 / report.bundles as f64;
    writeln!(out, "check of {} entries with their signatures: {micros:.0} us an entry", report.bundles)?;
    let start = Instant::now();
    for index in 0..100 {
        reader.tlog_proof(index * report.bundles / 100)?;
    }
    writeln!(out, "proof file: {:.2} ms", start.elapsed().as_secs_f64() * 10.0)?;
    Ok(())
}

async fn append_all(log: &Log, bundles: &[Bundle], tasks: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut running = Vec::new();
    for part in bundles.chunks(bundles.len().div_ceil(tasks.max(1))) {
        let (log, part) = (log.clone(), part.to_vec());
        running.push(tokio::spawn(async move {
            let mut waits = Vec::with_capacity(part.len());
            for bundle in &part {
                let start = Instant::now();
                log.append_async(bundle).await?;
                waits.push(start.elapsed());
            }
            Ok::<_, store::log::LogError>(waits)
        }));
    }
    let mut all = Vec::new();
    for task in running {
        all.extend(task.await??);
    }
    Ok(all)
}

fn bundle(number: usize, key: &P256Signer) -> Result<Bundle, ledger::bundle::BundleError> {
    let subject = vec![Subject { name: format!("answer-{number}"), digest: Digest::of(&number.to_be_bytes()) }];
    let predicate = json!({ "number": number, "salted": Digest::of(b"facts").hex() });
    Bundle::sign(&Statement { subject, predicate_type: "https://example.com/measured".into(), predicate }, key)
}
