//! A line that says which SSH key counts, for what and when: `allowed_signers` of ssh-keygen, or a bare public key (T1).
//!
//! Format: ssh-keygen(1), "ALLOWED SIGNERS". Stricter than the program: no patterns of names, no certificate authorities, times only in UTC
//! (with `Z`; without, their meaning depends on the reading machine), each option once.

use data_encoding::BASE64;

use super::key::SshKey;
use crate::{Refusal, bounded, shown};

const LINE: &str = "the line of the SSH key";
/// Longest line that is read.
pub const LINE_BYTES_MAX: usize = 4096;
/// Names of one line at most.
const NAMES_MAX: usize = 16;

/// A key with what its line says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSigner {
    principals: Vec<String>,
    namespaces: Option<Vec<String>>,
    valid_after: Option<i64>,
    valid_before: Option<i64>,
    key: SshKey,
}

impl SshSigner {
    /// Reads one line: `[names [options]] kind base64 [comment]`. A line without names is a bare public key, as in `id_ed25519.pub`.
    ///
    /// # Errors
    /// Too long, more than a line, a pattern, an option that is not known, a time that is not one.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        bounded(LINE, text.len(), LINE_BYTES_MAX)?;
        let form = |why| Refusal::Form { what: LINE, why };
        let line = text.trim_end_matches(['\n', '\r']);
        if line.chars().any(|character| character.is_control() && character != '\t') {
            return Err(form("it is more than one line of text"));
        }
        let words = words(line);
        let kind = words.iter().position(|word| is_kind(word)).ok_or_else(|| form("it names no kind of key"))?;
        let (before, from) = words.split_at_checked(kind).unwrap_or_default();
        let [kind, base64, ..] = from else { return Err(Refusal::Truncated { what: LINE }) };
        let blob = BASE64.decode(base64.as_bytes()).map_err(|_| form("its key is not base64"))?;
        let key = SshKey::from_blob(&blob)?;
        if key.kind() != *kind {
            return Err(form("its key is of another kind than it says"));
        }
        let mut found = Self { principals: Vec::new(), namespaces: None, valid_after: None, valid_before: None, key };
        match before {
            [] => {}
            [names] => found.principals = principals(names)?,
            [names, options] => {
                found.principals = principals(names)?;
                found.options(options)?;
            }
            _ => return Err(form("something unknown stands before its kind of key")),
        }
        Ok(found)
    }

    fn options(&mut self, text: &str) -> Result<(), Refusal> {
        for option in split_outside_quotes(text) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            let repeated = match name.to_ascii_lowercase().as_str() {
                "namespaces" => {
                    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
                    check_names(&names)?;
                    self.namespaces.replace(names).is_some()
                }
                "valid-after" => self.valid_after.replace(time(value)?).is_some(),
                "valid-before" => self.valid_before.replace(time(value)?).is_some(),
                _ => return Err(Refusal::Unsupported { what: LINE, seen: shown(name) }),
            };
            if repeated {
                return Err(Refusal::Form { what: LINE, why: "it has an option twice" });
            }
        }
        Ok(())
    }

    /// The names on the line, empty for a bare key.
    pub fn principals(&self) -> &[String] {
        &self.principals
    }

    /// The key.
    pub fn key(&self) -> &SshKey {
        &self.key
    }

    /// Whether the line allows this purpose.
    pub fn allows(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|names| names.iter().any(|name| name == namespace))
    }

    /// Valid from and until (exclusive), Unix seconds.
    ///
    /// # Errors
    /// [`Refusal::KeyNotYetValid`], [`Refusal::KeyExpired`].
    pub(super) fn check_time(&self, now: i64) -> Result<(), Refusal> {
        if self.valid_after.is_some_and(|after| now < after) {
            return Err(Refusal::KeyNotYetValid { key: self.key.fingerprint() });
        }
        if self.valid_before.is_some_and(|before| now >= before) {
            return Err(Refusal::KeyExpired { key: self.key.fingerprint() });
        }
        Ok(())
    }
}

fn is_kind(word: &str) -> bool {
    word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-")
}

fn principals(text: &str) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = text.trim_matches('"').split(',').map(str::to_owned).collect();
    check_names(&names)?;
    Ok(names)
}

/// Names stand for themselves: a pattern would let in names that nobody wrote down.
fn check_names(names: &[String]) -> Result<(), Refusal> {
    bounded("the names of the SSH key", names.len(), NAMES_MAX)?;
    if names.iter().any(|name| name.is_empty() || name.contains(['*', '?', '!', '"'])) {
        return Err(Refusal::Form { what: LINE, why: "a name is empty or a pattern" });
    }
    Ok(())
}

/// Words between blanks; blanks in quotes do not part words.
fn words(line: &str) -> Vec<&str> {
    split(line, |character| matches!(character, ' ' | '\t')).into_iter().filter(|word| !word.is_empty()).collect()
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    split(text, |character| character == ',')
}

fn split(text: &str, at: impl Fn(char) -> bool) -> Vec<&str> {
    let mut quoted = false;
    text.split(|character| {
        quoted ^= character == '"';
        !quoted && at(character)
    })
    .collect()
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with `Z`, as Unix seconds.
fn time(text: &str) -> Result<i64, Refusal> {
    let wrong = || Refusal::Form { what: LINE, why: "a time is not of the form 20261231Z or 20261231235959Z" };
    let digits = text.strip_suffix(['Z', 'z']).ok_or_else(wrong)?;
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |part| part.parse::<i64>().ok()).ok_or_else(wrong);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return Err(wrong()),
    };
    if year < 1970 || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return Err(wrong());
    }
    // Days since 1970 by the proleptic Gregorian calendar, years beginning in March (Hinnant, "chrono-compatible low-level date algorithms").
    let (shifted, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Ok(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILTkMPkOhccXA51+h93u3p1N0OA9xCnW82Rndgev6itL";

    fn check(line: &str, good: bool) {
        let read = SshSigner::parse(line);
        assert_eq!(read.is_ok(), good, "{line}: {read:?}");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time("19700101Z"), Ok(0));
        assert_eq!(time("20261123145500Z"), Ok(1_795_445_700));
        assert_eq!(time("20240229Z"), Ok(1_709_164_800));
        for wrong in ["20261123", "20261301Z", "20260229Z", "2026112324Z", "202611232460Z", "Z", "", "+0261123Z", "19691231Z"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_read_or_refused() {
        check(KEY, true);
        check(&format!("{KEY} a comment\n"), true);
        check(&format!("acme {KEY}"), true);
        check(&format!("acme,data@acme namespaces=\"file,stayward-feed\",valid-before=\"20270101Z\" {KEY} x"), true);
        check(&format!("acme valid-after=20260101Z {KEY}"), true);
        check("", false);
        check("acme", false);
        check("acme ssh-ed25519", false);
        check(&format!("*@acme {KEY}"), false);
        check(&format!("acme cert-authority {KEY}"), false);
        check(&format!("acme namespaces=\"*\" {KEY}"), false);
        check(&format!("acme valid-before=20270101 {KEY}"), false);
        check(&format!("acme valid-before=20270101Z,valid-before=20280101Z {KEY}"), false);
        check(&format!("acme valid-before=20270101Z another {KEY}"), false);
        check(&format!("acme {KEY}\nmallory {KEY}"), false);
        check(&KEY.replace("ssh-ed25519 ", "ecdsa-sha2-nistp256 "), false);
        check(&"a".repeat(LINE_BYTES_MAX + 1), false);
    }
}
