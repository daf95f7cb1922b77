//! Properties beside the rules (T1, T4, T6): what may never be allowed, whoever writes the rules. Written in the rules' own
//! language, so that one schema holds both.
//!
//! A property is one or more policies under one `@property`. If it permits, then of the actions that it names only what it permits
//! may ever be allowed; if it only forbids, then nothing that it forbids may ever be allowed.

use std::collections::BTreeMap;

use cedar_policy::{ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, Schema};
use gate::Digest;

use crate::error::AccessError;
use crate::rules;

/// The program's own properties, by file.
const SHIPPED: &[(&str, &str)] = &[
    ("data-source", include_str!("../../properties/data-source.cedar")),
    ("labels", include_str!("../../properties/labels.cedar")),
    ("quarantine", include_str!("../../properties/quarantine.cedar")),
    ("administration", include_str!("../../properties/administration.cedar")),
    ("release", include_str!("../../properties/release.cedar")),
];
/// Name of a project's own, in messages and digests.
const PROJECT_FILE: &str = "properties.cedar";

/// The name of the property that no rule fails on any request; it is judged for every rule set.
pub(crate) const NO_RULE_FAILS: &str = "no-rule-fails";

/// Which actions a property is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// All of them.
    Every,
    /// These, or those of these groups.
    These(Vec<EntityUid>),
}

/// One property.
pub(crate) struct Property {
    pub(crate) why: String,
    pub(crate) about: About,
    /// Everything that may be allowed of these actions.
    pub(crate) envelope: PolicySet,
}

/// Properties that fit the schema.
pub struct Properties {
    pub(crate) listed: BTreeMap<String, Property>,
    files: Vec<(String, String)>,
}

impl Properties {
    /// The program's own, and those that a project adds.
    ///
    /// # Errors
    /// What is wrong with the project's; its help says what to do.
    pub fn load(project: Option<&str>) -> Result<Self, AccessError> {
        let schema = rules::schema()?;
        let shipped = SHIPPED.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned()));
        let files: Vec<(String, String)> =
            shipped.chain(project.map(|text| (PROJECT_FILE.to_owned(), text.to_owned()))).collect();
        let mut grouped: BTreeMap<String, (String, Vec<Policy>)> = BTreeMap::new();
        for (file, text) in &files {
            let mut of_this_file = BTreeMap::new();
            group(file, text, &schema, &mut of_this_file)?;
            for (name, found) in of_this_file {
                if name == NO_RULE_FAILS || grouped.contains_key(&name) {
                    return Err(AccessError::Duplicate { file: file.clone(), id: name });
                }
                grouped.insert(name, found);
            }
        }
        let mut listed = BTreeMap::new();
        for (name, (why, policies)) in grouped {
            listed.insert(name, property(why, policies, &schema)?);
        }
        Ok(Self { listed, files })
    }

    /// Digest of all properties with the names of their files.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_parts(self.files.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]))
    }

    /// Names and what they say, in order; the last is judged for every rule set.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.listed.iter().map(|(name, property)| (name.as_str(), property.why.as_str()))
    }
}

/// Collects the policies of each property of a file; the first of each says what it is for.
fn group(file: &str, text: &str, schema: &Schema, into: &mut BTreeMap<String, (String, Vec<Policy>)>) -> Result<(), AccessError> {
    for (number, policy) in rules::read(file, text, schema)?.into_iter().enumerate() {
        let missing = |annotation| AccessError::Annotation { file: file.to_owned(), number: number + 1, annotation };
        let words = |name: &str| policy.annotation(name).filter(|words| !words.is_empty()).map(str::to_owned);
        let name = words("property").ok_or_else(|| missing("property"))?;
        match into.get_mut(&name) {
            Some((_, policies)) => policies.push(policy),
            None => {
                let why = words("why").ok_or_else(|| missing("why"))?;
                into.insert(name, (why, vec![policy]));
            }
        }
    }
    Ok(())
}

fn property(why: String, policies: Vec<Policy>, schema: &Schema) -> Result<Property, AccessError> {
    let mut about = About::Every;
    let mut named = Vec::new();
    let mut every = false;
    for policy in &policies {
        match policy.action_constraint() {
            ActionConstraint::Any => every = true,
            ActionConstraint::Eq(action) => named.push(action),
            ActionConstraint::In(actions) => named.extend(actions),
        }
    }
    if !every {
        about = About::These(named);
    }
    let mut all = policies;
    if all.iter().all(|policy| policy.effect() == cedar_policy::Effect::Forbid) {
        all.extend(rules::read(NO_RULE_FAILS, "permit (principal, action, resource);", schema)?);
    }
    let mut envelope = PolicySet::new();
    for (number, policy) in all.into_iter().enumerate() {
        // Names by number: none comes twice.
        let _ = envelope.add(policy.new_id(PolicyId::new(format!("envelope{number}"))));
    }
    Ok(Property { why, about, envelope })
}
