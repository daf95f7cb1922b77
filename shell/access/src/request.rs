//! The one place where requests are made (T1, T4, T6): a proof about rules says nothing about code that asks them wrongly.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use identity::{Action, Component, Right, Role};

/// The age of a second factor that was never given, in seconds: more than any rule admits, also one that forgets to ask for `mfa`.
pub const SECOND_FACTOR_NEVER: i64 = i64::MAX;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person with a session.
    Person {
        /// Login name.
        name: String,
        /// Roles at the moment of asking.
        roles: BTreeSet<Role>,
        /// Team.
        team: String,
    },
    /// A part of the pipeline.
    Component(Component),
    /// The machine that carries feeds into the data source: it holds [`Role::FeedPipeline`].
    FeedPipeline,
    /// An application, with the rights of the key that it showed.
    Application {
        /// Its name.
        name: String,
        /// What its key opens.
        rights: BTreeSet<Right>,
    },
    /// The supplier whose key signed.
    Supplier {
        /// Its name.
        name: String,
    },
}

impl Principal {
    /// Somebody who holds this one role, for tables and explanations: a person of no team for roles of people, the machine for
    /// roles of machines. The application's key opens the prediction service; the right to metrics is not the role's but a key's.
    #[must_use]
    pub fn with_role(role: Role) -> Self {
        let name = role.as_str().to_owned();
        match role {
            Role::Supplier => Self::Supplier { name },
            Role::FeedPipeline => Self::FeedPipeline,
            Role::ApiClient => Self::Application { name, rights: BTreeSet::from([Right::Ask, Right::WhatIf]) },
            Role::DataSteward
            | Role::Labeller
            | Role::LabelApprover
            | Role::Trainer
            | Role::ReleaseManager
            | Role::Auditor
            | Role::Admin => Self::Person { name, roles: BTreeSet::from([role]), team: String::new() },
        }
    }

    /// The principal that people mean by a word: `component:trainer`, `role:trainer`, or the plain name of a role, else of a
    /// component. People of a project are looked up by who calls this.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word.split_once(':') {
            Some(("component", name)) => Component::parse(name).map(Self::Component),
            Some(("role", name)) => Role::parse(name).map(Self::with_role),
            Some(_) => None,
            None => Role::parse(word).map(Self::with_role).or_else(|| Component::parse(word).map(Self::Component)),
        }
    }

    fn roles(&self) -> BTreeSet<Role> {
        match self {
            Self::Person { roles, .. } => roles.clone(),
            Self::Component(_) => BTreeSet::new(),
            Self::FeedPipeline => BTreeSet::from([Role::FeedPipeline]),
            Self::Application { .. } => BTreeSet::from([Role::ApiClient]),
            Self::Supplier { .. } => BTreeSet::from([Role::Supplier]),
        }
    }

    /// Kind and name, as the rules write them.
    fn uid(&self) -> Option<EntityUid> {
        match self {
            Self::Person { name, .. } => uid("Person", name),
            Self::Component(component) => uid("Component", component.as_str()),
            Self::FeedPipeline => uid("Component", Role::FeedPipeline.as_str()),
            Self::Application { name, .. } => uid("Application", name),
            Self::Supplier { name } => uid("Supplier", name),
        }
    }

    fn attributes(&self) -> HashMap<String, RestrictedExpression> {
        match self {
            Self::Person { team, .. } => HashMap::from([("team".to_owned(), RestrictedExpression::new_string(team.clone()))]),
            Self::Application { rights, .. } => {
                let rights = rights.iter().map(|right| RestrictedExpression::new_string(right.as_str().to_owned()));
                HashMap::from([("rights".to_owned(), RestrictedExpression::new_set(rights))])
            }
            Self::Component(_) | Self::FeedPipeline | Self::Supplier { .. } => HashMap::new(),
        }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person { name, .. } => formatter.write_str(name),
            Self::Component(component) => write!(formatter, "component {component}"),
            Self::FeedPipeline => formatter.write_str("feed-pipeline"),
            Self::Application { name, .. } => write!(formatter, "application {name}"),
            Self::Supplier { name } => write!(formatter, "supplier {name}"),
        }
    }
}

/// Over what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A thing by name, of the kind that the action is about.
    Named(String),
    /// A label set.
    Labels {
        /// Its name, such as a digest.
        name: String,
        /// Login name of the person who proposed it.
        author: String,
        /// Team of that person.
        team: String,
    },
    /// What is proposed for rows that were set aside.
    Proposal {
        /// Its name, such as a digest.
        name: String,
        /// Login name of the person who proposed it.
        author: String,
        /// Team of that person.
        team: String,
    },
}

/// A question to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub principal: Principal,
    /// What for.
    pub action: Action,
    /// Over what.
    pub resource: Resource,
    /// How many seconds ago a second factor was given in the session; for a component, in the session that it acts in.
    pub second_factor_age_seconds: Option<i64>,
}

impl Request {
    /// A question about a thing that the rules know by its kind alone; for what is proposed, something of somebody else.
    /// Times are Unix seconds.
    #[must_use]
    pub fn new(principal: Principal, action: Action, second_factor_at: Option<i64>, now: i64) -> Self {
        let name = "any".to_owned();
        let (author, team) = ("somebody else".to_owned(), String::new());
        let resource = match kind(action) {
            LABELS => Resource::Labels { name, author, team },
            PROPOSAL => Resource::Proposal { name, author, team },
            _ => Resource::Named(name),
        };
        let second_factor_age_seconds = second_factor_at.map(|given_at| now.saturating_sub(given_at));
        Self { principal, action, resource, second_factor_age_seconds }
    }

    /// The same question over this thing.
    #[must_use]
    pub fn over(self, resource: Resource) -> Self {
        Self { resource, ..self }
    }
}

const LABELS: &str = "Labels";
const PROPOSAL: &str = "Proposal";

/// The kind of thing that an action is about; as in the schema, which has one kind for each action.
pub(crate) const fn kind(action: Action) -> &'static str {
    use Action as A;
    match action {
        A::WriteFeed => "Feed",
        A::BringData | A::WriteSource | A::ReadSource => "Source",
        A::ReviewQuarantine => "Quarantine",
        A::ProposeQuarantine | A::ApproveQuarantine => PROPOSAL,
        A::ProposeLabels | A::ApproveLabels | A::ArchiveLabels => LABELS,
        A::Segment => "Segments",
        A::Train | A::Stage => "Model",
        A::ReviewDependencies => "Dependency",
        A::Release | A::LoadModel => "Release",
        A::Rollback => "Deployment",
        A::AskChurn | A::AskWhatIf | A::ManageKeys => "Api",
        A::ReadMetrics | A::AcknowledgeAlerts => "Metrics",
        A::ReadEvidence | A::WriteEvidence => "Evidence",
        A::ManagePeople => "People",
        A::ManageSuppliers => "Supplier",
        A::RotateSecrets => "Secret",
    }
}

/// A name as the rules write it; none where the kind is not a name of Cedar's language.
pub(crate) fn uid(kind: &str, name: &str) -> Option<EntityUid> {
    let kind = EntityTypeName::from_str(kind).ok()?;
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(name)))
}

/// A request in Cedar's form, checked against the schema.
pub(crate) struct Asked {
    pub(crate) request: cedar_policy::Request,
    pub(crate) entities: Entities,
}

impl Asked {
    /// # Errors
    /// What does not fit: such a request is denied, whatever the rules say.
    pub(crate) fn new(request: &Request, schema: &Schema) -> Result<Self, String> {
        let bad_name = || "a kind of thing has no name".to_owned();
        let principal = request.principal.uid().ok_or_else(bad_name)?;
        let action = uid("Action", request.action.as_str()).ok_or_else(bad_name)?;
        let mut entities = vec![person(&request.principal, &principal)?];
        let resource = match (&request.resource, kind(request.action)) {
            (Resource::Named(_), kind @ (LABELS | PROPOSAL)) => {
                return Err(format!("a question about `{kind}` must say who proposed it"));
            }
            (Resource::Named(name), kind) => uid(kind, name).ok_or_else(bad_name)?,
            (Resource::Labels { name, author, team }, kind @ LABELS)
            | (Resource::Proposal { name, author, team }, kind @ PROPOSAL) => {
                let (proposed, author) = (uid(kind, name).ok_or_else(bad_name)?, uid("Person", author).ok_or_else(bad_name)?);
                let attributes = HashMap::from([
                    ("author".to_owned(), RestrictedExpression::new_entity_uid(author)),
                    ("team".to_owned(), RestrictedExpression::new_string(team.clone())),
                ]);
                entities.push(Entity::new(proposed.clone(), attributes, HashSet::new()).map_err(|error| error.to_string())?);
                proposed
            }
            (Resource::Labels { .. } | Resource::Proposal { .. }, kind) => {
                return Err(format!("`{}` is about `{kind}`, not about something that was proposed", request.action));
            }
        };
        let context = Context::from_pairs([
            ("mfa".to_owned(), RestrictedExpression::new_bool(request.second_factor_age_seconds.is_some())),
            (
                "auth_age".to_owned(),
                RestrictedExpression::new_long(request.second_factor_age_seconds.unwrap_or(SECOND_FACTOR_NEVER)),
            ),
        ])
        .map_err(|error| error.to_string())?;
        let request =
            cedar_policy::Request::new(principal, action, resource, context, Some(schema)).map_err(|error| error.to_string())?;
        let entities = Entities::from_entities(entities, Some(schema)).map_err(|error| error.to_string())?;
        Ok(Self { request, entities })
    }
}

fn person(principal: &Principal, uid: &EntityUid) -> Result<Entity, String> {
    let roles = principal.roles();
    let parents: HashSet<EntityUid> = roles.iter().filter_map(|role| self::uid("Role", role.as_str())).collect();
    if parents.len() != roles.len() {
        return Err("a role has no name".to_owned());
    }
    Entity::new(uid.clone(), principal.attributes(), parents).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_roles_and_components() {
        let check = |word: &str, expected: Option<Principal>| assert_eq!(Principal::parse(word), expected, "{word}");
        check("trainer", Some(Principal::with_role(Role::Trainer)));
        check("component:trainer", Some(Principal::Component(Component::Trainer)));
        check("source-writer", Some(Principal::Component(Component::SourceWriter)));
        check("feed-pipeline", Some(Principal::FeedPipeline));
        check("role:source-writer", None);
        check("team:crm", None);
        check("root", None);
    }

    #[test]
    fn a_kind_of_thing_is_that_of_the_schema() {
        let schema = crate::rules::schema().unwrap();
        for action in Action::ALL {
            let name = uid("Action", action.as_str()).unwrap();
            let kinds: BTreeSet<String> =
                schema.request_envs().filter(|one| *one.action() == name).map(|one| one.resource().to_string()).collect();
            assert_eq!(kinds, BTreeSet::from([kind(*action).to_owned()]), "{action}");
        }
        let actions: BTreeSet<String> = schema.request_envs().map(|one| one.action().id().unescaped().to_owned()).collect();
        assert_eq!(actions, Action::ALL.iter().map(|action| action.as_str().to_owned()).collect());
    }
}
