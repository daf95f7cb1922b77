//! The commands that the pages tell people to type, in one place, so that a test can try each of them (T6: the way out is never a guess).

/// Runs every step once.
pub const RUN: &str = "stayward run";
/// Makes a folder with data, keys and people, and runs every step.
pub const DEMO: &str = "stayward demo";
/// Trains the members and the vote.
pub const TRAIN: &str = "stayward run --to training";
/// Asks the service once.
pub const PREDICT: &str = "stayward predict --customer ID";
/// Lists the ledger.
pub const EVIDENCE_LOG: &str = "stayward evidence log";
/// Lists the clauses and their gates.
pub const CONTROLS: &str = "stayward controls";
/// Runs every attack, each defence off and on.
pub const ATTACK_ALL: &str = "stayward attack all --quick";
/// Says what is missing.
pub const DOCTOR: &str = "stayward doctor";
/// Prints a new one-time link.
pub const LOGIN_LINK: &str = "stayward user link NAME";
/// Makes the segments.
pub const SEGMENT: &str = "stayward segment";
/// Lists people and their roles.
pub const ROLES: &str = "stayward user ls";
/// Says how much each application asked.
pub const USAGE: &str = "stayward api usage";

/// Every fixed command of the console.
pub const ALL: [&str; 12] =
    [RUN, DEMO, TRAIN, PREDICT, EVIDENCE_LOG, CONTROLS, ATTACK_ALL, DOCTOR, LOGIN_LINK, SEGMENT, ROLES, USAGE];

/// Shows one ledger entry with its reasons.
pub fn evidence_show(id: &str) -> String {
    format!("stayward evidence show {}", quoted(id))
}

/// Removes a passkey.
pub fn passkey_remove(person: &str, id: &str) -> String {
    // As one word with its name: an id may begin with a hyphen.
    let option = format!("--id={id}");
    let option =
        if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) { option } else { quoted(&option) };
    format!("stayward user passkey rm {} {option}", quoted(person))
}

/// An argument that a shell takes as one word, whatever is in it: a command that is pasted must not run a hostile id.
pub fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/@=+,".contains(letter);
    if !argument.is_empty() && !argument.starts_with('-') && argument.chars().all(plain) {
        return argument.to_owned();
    }
    let visible: String = argument.chars().filter(|letter| !letter.is_control()).collect();
    format!("'{}'", visible.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_needs_no_quotes() {
        assert_eq!(evidence_show("01JD"), "stayward evidence show 01JD");
    }

    #[test]
    fn the_id_of_a_passkey_is_no_option_of_its_own() {
        assert_eq!(passkey_remove("ada", "-aB_"), "stayward user passkey rm ada --id=-aB_");
        assert_eq!(passkey_remove("ada", "$(x)"), "stayward user passkey rm ada '--id=$(x)'");
    }

    #[test]
    fn a_hostile_id_stays_one_word() {
        assert_eq!(evidence_show("$(rm)'; x\n"), r"stayward evidence show '$(rm)'\''; x'");
    }
}
