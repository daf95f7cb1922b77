//! Facts of the parts: the program's own lock file, which is compiled in, and those of the pipeline's scripts.

use std::collections::{BTreeMap, BTreeSet};

use artifact::Parts;
use gate::Digest;
use s06_dependency::{Facts, Review};
use supply::{lockfile, names, requirements, reviews};

use crate::desk::now;
use crate::{PipelineError, Project};

/// The lock file that this program was built from.
pub(crate) const PROGRAM_LOCK: &str = include_str!("../../../../Cargo.lock");
/// Reviews of critical packages, kept beside the source.
const PROGRAM_REVIEWS: &str = include_str!("../../../../reviews.toml");
/// Packages that nobody may bring in unread: what parses hostile models, what signs and encrypts, what speaks TLS.
const CRITICAL: [&str; 4] = ["aws-lc-rs", "aws-lc-sys", "hessboost", "rustls"];
/// Names that imitations try to look like.
const WELL_KNOWN: [&str; 44] = [
    "serde",
    "tokio",
    "rustls",
    "axum",
    "hyper",
    "sqlx",
    "clap",
    "rayon",
    "arrow",
    "parquet",
    "libc",
    "libm",
    "lock_api",
    "thiserror",
    "proptest",
    "bytes",
    "futures",
    "tower",
    "toml",
    "base64",
    "sha1",
    "sha2",
    "sha3",
    "zeroize",
    "numpy",
    "pandas",
    "scikit-learn",
    "xgboost",
    "scipy",
    "requests",
    "urllib3",
    "apache-airflow",
    "pyarrow",
    "cryptography",
    "setuptools",
    "wheel",
    "joblib",
    "matplotlib",
    "onnx",
    "torch",
    "tensorflow",
    "boto3",
    "jinja2",
    "pyyaml",
];
const LOCK_BYTES_MAX: u64 = 16 << 20;

/// Reads all lock files and compares them with the reviews.
pub(crate) fn gather(project: &Project) -> Result<(Parts, Facts), PipelineError> {
    let broken = |error: supply::SupplyError| PipelineError::broken(format!("lock file: {error}"));
    let packages = lockfile::parse(PROGRAM_LOCK).map_err(broken)?;
    let records = reviews::parse(PROGRAM_REVIEWS).map_err(broken)?;
    // A lock file does not choose whom it trusts: the program's own registry, and those that the policy names.
    let named = project.policy.dependencies.registries.iter().map(String::as_str);
    let registries: Vec<&str> = registry(&packages).into_iter().chain(named).collect();
    let mut unpinned = texts(lockfile::check(&packages, &registries));
    let mut suspicious = texts(names::check(packages.iter().map(|package| package.name.as_str()), &WELL_KNOWN));
    let mut locks = BTreeMap::from([("Cargo.lock".to_owned(), Digest::of(PROGRAM_LOCK.as_bytes()))]);
    let mut count = packages.len();
    let mut critical: BTreeSet<_> = criticals(&packages).collect();
    for path in &project.policy.dependencies.locks {
        let bytes = store::disk::read_limited(&project.resolve(path), LOCK_BYTES_MAX)?;
        locks.insert(path.clone(), Digest::of(&bytes));
        let text = String::from_utf8_lossy(&bytes);
        if path.ends_with("Cargo.lock") {
            let packages = lockfile::parse(&text).map_err(broken)?;
            unpinned.extend(texts(lockfile::check(&packages, &registries)));
            suspicious.extend(texts(names::check(packages.iter().map(|package| package.name.as_str()), &WELL_KNOWN)));
            critical.extend(criticals(&packages));
            count += packages.len();
        } else {
            let (wanted, findings) = requirements::parse(&text).map_err(broken)?;
            unpinned.extend(texts(findings));
            suspicious.extend(texts(names::check(wanted.iter().map(|wanted| wanted.name.as_str()), &WELL_KNOWN)));
            count += wanted.len();
        }
    }
    let critical = critical.into_iter().collect();
    let reviews = records
        .into_iter()
        .map(|review| Review {
            package: review.package,
            version: review.version,
            checksum: review.checksum,
            reviewer: review.reviewer,
            expires: day_seconds(&review.expires),
        })
        .collect();
    let parts =
        Parts { locks, packages: u64::try_from(count).unwrap_or(u64::MAX), reviews: Digest::of(PROGRAM_REVIEWS.as_bytes()) };
    Ok((parts, Facts { now: now(), unpinned, suspicious, critical, reviews }))
}

/// Name, version and checksum of the packages that nobody may bring in unread.
fn criticals(packages: &[lockfile::Package]) -> impl Iterator<Item = (String, String, String)> {
    let critical = packages.iter().filter(|package| CRITICAL.contains(&package.name.as_str()));
    critical.map(|package| (package.name.clone(), package.version.clone(), package.checksum.clone().unwrap_or_default()))
}

/// The one registry of the program's own lock file: the most frequent source. Any package from elsewhere is a finding.
fn registry(packages: &[lockfile::Package]) -> Option<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for source in packages.iter().filter_map(|package| package.source.as_deref()).filter(|source| source.starts_with("registry+"))
    {
        *counts.entry(source).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(source, _)| source)
}

fn texts(findings: Vec<supply::Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| format!("`{} {}`: {}", finding.package, finding.version, finding.detail)).collect()
}

/// Seconds of a day written as `YYYY-MM-DD`; the beginning of time where it cannot be read, so that the review counts as expired.
fn day_seconds(day: &str) -> i64 {
    day.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map_or(0, |at| at.timestamp().as_second())
}
