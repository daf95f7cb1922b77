//! Commands that are printed as the next step work when they are pasted: where the project was named by `--project`, they name it,
//! too (T6: the way out is never a guess).

use std::path::Path;
use std::sync::OnceLock;

/// ` --project X`; unset where the next command finds the project by itself.
static FLAG: OnceLock<String> = OnceLock::new();

/// Commands that work on no project, or make one.
const WITHOUT_PROJECT: [&str; 8] =
    ["init", "demo", "attack", "generate", "completions", "feed keygen", "feed sign", "feed verify"];

/// From now on every printed command names this project.
pub(crate) fn name_project(project: &Path) {
    // A second call changes nothing, and there is none.
    let _known = FLAG.set(format!(" --project {}", console::command::quoted(&project.display().to_string())));
}

/// A text whose commands name the project.
pub(crate) fn addressed(text: &str) -> String {
    FLAG.get().map_or_else(|| text.to_owned(), |flag| with_flag(text, flag))
}

/// Commands stand in backticks, in brackets, at the start of a line, or behind `next:`.
fn with_flag(text: &str, flag: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| line_with_flag(line, flag)).collect();
    lines.join("\n")
}

fn line_with_flag(line: &str, flag: &str) -> String {
    let pieces = line.split('`').enumerate().map(|(at, piece)| {
        if at % 2 == 1 {
            return command_with_flag(piece, flag);
        }
        let plain = piece.trim_start();
        let start = piece.len() - plain.len();
        let start = match (at, plain.strip_prefix("next:"), piece.find("(stayward ")) {
            (0, Some(rest), _) => start + plain.len() - rest.trim_start().len(),
            (_, _, Some(bracket)) => bracket + 1,
            (0, None, None) => start,
            (_, _, None) => return piece.to_owned(),
        };
        let (before, command) = piece.split_at(start);
        let ends = [command.find(')'), command.find("  "), command.find(" #")];
        let (command, after) = command.split_at(ends.into_iter().flatten().min().unwrap_or(command.len()));
        format!("{before}{}{after}", command_with_flag(command, flag))
    });
    pieces.collect::<Vec<_>>().join("`")
}

fn command_with_flag(command: &str, flag: &str) -> String {
    let Some(rest) = command.strip_prefix("stayward ") else { return command.to_owned() };
    let without = WITHOUT_PROJECT.iter().any(|verb| rest == *verb || rest.starts_with(&format!("{verb} ")));
    if without || rest.starts_with('-') || command.contains("--project") {
        return command.to_owned();
    }
    format!("{}{flag}", command.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(with_flag(text, " --project X"), expected);
    }

    #[test]
    fn commands_name_the_project() {
        check(
            "log in with `stayward login` or `stayward login ada`",
            "log in with `stayward login --project X` or `stayward login ada --project X`",
        );
        check("next: stayward run", "next: stayward run --project X");
        check(
            "next:\n  stayward serve\n  stayward run    # then",
            "next:\n  stayward serve --project X\n  stayward run --project X    # then",
        );
        check(
            "\n  evidence  8c21   (stayward evidence show 8c21)",
            "\n  evidence  8c21   (stayward evidence show 8c21 --project X)",
        );
    }

    #[test]
    fn what_is_no_command_of_a_project_stays() {
        for text in [
            "another stayward process works on this project",
            "make one with `stayward init --data FILE --target COLUMN`, or `stayward demo`",
            "stayward run --project Y",
            "`stayward feed keygen` makes a pair",
            "`chmod 600 x` and a ` alone",
            "model a answers at https://localhost (console)",
            "",
        ] {
            check(text, text);
        }
    }
}
