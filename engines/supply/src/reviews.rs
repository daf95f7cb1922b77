//! Reads the review file: which exact bytes of which package people have read, who, and until when that holds (T7).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::lockfile::Package;
use crate::{Finding, Kind, PACKAGES_MAX, SupplyError, bounded, finding, is_hex};

/// One review. Dates are `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Package.
    pub package: String,
    /// Version.
    pub version: String,
    /// SHA-256 of the reviewed package file.
    pub checksum: String,
    /// Who read it.
    pub reviewer: String,
    /// Who else read it.
    #[serde(default)]
    pub second_reviewer: Option<String>,
    /// Day of the review.
    pub date: String,
    /// What was checked for.
    pub criteria: String,
    /// Remarks.
    #[serde(default)]
    pub notes: String,
    /// First day on which the review no longer holds.
    pub expires: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    review: Vec<Review>,
}

/// Whether a text is a day as `YYYY-MM-DD`; such texts sort as days do.
pub fn is_day(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| {
        text.get(range)
            .filter(|part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|part| part.parse::<u32>().ok())
    };
    text.len() == 10
        && text.get(4..5) == Some("-")
        && text.get(7..8) == Some("-")
        && number(0..4).is_some()
        && number(5..7).is_some_and(|month| (1..=12).contains(&month))
        && number(8..10).is_some_and(|day| (1..=31).contains(&day))
}

/// Reads `reviews.toml`: a list of `[[review]]` tables with exactly the fields of [`Review`].
///
/// # Errors
/// Too long, too many, not TOML, an unknown or missing field, or a date or checksum of another form.
pub fn parse(text: &str) -> Result<Vec<Review>, SupplyError> {
    let file: File = toml::from_str(bounded(text)?).map_err(|error| SupplyError::Form(error.message().to_owned()))?;
    if file.review.len() > PACKAGES_MAX {
        return Err(SupplyError::TooMany(file.review.len()));
    }
    for review in &file.review {
        let fault = if !is_day(&review.date) || !is_day(&review.expires) {
            "a date is not `YYYY-MM-DD`"
        } else if !is_hex(&review.checksum, 64) {
            "a checksum is no SHA-256"
        } else if review.package.is_empty() || review.reviewer.trim().is_empty() || review.criteria.trim().is_empty() {
            "package, reviewer and criteria must be given"
        } else {
            continue;
        };
        return Err(SupplyError::Form(format!("review of `{}`: {fault}", review.package)));
    }
    Ok(file.review)
}

/// Which locked packages from outside lack a review that holds on `today` (`YYYY-MM-DD`). Every package of `critical` needs two
/// different reviewers; packages outside `critical` need a review only where `all`.
pub fn check(packages: &[Package], reviews: &[Review], critical: &[&str], all: bool, today: &str) -> Vec<Finding> {
    let critical: BTreeSet<&str> = critical.iter().copied().collect();
    let mut out = Vec::new();
    for package in packages.iter().filter(|package| package.source.is_some()) {
        let is_critical = critical.contains(package.name.as_str());
        if !is_critical && !all {
            continue;
        }
        let say = |kind, detail: String| finding(&package.name, &package.version, kind, detail);
        let of_version: Vec<&Review> =
            reviews.iter().filter(|review| review.package == package.name && review.version == package.version).collect();
        let of_bytes: Vec<&&Review> = of_version
            .iter()
            .filter(|review| package.checksum.as_deref().is_some_and(|sum| sum.eq_ignore_ascii_case(&review.checksum)))
            .collect();
        // A day that cannot be read lets nothing pass.
        let holding: Vec<&&&Review> = of_bytes
            .iter()
            .filter(|review| is_day(today) && review.date.as_str() <= today && today < review.expires.as_str())
            .collect();
        let readers: BTreeSet<String> = holding
            .iter()
            .flat_map(|review| std::iter::once(&review.reviewer).chain(&review.second_reviewer))
            .map(|reader| reader.trim().to_lowercase())
            .filter(|reader| !reader.is_empty())
            .collect();
        if of_version.is_empty() {
            out.push(say(Kind::Unreviewed, "no review of this version".to_owned()));
        } else if of_bytes.is_empty() {
            let locked = package.checksum.as_deref().unwrap_or("none");
            out.push(say(Kind::ReviewedOtherBytes, format!("locked checksum `{locked}` was never reviewed")));
        } else if holding.is_empty() {
            out.push(say(Kind::ReviewExpired, format!("no review holds on `{today}`")));
        } else if is_critical && readers.len() < 2 {
            out.push(say(Kind::SecondReviewerMissing, "a critical package needs two different reviewers".to_owned()));
        }
    }
    out.sort();
    out
}
