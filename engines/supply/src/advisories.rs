//! Matches advisories (OSV records) with locked packages. What cannot be decided is said to be undecided, never "not affected" (T7).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::reviews::is_day;
use crate::{Finding, Kind, SupplyError, bounded, finding};

/// Records of one database.
pub const RECORDS_MAX: usize = 500_000;

/// One OSV record (schema 1.x), as far as matching needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// For instance `RUSTSEC-2021-0003`.
    pub id: String,
    /// When the record last changed, RFC 3339.
    pub modified: String,
    /// When the record was taken back; such records are passed over.
    #[serde(default)]
    pub withdrawn: Option<String>,
    /// One line.
    #[serde(default)]
    pub summary: String,
    /// The same in other databases.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What is affected; the same package may stand more than once.
    #[serde(default)]
    pub affected: Vec<Affected>,
}

/// Affected versions of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The package; records of commits alone have none.
    #[serde(default)]
    pub package: Option<PackageName>,
    /// Ranges; a version in any of them is affected.
    #[serde(default)]
    pub ranges: Vec<Range>,
    /// Versions that are affected, one by one.
    #[serde(default)]
    pub versions: Vec<String>,
}

/// A package of an ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageName {
    /// The ecosystem, as OSV writes it.
    pub ecosystem: String,
    /// The name.
    pub name: String,
}

/// A range of versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// `SEMVER`, `ECOSYSTEM` or `GIT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In any order.
    #[serde(default)]
    pub events: Vec<Event>,
}

/// Where a range begins or ends; exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// First affected version; `0` is before all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<String>,
    /// First version no longer affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Last affected version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_affected: Option<String>,
    /// Versions from here on are not meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// Whether a version is affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is.
    Affected,
    /// It is not.
    Clear,
    /// It cannot be told: a version or range that is not understood.
    Unknown,
}

/// Reads one record, an array of records, or records one after the other (one a line or not).
///
/// # Errors
/// Too long, too many, or any part that is no record: a database that is half read would hide its other half.
pub fn parse(text: &str) -> Result<Vec<Advisory>, SupplyError> {
    let form = |error: serde_json::Error| SupplyError::Form(error.to_string());
    let text = bounded(text)?.trim_start();
    let records: Vec<Advisory> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(form)?
    } else {
        serde_json::Deserializer::from_str(text).into_iter::<Advisory>().collect::<Result<_, _>>().map_err(form)?
    };
    if records.len() > RECORDS_MAX {
        return Err(SupplyError::TooMany(records.len()));
    }
    Ok(records)
}

enum Bound {
    Introduced,
    Fixed,
    LastAffected,
    Limit,
}

/// The bound of an event and its version; `None` for the version stands for "before all". `Err` if it is not understood.
fn bound(event: &Event) -> Result<(Option<Version>, Bound), ()> {
    let version = |text: &str| Version::parse(text).map(Some).map_err(|_| ());
    match event {
        Event { introduced: Some(text), fixed: None, last_affected: None, limit: None } => {
            Ok((if text == "0" { None } else { version(text)? }, Bound::Introduced))
        }
        Event { fixed: Some(text), introduced: None, last_affected: None, limit: None } => Ok((version(text)?, Bound::Fixed)),
        Event { last_affected: Some(text), introduced: None, fixed: None, limit: None } => {
            Ok((version(text)?, Bound::LastAffected))
        }
        Event { limit: Some(text), introduced: None, fixed: None, last_affected: None } => {
            // `*` is no limit.
            if text == "*" { Err(()) } else { Ok((version(text)?, Bound::Limit)) }
        }
        Event { .. } => Err(()),
    }
}

/// Precedence only: build metadata does not count (Semantic Versioning 2.0, section 10).
fn order(a: Option<&Version>, b: &Version) -> Ordering {
    a.map_or(Ordering::Less, |a| a.cmp_precedence(b))
}

fn in_range(range: &Range, version: &Version) -> Answer {
    if range.kind != "SEMVER" && range.kind != "ECOSYSTEM" {
        return Answer::Unknown;
    }
    let mut events = Vec::new();
    for event in &range.events {
        match bound(event) {
            Ok(event) => events.push(event),
            Err(()) => return Answer::Unknown,
        }
    }
    if !events.iter().any(|(_, bound)| matches!(bound, Bound::Introduced)) {
        return Answer::Unknown;
    }
    // Ends after beginnings of the same version: an empty range affects nothing.
    let rank = |bound: &Bound| u8::from(!matches!(bound, Bound::Introduced));
    events.sort_by(|(a, a_bound), (b, b_bound)| {
        let by_version = match (a, b) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp_precedence(b),
        };
        by_version.then(rank(a_bound).cmp(&rank(b_bound)))
    });
    let mut affected = false;
    for (at, bound) in &events {
        let reached = order(at.as_ref(), version);
        match bound {
            Bound::Introduced if reached.is_le() => affected = true,
            Bound::Fixed | Bound::Limit if reached.is_le() => affected = false,
            Bound::LastAffected if reached.is_lt() => affected = false,
            Bound::Introduced | Bound::Fixed | Bound::Limit | Bound::LastAffected => {}
        }
    }
    if affected { Answer::Affected } else { Answer::Clear }
}

/// Whether a version of a package (whose versions are semantic) is affected by one entry: listed, or inside any range that is
/// understood; clear only if everything that is said of it was understood.
pub fn affects(affected: &Affected, version: &str) -> Answer {
    let parsed = Version::parse(version).ok();
    let listed = affected.versions.iter().any(|known| {
        known == version || parsed.as_ref().zip(Version::parse(known).ok()).is_some_and(|(a, b)| a.cmp_precedence(&b).is_eq())
    });
    if listed {
        return Answer::Affected;
    }
    if affected.versions.is_empty() && affected.ranges.is_empty() {
        return Answer::Unknown;
    }
    let Some(parsed) = parsed else { return Answer::Unknown };
    let mut unknown = false;
    for range in &affected.ranges {
        match in_range(range, &parsed) {
            Answer::Affected => return Answer::Affected,
            // Commits say the same as the versions beside them; alone they say nothing that a version answers.
            Answer::Unknown if range.kind == "GIT" && (affected.ranges.len() > 1 || !affected.versions.is_empty()) => {}
            Answer::Unknown => unknown = true,
            Answer::Clear => {}
        }
    }
    if unknown { Answer::Unknown } else { Answer::Clear }
}

/// Matches packages (name, version) of an ecosystem with semantic versions against records. Withdrawn records are passed over. One
/// finding per package, version and record, sorted; `detail` is the record's id and summary.
pub fn check<'a>(packages: impl IntoIterator<Item = (&'a str, &'a str)>, records: &[Advisory], ecosystem: &str) -> Vec<Finding> {
    let mut by_name: BTreeMap<&str, Vec<(&Advisory, &Affected)>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.withdrawn.is_none()) {
        for affected in &record.affected {
            if let Some(package) = affected.package.as_ref().filter(|package| package.ecosystem == ecosystem) {
                by_name.entry(&package.name).or_default().push((record, affected));
            }
        }
    }
    let mut out = Vec::new();
    for (name, version) in packages {
        let mut worst: BTreeMap<&str, (Kind, &Advisory)> = BTreeMap::new();
        for (record, affected) in by_name.get(name).into_iter().flatten() {
            let kind = match affects(affected, version) {
                Answer::Affected => Kind::Vulnerable,
                Answer::Unknown => Kind::VulnerableUnknown,
                Answer::Clear => continue,
            };
            let known = worst.entry(&record.id).or_insert((kind, record));
            known.0 = known.0.min(kind);
        }
        out.extend(
            worst.into_iter().map(|(id, (kind, record))| finding(name, version, kind, format!("{id}: {}", record.summary))),
        );
    }
    out.sort();
    out.dedup();
    out
}

/// The day (`YYYY-MM-DD`) on which the newest record changed; none for an empty database or one without readable dates.
pub fn newest_day(records: &[Advisory]) -> Option<&str> {
    records.iter().filter_map(|record| record.modified.get(..10)).filter(|day| is_day(day)).max()
}

/// Days from one day to another (`YYYY-MM-DD`, proleptic Gregorian); negative if `to` is earlier.
pub fn days_between(from: &str, to: &str) -> Option<i64> {
    Some(day_number(to)? - day_number(from)?)
}

/// Days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn day_number(day: &str) -> Option<i64> {
    if !is_day(day) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| day.get(range)?.parse::<i64>().ok();
    let (year, month, date) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}
