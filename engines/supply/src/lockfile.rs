//! Reads Cargo.lock: what exactly is built, and from where (T7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Finding, Kind, PACKAGES_MAX, SupplyError, bounded, finding, is_hex};

/// Newest version of the lockfile's form that is known.
const FORM_MAX: i64 = 4;

/// One locked package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Source; none for members of the workspace.
    pub source: Option<String>,
    /// SHA-256 of the package file, in hexadecimal digits.
    pub checksum: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    version: Option<i64>,
    #[serde(default)]
    package: Vec<Package>,
}

/// Reads a Cargo.lock of form 2 to 4, sorted by name and version.
///
/// # Errors
/// Too long, too many packages, not TOML, another form, or no package at all (an empty lockfile proves nothing).
pub fn parse(text: &str) -> Result<Vec<Package>, SupplyError> {
    let lock: Lock = toml::from_str(bounded(text)?).map_err(|error| SupplyError::Form(error.message().to_owned()))?;
    if lock.version.is_some_and(|version| !(2..=FORM_MAX).contains(&version)) {
        return Err(SupplyError::Form("lockfile is of an unknown version".to_owned()));
    }
    if lock.package.len() > PACKAGES_MAX {
        return Err(SupplyError::TooMany(lock.package.len()));
    }
    if lock.package.is_empty() {
        return Err(SupplyError::Form("lockfile names no package".to_owned()));
    }
    let mut packages = lock.package;
    packages.sort();
    Ok(packages)
}

/// What the pins lack. `registries` are the allowed sources as the lockfile writes them (`registry+https://..`); members of the workspace have no
/// source and are passed over.
pub fn check(packages: &[Package], registries: &[&str]) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut checksums: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for package in packages {
        let say = |kind, detail: String| finding(&package.name, &package.version, kind, detail);
        let Some(source) = &package.source else { continue };
        if source.starts_with("git+") {
            out.push(say(Kind::GitSource, format!("source is `{source}`")));
            continue;
        }
        if !registries.contains(&source.as_str()) {
            out.push(say(Kind::ForeignRegistry, format!("source is `{source}`")));
        }
        match &package.checksum {
            None => out.push(say(Kind::ChecksumMissing, "no checksum in the lockfile".to_owned())),
            Some(checksum) if !is_hex(checksum, 64) => {
                out.push(say(Kind::ChecksumMalformed, format!("`{checksum}` is no SHA-256")));
            }
            Some(checksum) => {
                if let Some(other) = checksums.insert((&package.name, &package.version), checksum)
                    && other != checksum
                {
                    out.push(say(Kind::Contradiction, format!("checksums `{other}` and `{checksum}`")));
                }
            }
        }
    }
    out.sort();
    out
}
