//! Who may do what is one table, reviewed as text (T1, T4, T6).

use crate::repository::text;

const GOLDEN: &str = "shell/identity/src/matrix.golden";

#[test]
fn the_matrix_of_rights_is_the_reviewed_one() {
    assert!(
        text(GOLDEN) == identity::matrix::table(),
        "{GOLDEN} differs from `identity::matrix::table()`: if the change of rights is meant, run `just gen` and have it reviewed"
    );
}

#[test]
fn nobody_holds_every_right_and_every_right_has_a_holder() {
    use identity::{Action, Component, Role, matrix};
    let most = Action::ALL.len() / 2;
    for role in Role::ALL {
        let count = Action::ALL.iter().filter(|action| matrix::allowed(*role, **action)).count();
        assert!(count > 0 && count < most, "role {role:?} holds {count} rights");
    }
    for action in Action::ALL {
        let person = Role::ALL.iter().any(|role| matrix::allowed(*role, *action));
        let machine = Component::ALL.iter().any(|component| matrix::component_allowed(*component, *action));
        assert!(person || machine, "nobody may `{action}`: remove the action or give the right");
    }
}
