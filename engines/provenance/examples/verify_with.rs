//! For the judges in checks/peers: says whether our reader accepts what other programs signed (T1).
//!
//! usage: verify_with SCHEME KEY SIGNATURE FILE [NOW] | verify_with checksums LIST NAME FILE | verify_with http-digest FIELD FILE
//!
//! SCHEME is minisign, ssh or openpgp; NOW is in Unix seconds. Prints `accepted: ...` or `refused: ...` and ends with 0 or 1.

use std::process::ExitCode;

use provenance::checksums::ChecksumList;
use provenance::http_digest::HttpDigest;
use provenance::{PublicKey, Scheme, Signature};

/// The moment that counts where none is given: 2026-11-23 15:00 UTC.
const NOW: i64 = 1_795_446_000;

type Answer = Result<String, Box<dyn std::error::Error>>;

#[expect(clippy::disallowed_methods, reason = "an example is a program: it reads the files that it is given")]
fn read(path: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

fn signature(scheme: Scheme, [key, signature, file]: [&str; 3], now: i64) -> Answer {
    let key = PublicKey::parse(scheme, &String::from_utf8(read(key)?)?)?;
    let signature = Signature::parse(scheme, &read(signature)?)?;
    let signed = key.verify(&signature, &read(file)?, now)?;
    Ok(format!("{} by {}, {}, {}", signed.scheme, signed.key, signed.digest, signed.comment.unwrap_or_default()))
}

fn answer(words: &[&str]) -> Answer {
    match words {
        ["checksums", list, name, file] => {
            ChecksumList::parse(&read(list)?)?.check(name, &read(file)?)?;
            Ok((*name).to_owned())
        }
        ["http-digest", field, file] => {
            HttpDigest::parse(field)?.check(&read(file)?)?;
            Ok((*field).to_owned())
        }
        [scheme, key, sig, file, rest @ ..] => {
            let known = Scheme::ALL.into_iter().find(|known| known.name() == *scheme).ok_or("no such scheme")?;
            let now = rest.first().map_or(Ok(NOW), |now| now.parse())?;
            signature(known, [key, sig, file], now)
        }
        _ => Err("see the head of examples/verify_with.rs".into()),
    }
}

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match answer(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(said) => {
            println!("accepted: {said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("refused: {why}");
            ExitCode::FAILURE
        }
    }
}
