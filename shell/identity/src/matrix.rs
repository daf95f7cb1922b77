//! Who may do what (T1, T4, T6): one table, default deny, least rights, and duties that nobody may hold together.
//! The whole table is kept as text in `matrix.golden`; a change of rights shows in review as a change of that file.

use std::collections::BTreeSet;

use crate::role::{Action, Component, Role};

/// Two duties of one process that two people must hold.
pub const SEPARATED: &[(Role, Role)] = &[
    // T6: who proposes a label never signs it off.
    (Role::Labeller, Role::LabelApprover),
    // T4: who trains a model never releases it.
    (Role::Trainer, Role::ReleaseManager),
    // T6: who gives rights holds no other, and who audits is audited by nobody but the ledger.
    (Role::Admin, Role::Labeller),
    (Role::Admin, Role::LabelApprover),
    (Role::Admin, Role::DataSteward),
    (Role::Admin, Role::ReleaseManager),
    (Role::Admin, Role::Trainer),
    (Role::Auditor, Role::Admin),
    (Role::Auditor, Role::Labeller),
    (Role::Auditor, Role::LabelApprover),
    (Role::Auditor, Role::DataSteward),
    (Role::Auditor, Role::Trainer),
    (Role::Auditor, Role::ReleaseManager),
];

/// Actions that change who may do what; no role of data or of callers reaches them.
pub const ADMIN_ACTIONS: &[Action] = &[Action::ManageKeys, Action::ManagePeople, Action::ManageSuppliers, Action::RotateSecrets];

/// How old a second factor may be for actions that change what people or callers get: 15 minutes
/// (OWASP ASVS 5.0 asks for re-authentication before sensitive actions, without a number).
pub const STEP_UP_SECONDS: i64 = 15 * 60;

/// What an action asks of the second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// None: reading evidence and metrics.
    NotNeeded,
    /// Given at some time in this session.
    InSession,
    /// Given in the last so many seconds.
    Within(i64),
}

/// Why an action is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No role of the caller has the right.
    #[error("none of the roles held may `{action}`")]
    NoRole {
        /// What was asked for.
        action: Action,
    },
    /// The session has no second factor.
    #[error("`{action}` needs a second factor, and this session has none")]
    SecondFactorMissing {
        /// What was asked for.
        action: Action,
    },
    /// The second factor is too old.
    #[error("`{action}` needs a second factor of the last `{max_seconds}` seconds; the last was `{age_seconds}` seconds ago")]
    SecondFactorTooOld {
        /// What was asked for.
        action: Action,
        /// Age of the last one.
        age_seconds: i64,
        /// How old it may be.
        max_seconds: i64,
    },
    /// The component has no such right.
    #[error("component `{component}` may not `{action}`")]
    Component {
        /// Who asked.
        component: Component,
        /// What was asked for.
        action: Action,
    },
}

impl Denial {
    /// What the reader can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoRole { action } => {
                let roles: Vec<_> = Role::ALL.iter().filter(|role| allowed(**role, *action)).map(|role| role.as_str()).collect();
                if roles.is_empty() {
                    return "no person has this right; only a component of the pipeline does it".to_owned();
                }
                format!("ask somebody who is `{}`, or an admin for that role", roles.join("` or `"))
            }
            Self::SecondFactorMissing { .. } | Self::SecondFactorTooOld { .. } => {
                "confirm with a code of your second factor".to_owned()
            }
            Self::Component { .. } => "least privilege: have the component that owns this action do it".to_owned(),
        }
    }
}

const fn rights(role: Role) -> &'static [Action] {
    use Action as A;
    match role {
        Role::Supplier => &[A::WriteFeed],
        Role::FeedPipeline => &[A::WriteFeed, A::WriteSource, A::WriteEvidence],
        Role::DataSteward => &[
            A::BringData,
            A::ReviewQuarantine,
            A::ProposeQuarantine,
            A::ApproveQuarantine,
            A::ReadSource,
            A::ReadMetrics,
            A::ReadEvidence,
        ],
        Role::Labeller => &[A::ReadSource, A::ProposeLabels],
        Role::LabelApprover => &[A::ApproveQuarantine, A::ReadSource, A::ApproveLabels, A::ReadEvidence],
        Role::Trainer => &[A::ReadSource, A::Segment, A::Train, A::ReadMetrics],
        Role::ReleaseManager => {
            &[A::ReviewDependencies, A::Stage, A::Release, A::Rollback, A::ReadMetrics, A::AcknowledgeAlerts, A::ReadEvidence]
        }
        Role::ApiClient => &[A::AskChurn, A::AskWhatIf],
        Role::Auditor => &[A::ReadMetrics, A::ReadEvidence],
        Role::Admin => &[A::ManageKeys, A::ManagePeople, A::ManageSuppliers, A::RotateSecrets, A::ReadMetrics, A::ReadEvidence],
    }
}

const fn component_rights(component: Component) -> &'static [Action] {
    use Action as A;
    match component {
        Component::FeedIntake => &[A::WriteFeed, A::WriteEvidence],
        Component::SourceWriter => &[A::WriteSource, A::WriteEvidence],
        Component::LabelQa => &[A::ReadSource, A::ArchiveLabels, A::WriteEvidence],
        Component::Segmenter => &[A::ReadSource, A::Segment, A::WriteEvidence],
        Component::Trainer => &[A::ReadSource, A::Train, A::WriteEvidence],
        Component::Stager => &[A::Stage, A::WriteEvidence],
        Component::Releaser => &[A::Release, A::Rollback, A::WriteEvidence],
        Component::ApiServer => &[A::LoadModel, A::WriteEvidence],
        Component::Monitor => &[A::ReadMetrics, A::ReadEvidence, A::WriteEvidence],
    }
}

/// Whether the role has the right. What is not in the table is denied.
#[must_use]
pub fn allowed(role: Role, action: Action) -> bool {
    rights(role).contains(&action)
}

/// Whether any of the roles has the right.
#[must_use]
pub fn any_allowed(roles: &BTreeSet<Role>, action: Action) -> bool {
    roles.iter().any(|role| allowed(*role, action))
}

/// Whether the component has the right.
#[must_use]
pub fn component_allowed(component: Component, action: Action) -> bool {
    component_rights(component).contains(&action)
}

/// The first two roles of the set that nobody may hold together.
#[must_use]
pub fn conflict(roles: &BTreeSet<Role>) -> Option<(Role, Role)> {
    SEPARATED.iter().copied().find(|(one, other)| roles.contains(one) && roles.contains(other))
}

/// What the action asks of a person's second factor.
#[must_use]
pub const fn second_factor(action: Action) -> SecondFactor {
    use Action as A;
    match action {
        A::ReviewQuarantine
        | A::ApproveQuarantine
        | A::ApproveLabels
        | A::ReviewDependencies
        | A::Release
        | A::Rollback
        | A::ManageKeys
        | A::ManagePeople
        | A::ManageSuppliers
        | A::RotateSecrets => SecondFactor::Within(STEP_UP_SECONDS),
        A::WriteFeed
        | A::BringData
        | A::WriteSource
        | A::ReadSource
        | A::ProposeQuarantine
        | A::ProposeLabels
        | A::ArchiveLabels
        | A::Segment
        | A::Train
        | A::Stage
        | A::LoadModel
        | A::AskChurn
        | A::AskWhatIf
        | A::AcknowledgeAlerts
        | A::WriteEvidence => SecondFactor::InSession,
        A::ReadMetrics | A::ReadEvidence => SecondFactor::NotNeeded,
    }
}

/// Judges a person: roles first, then the second factor. Times in Unix seconds.
///
/// # Errors
/// The [`Denial`], with help that names the way to the right.
pub fn authorise(roles: &BTreeSet<Role>, second_factor_at: Option<i64>, action: Action, now: i64) -> Result<(), Denial> {
    if !any_allowed(roles, action) {
        return Err(Denial::NoRole { action });
    }
    match (second_factor(action), second_factor_at) {
        (SecondFactor::NotNeeded, _) | (SecondFactor::InSession, Some(_)) => Ok(()),
        (SecondFactor::InSession | SecondFactor::Within(_), None) => Err(Denial::SecondFactorMissing { action }),
        (SecondFactor::Within(max_seconds), Some(given_at)) => {
            let age_seconds = now.saturating_sub(given_at);
            // A factor from the future means a clock that cannot be believed.
            if (0..=max_seconds).contains(&age_seconds) {
                return Ok(());
            }
            Err(Denial::SecondFactorTooOld { action, age_seconds, max_seconds })
        }
    }
}

/// Judges a component.
///
/// # Errors
/// [`Denial::Component`].
pub fn authorise_component(component: Component, action: Action) -> Result<(), Denial> {
    if component_allowed(component, action) { Ok(()) } else { Err(Denial::Component { component, action }) }
}

/// The whole table as text: one line for each action; `x` allowed, `.` denied. Equal to `matrix.golden`.
#[must_use]
pub fn table() -> String {
    let mut text = String::new();
    let columns: Vec<&str> = Role::ALL.iter().map(|r| r.as_str()).collect();
    section(&mut text, "roles", &columns, |column, action| Role::ALL.get(column).is_some_and(|role| allowed(*role, action)));
    text.push('\n');
    let columns: Vec<&str> = Component::ALL.iter().map(|c| c.as_str()).collect();
    section(&mut text, "components", &columns, |column, action| {
        Component::ALL.get(column).is_some_and(|component| component_allowed(*component, action))
    });
    text.push_str("\nsecond factor\n");
    for action in Action::ALL {
        let needed = match second_factor(*action) {
            SecondFactor::NotNeeded => "-".to_owned(),
            SecondFactor::InSession => "in session".to_owned(),
            SecondFactor::Within(seconds) => format!("within {seconds} s"),
        };
        text.push_str(&format!("{:<20} {needed}\n", action.as_str()));
    }
    text
}

fn section(text: &mut String, title: &str, columns: &[&str], right: impl Fn(usize, Action) -> bool) {
    text.push_str(&format!("{title:<20}"));
    for column in columns {
        text.push_str(&format!(" {column}"));
    }
    text.push('\n');
    for action in Action::ALL {
        text.push_str(&format!("{:<20}", action.as_str()));
        for (at, column) in columns.iter().enumerate() {
            let mark = if right(at, *action) { "x" } else { "." };
            text.push_str(&format!(" {mark:<width$}", width = column.len()));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(roles: &[Role]) -> BTreeSet<Role> {
        roles.iter().copied().collect()
    }

    #[test]
    fn the_table_equals_the_golden_file() {
        let golden = include_str!("matrix.golden");
        if std::env::var_os("STAYWARD_BLESS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/matrix.golden"), table()).unwrap();
            return;
        }
        assert_eq!(table(), golden, "rights changed; if meant, run this test with STAYWARD_BLESS=1 and have the file reviewed");
    }

    #[test]
    fn nobody_has_a_right_without_a_role() {
        for action in Action::ALL {
            assert_eq!(authorise(&set(&[]), Some(0), *action, 0), Err(Denial::NoRole { action: *action }));
        }
    }

    #[test]
    fn no_role_and_no_allowed_pair_both_proposes_and_approves_labels() {
        for one in Role::ALL {
            for other in Role::ALL {
                let roles = set(&[*one, *other]);
                let both = any_allowed(&roles, Action::ProposeLabels) && any_allowed(&roles, Action::ApproveLabels);
                assert!(!both || conflict(&roles).is_some(), "{one} with {other}");
            }
        }
        assert_eq!(conflict(&set(&[Role::Labeller, Role::LabelApprover])), Some((Role::Labeller, Role::LabelApprover)));
        assert_eq!(conflict(&set(&[Role::Labeller, Role::DataSteward])), None);
    }

    #[test]
    fn nobody_who_trains_releases() {
        for one in Role::ALL {
            for other in Role::ALL {
                let roles = set(&[*one, *other]);
                let both = any_allowed(&roles, Action::Train) && any_allowed(&roles, Action::Release);
                assert!(!both || conflict(&roles).is_some(), "{one} with {other}");
            }
        }
    }

    #[test]
    fn only_admin_reaches_admin_actions() {
        for action in ADMIN_ACTIONS {
            for role in Role::ALL {
                assert_eq!(allowed(*role, *action), *role == Role::Admin, "{role} {action}");
            }
            for component in Component::ALL {
                assert!(!component_allowed(*component, *action), "{component} {action}");
            }
        }
    }

    #[test]
    fn the_caller_of_the_api_can_only_ask() {
        for action in Action::ALL {
            let asks = matches!(*action, Action::AskChurn | Action::AskWhatIf);
            assert_eq!(allowed(Role::ApiClient, *action), asks, "{action}");
        }
    }

    #[test]
    fn people_never_write_the_data_source_or_the_ledger_and_one_component_writes_each() {
        for action in [Action::WriteSource, Action::WriteEvidence, Action::ArchiveLabels] {
            assert!(Role::ALL.iter().filter(|role| !role.is_machine()).all(|role| !allowed(*role, action)), "{action}");
        }
        for action in [Action::WriteSource, Action::ArchiveLabels, Action::Train, Action::LoadModel] {
            assert_eq!(Component::ALL.iter().filter(|c| component_allowed(**c, action)).count(), 1, "{action}");
        }
    }

    #[test]
    fn the_second_factor_must_be_there_and_fresh() {
        let approver = set(&[Role::LabelApprover]);
        let (action, now) = (Action::ApproveLabels, 10_000);
        assert_eq!(authorise(&approver, Some(now), action, now), Ok(()));
        assert_eq!(authorise(&approver, Some(now - STEP_UP_SECONDS), action, now), Ok(()));
        assert!(matches!(authorise(&approver, None, action, now), Err(Denial::SecondFactorMissing { .. })));
        for given_at in [now - STEP_UP_SECONDS - 1, now + 1, i64::MIN] {
            assert!(matches!(authorise(&approver, Some(given_at), action, now), Err(Denial::SecondFactorTooOld { .. })));
        }
        assert_eq!(authorise(&approver, Some(0), Action::ReadSource, now), Ok(()));
        assert_eq!(authorise(&approver, None, Action::ReadEvidence, now), Ok(()));
    }

    #[test]
    fn a_denial_names_the_way() {
        let denial = authorise(&set(&[Role::Auditor]), Some(0), Action::Release, 0).unwrap_err();
        assert!(denial.help().contains("release-manager"));
        let denial = authorise_component(Component::Segmenter, Action::WriteSource).unwrap_err();
        assert_eq!(denial.to_string(), "component `segmenter` may not `write-source`");
    }

    #[test]
    fn names_are_unique_and_read_back() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(*action));
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(*role));
        }
        for component in Component::ALL {
            assert_eq!(Component::parse(component.as_str()), Some(*component));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
