//! Finds names that only look like well-known ones: one slip of the finger, a letter that looks like another, words swapped (T7).

use std::collections::{BTreeMap, BTreeSet};

use crate::requirements::normalised;
use crate::{Finding, Kind, finding};

/// Shorter names are one edit from too many others.
const LETTERS_MIN: usize = 4;
/// Longer names are not compared letter by letter.
const LETTERS_MAX: usize = 128;

/// Whether two texts are one insertion, removal, replacement or exchange of neighbours apart (Damerau 1964).
pub fn one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let same_start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (a.get(same_start..).unwrap_or(&[]), b.get(same_start..).unwrap_or(&[]));
    let same_end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (a.get(..a.len() - same_end).unwrap_or(&[]), b.get(..b.len() - same_end).unwrap_or(&[]));
    match (a, b) {
        ([_], []) | ([], [_]) | ([_], [_]) => true,
        ([w, x], [y, z]) => w == z && x == y,
        _ => false,
    }
}

/// The name with each letter replaced by the plainest that looks like it.
fn skeleton(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|letter| match letter {
            '0' | 'о' | 'ο' | 'օ' => 'o',
            '1' | 'i' | 'І' | 'і' | 'ι' | 'ı' | '|' => 'l',
            '5' | 'ѕ' => 's',
            'а' | 'α' => 'a',
            'е' => 'e',
            'р' | 'ρ' => 'p',
            'с' => 'c',
            'у' => 'y',
            'х' => 'x',
            'ј' => 'j',
            'ԁ' => 'd',
            'ո' => 'n',
            'ɡ' => 'g',
            'ν' => 'v',
            other => other,
        })
        .collect();
    plain.replace("rn", "m").replace("vv", "w")
}

/// The words of a normalised name in alphabetical order.
fn words(name: &str) -> Vec<&str> {
    let mut out: Vec<&str> = name.split('-').collect();
    out.sort_unstable();
    out
}

/// Compares each name with the well-known ones (upper case and `-`, `_`, `.` do not count). A well-known name itself is fine; one
/// finding per name at most, the strongest: looks alike, then swapped words, then one edit.
pub fn check<'a>(names: impl IntoIterator<Item = &'a str>, well_known: &[&str]) -> Vec<Finding> {
    let known: BTreeSet<String> = well_known.iter().map(|name| normalised(name)).collect();
    let skeletons: BTreeMap<String, &String> = known.iter().map(|name| (skeleton(name), name)).collect();
    let swapped: BTreeMap<Vec<&str>, &String> =
        known.iter().filter(|name| name.contains('-')).map(|name| (words(name), name)).collect();
    let mut out = Vec::new();
    for original in names {
        let name = normalised(original);
        if known.contains(&name) {
            continue;
        }
        let letters = name.chars().count();
        if let Some(other) = skeletons.get(&skeleton(&name)) {
            out.push(finding(original, "", Kind::NameHomoglyph, format!("looks like `{other}`")));
        } else if !name.is_ascii() {
            out.push(finding(original, "", Kind::NameHomoglyph, "has letters outside ASCII"));
        } else if let Some(other) = swapped.get(&words(&name)) {
            out.push(finding(original, "", Kind::NameSwapped, format!("the words of `{other}`")));
        } else if (LETTERS_MIN..=LETTERS_MAX).contains(&letters) {
            let near = known
                .iter()
                .find(|other| other.len().abs_diff(name.len()) <= 1 && other.len() >= LETTERS_MIN && one_edit(&name, other));
            if let Some(other) = near {
                out.push(finding(original, "", Kind::NameNearby, format!("one edit from `{other}`")));
            }
        }
    }
    out.sort();
    out.dedup();
    out
}
