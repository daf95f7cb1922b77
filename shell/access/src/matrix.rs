//! The whole table of rights as text, as the rules decide it (T1, T4, T6): a change of rights shows in review as a change of
//! `access.golden`. Its first part has the form of `identity::matrix::table`, and the tests compare the two.

use identity::{Action, Component, Right, Role};

use crate::access::{Access, fresh};
use crate::request::{Principal, Request};

/// Width of the first column.
const NAME_WIDTH: usize = 20;
/// Ages of a second factor that are looked at, in seconds: up to a year.
const AGE_SECONDS_MAX: i64 = 366 * 24 * 3600;

impl Access {
    /// Role by action, component by action, what each action asks of a person's second factor, what each right of a key opens, and
    /// what components do only in a session with a second factor. `x` allowed, `.` denied. Equal to `access.golden` for the
    /// program's own rules.
    #[must_use]
    pub fn matrix(&self) -> String {
        let mut text = String::new();
        let columns: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        section(&mut text, "roles", &columns, |column, action| {
            Role::ALL.get(column).is_some_and(|role| self.allows(&fresh(Principal::with_role(*role), action)))
        });
        text.push('\n');
        let columns: Vec<&str> = Component::ALL.iter().map(|component| component.as_str()).collect();
        section(&mut text, "components", &columns, |column, action| {
            Component::ALL.get(column).is_some_and(|component| self.allows(&fresh(Principal::Component(*component), action)))
        });
        text.push_str("\nsecond factor\n");
        for action in Action::ALL {
            text.push_str(&format!("{:<NAME_WIDTH$} {}\n", action.as_str(), self.second_factor(*action)));
        }
        text.push('\n');
        let columns: Vec<&str> = Right::ALL.iter().map(|right| right.as_str()).collect();
        section(&mut text, "rights of keys", &columns, |column, action| {
            Right::ALL.get(column).is_some_and(|right| self.key_opens(*right, action))
        });
        text.push_str("\ncomponents that need a second factor in their session\n");
        for component in Component::ALL {
            for action in Action::ALL {
                let principal = Principal::Component(*component);
                let without = Request::new(principal.clone(), *action, None, 0);
                if self.allows(&fresh(principal, *action)) && !self.allows(&without) {
                    text.push_str(&format!("{:<NAME_WIDTH$} {}\n", component.as_str(), action.as_str()));
                }
            }
        }
        text
    }

    /// What an action asks of the second factor of a person, as the rules that forbid have it.
    fn second_factor(&self, action: Action) -> String {
        let person = || Principal::Person { name: "anybody".to_owned(), roles: [].into(), team: String::new() };
        let may = |age: Option<i64>| {
            let request = Request::new(person(), action, None, 0);
            self.unforbidden(&Request { second_factor_age_seconds: age, ..request })
        };
        if may(None) {
            return "-".to_owned();
        }
        if may(Some(AGE_SECONDS_MAX)) {
            return "in session".to_owned();
        }
        if !may(Some(0)) {
            return "never".to_owned();
        }
        // INVARIANT: `youngest` passes and `oldest` does not.
        let (mut youngest, mut oldest) = (0, AGE_SECONDS_MAX);
        while oldest - youngest > 1 {
            let middle = youngest + (oldest - youngest) / 2;
            if may(Some(middle)) { youngest = middle } else { oldest = middle }
        }
        format!("within {youngest} s")
    }

    fn key_opens(&self, right: Right, action: Action) -> bool {
        let principal = Principal::Application { name: "any".to_owned(), rights: [right].into() };
        self.allows(&Request::new(principal, action, None, 0))
    }
}

fn section(text: &mut String, title: &str, columns: &[&str], right: impl Fn(usize, Action) -> bool) {
    text.push_str(&format!("{title:<NAME_WIDTH$}"));
    for column in columns {
        text.push_str(&format!(" {column}"));
    }
    text.push('\n');
    for action in Action::ALL {
        text.push_str(&format!("{:<NAME_WIDTH$}", action.as_str()));
        for (at, column) in columns.iter().enumerate() {
            let mark = if right(at, *action) { "x" } else { "." };
            text.push_str(&format!(" {mark:<width$}", width = column.len()));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}
