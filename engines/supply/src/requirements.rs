//! Reads a pip requirements file: pip checks hashes for all requirements or for none, so one missing hash is a finding, and so
//! is every line that can bring code from elsewhere (T7).

use serde::{Deserialize, Serialize};

use crate::{Finding, Kind, PACKAGES_MAX, SupplyError, bounded, finding, is_hex};

/// Algorithms that pip accepts for `--hash` and that are not broken, with their digits.
const ALGORITHMS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];
/// Options that change where packages come from, or bring in other files.
const INDEX_OPTIONS: [&str; 12] = [
    "-i",
    "--index-url",
    "--pypi-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--trusted-host",
    "--no-index",
    "-r",
    "--requirement",
    "-c",
    "--constraint",
];
/// Options that change nothing about where code comes from.
const HARMLESS_OPTIONS: [&str; 5] = ["--require-hashes", "--only-binary", "--no-binary", "--prefer-binary", "--use-feature"];

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirement {
    /// Name, normalised (lower case, `-` for runs of `-`, `_` and `.`; PEP 503).
    pub name: String,
    /// The exact version after `==`, if there is one.
    pub version: Option<String>,
    /// Hashes as `algorithm:digits`.
    pub hashes: Vec<String>,
}

/// The name of a Python package as registries compare it (PEP 503).
pub fn normalised(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut gap = false;
    for letter in name.chars() {
        if matches!(letter, '-' | '_' | '.') {
            gap = true;
        } else {
            if gap && !out.is_empty() {
                out.push('-');
            }
            gap = false;
            out.extend(letter.to_lowercase());
        }
    }
    out
}

/// Joins continued lines and drops comments (a `#` at the start or after a space).
fn logical_lines(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let mut line = line.trim_end();
        // pip: a comment line ends a continued requirement; a comment after it is cut.
        let comment = line.char_indices().scan(true, |space, (at, letter)| {
            let starts = *space && letter == '#';
            *space = letter.is_whitespace();
            Some((at, starts))
        });
        if let Some((at, _)) = comment.into_iter().find(|(_, starts)| *starts) {
            line = line.get(..at).unwrap_or("").trim_end();
        }
        if let Some(part) = line.strip_suffix('\\') {
            open.push_str(part);
            open.push(' ');
            continue;
        }
        open.push_str(line);
        let whole = std::mem::take(&mut open);
        if !whole.trim().is_empty() {
            out.push(whole.trim().to_owned());
        }
    }
    if !open.trim().is_empty() {
        out.push(open.trim().to_owned());
    }
    out
}

/// Reads a requirements file: the requirements that name a registry package, and what is wrong with the file. Sorted.
///
/// # Errors
/// Too long, or too many requirements.
pub fn parse(text: &str) -> Result<(Vec<Requirement>, Vec<Finding>), SupplyError> {
    let lines = logical_lines(bounded(text)?);
    if lines.len() > PACKAGES_MAX {
        return Err(SupplyError::TooMany(lines.len()));
    }
    let (mut requirements, mut findings) = (Vec::new(), Vec::new());
    for line in &lines {
        if line.starts_with('-') {
            option(line, &mut findings);
        } else {
            requirement(line, &mut requirements, &mut findings);
        }
    }
    for requirement in &requirements {
        let version = requirement.version.as_deref().unwrap_or("");
        if requirement.hashes.is_empty() {
            findings.push(finding(&requirement.name, version, Kind::ChecksumMissing, "no `--hash`"));
        }
        if requirement.version.is_none() {
            findings.push(finding(&requirement.name, "", Kind::Unpinned, "no exact `==` version"));
        }
    }
    requirements.sort();
    findings.sort();
    Ok((requirements, findings))
}

fn option(line: &str, findings: &mut Vec<Finding>) {
    let name = line.split([' ', '=', '\t']).next().unwrap_or(line);
    // Short options may stand without a space: `-rfile`, `-ihttps://..`.
    let short = line.get(..2).unwrap_or(line);
    let kind = if name == "--editable" || short == "-e" {
        Kind::LocalPath
    } else if INDEX_OPTIONS.contains(&name) || (!line.starts_with("--") && INDEX_OPTIONS.contains(&short)) {
        Kind::IndexOption
    } else if HARMLESS_OPTIONS.contains(&name) {
        return;
    } else {
        Kind::Unread
    };
    findings.push(finding("", "", kind, format!("option `{line}`")));
}

fn requirement(line: &str, requirements: &mut Vec<Requirement>, findings: &mut Vec<Finding>) {
    let mut words = line.split_whitespace();
    let (mut head, mut hashes) = (String::new(), Vec::new());
    while let Some(word) = words.next() {
        let hash = match word.strip_prefix("--hash") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => {
                head.push_str(word);
                head.push(' ');
                continue;
            }
        };
        hashes.push(hash.unwrap_or("").to_owned());
    }
    let head = head.trim();
    // Environment markers follow a semicolon.
    let (body, _) = head.split_once(';').unwrap_or((head, ""));
    let body = body.trim();
    let end =
        body.find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))).unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    let name = normalised(name);
    if body.contains("://") || rest.trim_start().starts_with('@') {
        let kind = if body.contains("git+") { Kind::GitSource } else { Kind::DirectUrl };
        findings.push(finding(&name, "", kind, format!("`{body}`")));
        return;
    }
    if body.starts_with('.') || body.contains('/') || body.contains('\\') {
        findings.push(finding("", "", Kind::LocalPath, format!("`{body}`")));
        return;
    }
    // Extras stand in brackets.
    let rest = match rest.trim_start().strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("?", |(_, rest)| rest),
        None => rest,
    };
    let rest = rest.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let version = rest.strip_prefix("===").or_else(|| rest.strip_prefix("==")).map(str::trim).filter(|version| {
        !version.is_empty() && version.chars().all(|letter| letter.is_ascii_alphanumeric() || ".+!-_".contains(letter))
    });
    if name.is_empty() || (version.is_none() && !rest.is_empty() && !rest.starts_with(['<', '>', '=', '!', '~'])) {
        findings.push(finding(&name, "", Kind::Unread, format!("line `{head}`")));
        return;
    }
    for hash in &hashes {
        let sound = hash.split_once(':').is_some_and(|(algorithm, digits)| {
            ALGORITHMS.iter().any(|(known, count)| *known == algorithm && is_hex(digits, *count))
        });
        if !sound {
            findings.push(finding(&name, version.unwrap_or(""), Kind::ChecksumMalformed, format!("`--hash={hash}`")));
        }
    }
    requirements.push(Requirement { name, version: version.map(str::to_owned), hashes });
}
