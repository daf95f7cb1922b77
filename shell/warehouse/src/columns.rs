//! Types of the server whose text form is agreed: what is not here is an error that names the column, not a guess (T1).

/// A column's type, as far as its values are read differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// `true`, `false`.
    Boolean,
    /// Whole numbers.
    Whole,
    /// Numbers with a fraction, exact or floating.
    Number,
    /// Text, names, uuids and enums.
    Text,
    /// A day.
    Date,
    /// A day and a time; with a time zone it comes in UTC.
    Timestamp,
    /// Another; its name.
    Other(String),
}

impl ColumnType {
    /// By `typname` and `typtype`; `own` says that it is one of the server's own types.
    pub(crate) fn of(name: &str, class: &str, own: bool) -> Self {
        if class == "e" {
            return Self::Text;
        }
        match name {
            _ if !own || class != "b" => Self::Other(name.to_owned()),
            "bool" => Self::Boolean,
            "int2" | "int4" | "int8" => Self::Whole,
            "float4" | "float8" | "numeric" => Self::Number,
            "text" | "varchar" | "bpchar" | "name" | "uuid" => Self::Text,
            "date" => Self::Date,
            "timestamp" | "timestamptz" => Self::Timestamp,
            _ => Self::Other(name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agreed_types_are_read() {
        assert_eq!(ColumnType::of("numeric", "b", true), ColumnType::Number);
        assert_eq!(ColumnType::of("plan", "e", false), ColumnType::Text);
        // Somebody's own type may have any name and any text form.
        assert_eq!(ColumnType::of("numeric", "b", false), ColumnType::Other("numeric".into()));
        for name in ["json", "bytea", "_int4", "money", "interval", "time"] {
            assert_eq!(ColumnType::of(name, "b", true), ColumnType::Other(name.into()));
        }
    }
}
