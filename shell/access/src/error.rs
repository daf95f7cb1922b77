//! What can be wrong with a project's own rules: said by rule and place, with the way to mend it (T4).

/// Why rules were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Too much text, too many rules, or one rule too long.
    #[error("`{file}` has {count} {what}; at most {max} are read")]
    Limit {
        /// Which file.
        file: String,
        /// What was counted.
        what: &'static str,
        /// How many there are, at least.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// Not Cedar.
    #[error("`{file}` is not Cedar: {problem}")]
    Syntax {
        /// Which file.
        file: String,
        /// The parser's words.
        problem: String,
    },
    /// A rule that fits no request of the schema, or names what is not in it.
    #[error("`{file}` does not fit the schema: {problem}")]
    Schema {
        /// Which file.
        file: String,
        /// The validator's words.
        problem: String,
    },
    /// An annotation is missing.
    #[error("rule {number} of `{file}` has no `@{annotation}`")]
    Annotation {
        /// Which file.
        file: String,
        /// Which rule, from 1.
        number: usize,
        /// What is missing.
        annotation: &'static str,
    },
    /// Two rules with one name.
    #[error("`{file}` has a rule `{id}`, and another rule has that name")]
    Duplicate {
        /// Which file.
        file: String,
        /// The name.
        id: String,
    },
    /// A declared change that forbids says nothing about what is granted.
    #[error("policy {number} of the declared change is not a permit")]
    Declaration {
        /// Which, from 1.
        number: usize,
    },
    /// A template has no meaning of its own, and nobody can prove anything about it.
    #[error("`{file}` has a template (`?principal` or `?resource`)")]
    Template {
        /// Which file.
        file: String,
    },
}

impl AccessError {
    /// What the reader can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Limit { .. } => "write fewer and shorter rules: a rule that nobody can read protects nothing".to_owned(),
            Self::Syntax { .. } => {
                "mend it there; each rule is `permit (..);` or `forbid (..);` as in Cedar's language".to_owned()
            }
            Self::Schema { .. } => "use the names of `stayward access matrix`; the schema is in shell/access/policies".to_owned(),
            Self::Annotation { annotation, .. } => format!("write `@{annotation}(\"..\")` above the rule"),
            Self::Duplicate { id, .. } => format!("give it a name of its own, such as `project.{id}`"),
            Self::Declaration { .. } => "declare only what is granted: `permit (..);`".to_owned(),
            Self::Template { .. } => "write a rule for a role instead: `principal in Role::\"..\"`".to_owned(),
        }
    }
}
