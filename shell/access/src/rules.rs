//! Rules as text, read under limits and held to the schema (T4): the program's own, and those that a project adds.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::error::AccessError;

/// Bytes of a project's rules at most.
pub const ACCESS_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one rule at most, without its comments: a long chain of `&&` is a deep tree.
pub const RULE_BYTES_MAX: usize = 4 * 1024;
/// Brackets within brackets, and `if`s, of one rule at most: the parser goes down a dozen calls for each, and a thread's stack ends.
pub const RULE_NESTING_MAX: usize = 24;
/// Rules of a project at most.
pub const RULES_MAX: usize = 256;

/// Name of a project's own rules, in messages and digests.
pub(crate) const PROJECT_FILE: &str = "access.cedar";

pub(crate) const SCHEMA: &str = include_str!("../policies/schema.cedarschema");

/// The program's own rules, by file.
const SHIPPED: &[(&str, &str)] = &[
    ("supplier", include_str!("../policies/supplier.cedar")),
    ("feed-pipeline", include_str!("../policies/feed-pipeline.cedar")),
    ("data-steward", include_str!("../policies/data-steward.cedar")),
    ("labeller", include_str!("../policies/labeller.cedar")),
    ("label-approver", include_str!("../policies/label-approver.cedar")),
    ("trainer", include_str!("../policies/trainer.cedar")),
    ("release-manager", include_str!("../policies/release-manager.cedar")),
    ("api-client", include_str!("../policies/api-client.cedar")),
    ("auditor", include_str!("../policies/auditor.cedar")),
    ("admin", include_str!("../policies/admin.cedar")),
    ("components", include_str!("../policies/components.cedar")),
    ("second-factor", include_str!("../policies/second-factor.cedar")),
    ("duties", include_str!("../policies/duties.cedar")),
];
const OWN_LABELS: (&str, &str) = ("own-labels", include_str!("../policies/own-labels.cedar"));

/// Whether people may sign labels that they proposed: a project's `labels.author_may_approve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnLabels {
    /// Nobody may.
    Forbidden,
    /// The rule is left out: a one-person project. The property that nobody signs his own labels then has a counterexample.
    Allowed,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, whatever is permitted.
    Forbid,
}

/// A rule as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Where it stands: the name of a file in `policies`, or `access.cedar` for a project's own.
    pub file: String,
    /// What it does.
    pub effect: Effect,
    /// Why it is there.
    pub why: String,
    /// What somebody can do whom it stops, or whom it does not reach.
    pub fix: String,
    /// Its text.
    pub text: String,
}

/// Rules that fit the schema.
pub(crate) struct Rules {
    pub(crate) set: PolicySet,
    pub(crate) listed: BTreeMap<String, Rule>,
    /// Files by name, for the digest.
    pub(crate) files: Vec<(String, String)>,
}

/// The schema.
///
/// # Errors
/// None as shipped: the tests read it.
pub(crate) fn schema() -> Result<Schema, AccessError> {
    let (schema, _warnings) = Schema::from_cedarschema_str(SCHEMA)
        .map_err(|error| AccessError::Syntax { file: "schema".to_owned(), problem: error.to_string() })?;
    Ok(schema)
}

impl Rules {
    /// The program's rules and a project's.
    pub(crate) fn load(project: Option<&str>, own_labels: OwnLabels, schema: &Schema) -> Result<Self, AccessError> {
        let mut files: Vec<(String, String)> =
            SHIPPED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        match own_labels {
            OwnLabels::Forbidden => files.push((OWN_LABELS.0.to_owned(), OWN_LABELS.1.to_owned())),
            OwnLabels::Allowed => {}
        }
        if let Some(text) = project {
            files.push((PROJECT_FILE.to_owned(), text.to_owned()));
        }
        let mut rules = Self { set: PolicySet::new(), listed: BTreeMap::new(), files: Vec::new() };
        for (file, text) in files {
            rules.add(&file, &text, schema)?;
            rules.files.push((file, text));
        }
        Ok(rules)
    }

    fn add(&mut self, file: &str, text: &str, schema: &Schema) -> Result<(), AccessError> {
        for (number, policy) in read(file, text, schema)?.into_iter().enumerate() {
            let annotation = |annotation: &'static str| {
                let found = policy.annotation(annotation).filter(|words| !words.is_empty());
                found.map(str::to_owned).ok_or_else(|| AccessError::Annotation {
                    file: file.to_owned(),
                    number: number + 1,
                    annotation,
                })
            };
            let (id, why, fix) = (annotation("id")?, annotation("why")?, annotation("fix")?);
            let effect = match policy.effect() {
                cedar_policy::Effect::Permit => Effect::Permit,
                cedar_policy::Effect::Forbid => Effect::Forbid,
            };
            let duplicate = || AccessError::Duplicate { file: file.to_owned(), id: id.clone() };
            self.set.add(policy.new_id(PolicyId::new(&id))).map_err(|_| duplicate())?;
            let text = policy.to_cedar().unwrap_or_default();
            self.listed.insert(id.clone(), Rule { id, file: file.to_owned(), effect, why, fix, text });
        }
        Ok(())
    }

    /// Those of one effect.
    pub(crate) fn only(&self, effect: Effect) -> PolicySet {
        let chosen = |policy: &&Policy| self.listed.get(policy.id().as_ref() as &str).is_some_and(|rule| rule.effect == effect);
        let mut set = PolicySet::new();
        for policy in self.set.policies().filter(chosen) {
            // The names are those of a set, so none comes twice.
            let _ = set.add(policy.clone());
        }
        set
    }
}

/// Reads rules in the order of the text, and holds them to the limits and the schema.
pub(crate) fn read(file: &str, text: &str, schema: &Schema) -> Result<Vec<Policy>, AccessError> {
    let limit = |what: &'static str, count: usize, max: usize| {
        if count <= max { Ok(()) } else { Err(AccessError::Limit { file: file.to_owned(), what, count, max }) }
    };
    limit("bytes", text.len(), ACCESS_BYTES_MAX)?;
    let sizes = sizes(text);
    limit("bytes in one rule", sizes.iter().map(|size| size.bytes).max().unwrap_or(0), RULE_BYTES_MAX)?;
    limit("brackets within brackets", sizes.iter().map(|size| size.nesting).max().unwrap_or(0), RULE_NESTING_MAX)?;
    limit("rules", sizes.len().saturating_sub(1), RULES_MAX)?;
    let set = PolicySet::from_str(text)
        .map_err(|error| AccessError::Syntax { file: file.to_owned(), problem: placed(text, &error) })?;
    if set.templates().next().is_some() {
        return Err(AccessError::Template { file: file.to_owned() });
    }
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    // A warning tells of a rule that fits no request at all, or of letters that look like others. Errors tell more, so they go first.
    let first = |problems: Vec<String>| problems.into_iter().min();
    let errors = first(result.validation_errors().map(|error| placed(text, error)).collect());
    let problem = errors.or_else(|| first(result.validation_warnings().map(|warning| placed(text, warning)).collect()));
    if let Some(problem) = problem {
        return Err(AccessError::Schema { file: file.to_owned(), problem });
    }
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    // The parser names them `policy0`, `policy1`, ... in the order of the text.
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX));
    Ok(policies)
}

/// A problem's words after the line that it is about.
fn placed(text: &str, problem: &dyn Diagnostic) -> String {
    let words = problem.to_string();
    // The parser names rules by number; people count lines. What follows the name says what is wrong.
    let words = match words.strip_prefix("for policy `policy").and_then(|rest| rest.split_once("`, ")) {
        Some((_, rest)) => rest.to_owned(),
        None => words,
    };
    let offset = problem.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    match offset.and_then(|offset| text.as_bytes().get(..offset)) {
        Some(before) => format!("line {}: {words}", before.iter().filter(|byte| **byte == b'\n').count() + 1),
        None => words,
    }
}

/// How large a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Size {
    /// Bytes without comments.
    bytes: usize,
    /// The deepest bracket, and every `if`: its branches may hold another.
    nesting: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Within {
    Code,
    Quotes,
    Escape,
    Comment,
}

/// Sizes of the rules between the semicolons that end them, the last for what follows the last semicolon. A semicolon or bracket
/// within quotes or a comment is none.
fn sizes(text: &str) -> Vec<Size> {
    let (mut sizes, mut size, mut within) = (Vec::new(), Size::default(), Within::Code);
    let (mut depth, mut ifs, mut deepest) = (0_usize, 0_usize, 0_usize);
    let mut word = Vec::new();
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        within = match (within, byte) {
            (Within::Code, b'"') => Within::Quotes,
            (Within::Code, b'/') if bytes.peek() == Some(&b'/') => Within::Comment,
            (Within::Quotes, b'"') | (Within::Comment, b'\n') => Within::Code,
            (Within::Quotes, b'\\') => Within::Escape,
            (Within::Escape, _) => Within::Quotes,
            (same, _) => same,
        };
        let part_of_word = within == Within::Code && (byte.is_ascii_alphanumeric() || byte == b'_');
        if !part_of_word {
            ifs += usize::from(word == b"if");
            word.clear();
        } else if word.len() < "if?".len() {
            word.push(byte);
        }
        match (within, byte) {
            (Within::Code, b';') => {
                sizes.push(Size { nesting: deepest + ifs, ..std::mem::take(&mut size) });
                (depth, ifs, deepest) = (0, 0, 0);
                continue;
            }
            (Within::Code, b'(' | b'[' | b'{') => depth += 1,
            (Within::Code, b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            (_, _) => {}
        }
        deepest = deepest.max(depth);
        size.bytes += usize::from(within != Within::Comment);
    }
    sizes.push(Size { nesting: deepest + ifs + usize::from(word == b"if"), ..size });
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_between_ends_of_rules() {
        let check = |text: &str, expected: &[(usize, usize)]| {
            let found: Vec<(usize, usize)> = sizes(text).iter().map(|size| (size.bytes, size.nesting)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[(0, 0)]);
        check("ab;c;", &[(2, 0), (1, 0), (0, 0)]);
        check("a\";\";b", &[(4, 0), (1, 0)]);
        check("a\"\\\";\";b", &[(6, 0), (1, 0)]);
        check("a// ;;;(\n;b", &[(2, 0), (1, 0)]);
        check("([)];{}", &[(4, 2), (2, 1)]);
        check("if a then(if b)else iffy;if", &[(24, 3), (2, 1)]);
        check("\"if (\"", &[(6, 0)]);
    }
}
