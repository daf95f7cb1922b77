//! What a column's name tells of its role. Only a guess: a person reads the reason beside it.

/// Words that mean a person or account.
const WHO: [&str; 10] =
    ["customer", "client", "account", "user", "subscriber", "member", "cust", "person", "msisdn", "household"];
/// Words that mark an identifier.
const IDENTIFIER: [&str; 7] = ["id", "key", "uuid", "guid", "number", "no", "nr"];
/// Words that tell of something after the cutoff, or of the outcome itself.
const LATER: [&str; 14] = [
    "future",
    "next",
    "churn",
    "churned",
    "churner",
    "attrition",
    "attrited",
    "cancelled",
    "canceled",
    "cancellation",
    "termination",
    "terminated",
    "exited",
    "outcome",
];
/// Words of attributes that laws on equal treatment protect (for instance the EU Charter, article 21).
const PROTECTED: [&str; 22] = [
    "gender",
    "sex",
    "age",
    "senior",
    "race",
    "ethnic",
    "ethnicity",
    "religion",
    "nationality",
    "citizenship",
    "marital",
    "married",
    "disability",
    "disabled",
    "pregnant",
    "pregnancy",
    "birth",
    "birthdate",
    "birthday",
    "dob",
    "orientation",
    "political",
];
/// Words of data that come from outside: markets, indices, competitors.
const OUTSIDE: [&str; 12] = [
    "competitor",
    "competitors",
    "market",
    "euribor",
    "euribor3m",
    "idx",
    "index",
    "benchmark",
    "macro",
    "inflation",
    "gdp",
    "unemployment",
];
/// Words of values that positive labels have.
const POSITIVE: [&str; 16] = [
    "yes",
    "y",
    "true",
    "t",
    "1",
    "1.0",
    "churn",
    "churned",
    "churner",
    "left",
    "lost",
    "exited",
    "cancelled",
    "canceled",
    "attrited",
    "attrited customer",
];
/// Words of moments.
const WHEN: [&str; 5] = ["cutoff", "snapshot", "date", "time", "timestamp"];

/// The words of a name, in lower case: `customerID`, `customer_id` and `Customer Id` are all `customer`, `id`.
pub(super) fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut out = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied();
        let after = letters.get(at + 1).copied();
        if !letter.is_alphanumeric() {
            out.push(String::new());
            continue;
        }
        let begins = letter.is_uppercase()
            && (before.is_some_and(|c| c.is_lowercase() || c.is_numeric())
                || (before.is_some_and(char::is_uppercase) && after.is_some_and(char::is_lowercase)));
        if begins {
            out.push(String::new());
        }
        if let Some(word) = out.last_mut() {
            word.extend(letter.to_lowercase());
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

fn first_of(words: &[String], list: &[&'static str]) -> Option<&'static str> {
    words.iter().find_map(|word| list.iter().copied().find(|known| known == word))
}

/// How surely a name is that of the customer's identifier: 0 is not at all.
pub(super) fn id_score(words: &[String]) -> u32 {
    let who = words.iter().any(|word| WHO.contains(&word.as_str()) || WHO.iter().any(|w| *word == format!("{w}id")));
    let joined = words.iter().any(|word| WHO.iter().any(|who| *word == format!("{who}id") || *word == format!("{who}no")));
    let last = words.last().is_some_and(|word| IDENTIFIER.contains(&word.as_str()));
    let bare = matches!(words, [only] if matches!(only.as_str(), "id" | "uuid" | "guid" | "msisdn"));
    if joined || (who && last) {
        3
    } else if bare {
        2
    } else {
        u32::from(words.len() > 1 && words.last().is_some_and(|word| matches!(word.as_str(), "id" | "uuid" | "guid" | "no")))
    }
}

/// A word that tells of something after the cutoff.
pub(super) fn later(words: &[String]) -> Option<&'static str> {
    first_of(words, &LATER)
}

/// A word of a protected attribute.
pub(super) fn protected(words: &[String]) -> Option<&'static str> {
    first_of(words, &PROTECTED)
}

/// A word of the outside; and the pairs of the national accounts of employment.
pub(super) fn outside(words: &[String]) -> Option<&'static str> {
    let pair = |one: &str, two: &str| words.windows(2).any(|pair| matches!(pair, [a, b] if a == one && b == two));
    if pair("emp", "var") || pair("nr", "employed") { Some("employment") } else { first_of(words, &OUTSIDE) }
}

/// A word of moments.
pub(super) fn when(words: &[String]) -> bool {
    first_of(words, &WHEN).is_some()
}

/// Whether a number of this name may be seconds since 1970.
pub(super) fn stamp(words: &[String]) -> bool {
    words.iter().any(|word| matches!(word.as_str(), "timestamp" | "ts" | "epoch" | "unix"))
}

/// How well a name fits the value at stake: 0 is not at all.
pub(super) fn value_score(words: &[String]) -> u32 {
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let money = has(&["charge", "charges", "bill", "billing", "fee", "fees", "revenue", "spend", "spending", "payment"]);
    if has(&["discount", "rate", "ratio", "share", "pct", "percent", "count", "days", "method"]) {
        0
    } else if has(&["monetary", "profit", "margin", "clv", "ltv", "arpu", "mrr"]) {
        6
    } else if has(&["revenue"]) {
        5
    } else if (has(&["monthly"]) && money) || (has(&["customer", "lifetime"]) && has(&["value"])) {
        4
    } else if has(&["spend", "spending"]) || (has(&["total"]) && money) {
        3
    } else if money {
        2
    } else {
        0
    }
}

/// Whether a level is one that positive labels have.
pub(super) fn positive(level: &str) -> bool {
    let level = level.trim().to_lowercase();
    POSITIVE.contains(&level.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        for (name, expected) in [
            ("customerID", "customer id"),
            ("CustomerID", "customer id"),
            ("customer_id", "customer id"),
            ("TotalCharges", "total charges"),
            ("emp.var.rate", "emp var rate"),
            ("IDNumber", "id number"),
            ("Age Group", "age group"),
            ("StreamingTV", "streaming tv"),
        ] {
            assert_eq!(words(name).join(" "), expected);
        }
    }

    #[test]
    fn identifiers_are_told_from_other_columns_of_customers() {
        for (name, score) in
            [("customerID", 3), ("customerid", 3), ("id", 2), ("InvoiceNo", 1), ("Customer Value", 0), ("paid", 0)]
        {
            assert_eq!(id_score(&words(name)), score, "{name}");
        }
    }
}
