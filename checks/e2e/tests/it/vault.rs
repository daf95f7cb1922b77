//! Secrets that users bring, as their users see them: put, read, made new, taken back; and what a thief of a backup gets (T4).

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::cli::{admin, check, json};
use crate::world::{World, copy, text};

const NEEDLE: &str = "a-rather-long-needle";
const SIGABRT: i32 = 6;

fn world() -> World {
    let world = World::new();
    admin(&world);
    std::fs::write(world.path("password"), format!("{NEEDLE}\n")).unwrap();
    check(&world, &["vault", "put", "db-password", "--file", "password"], 0);
    world
}

/// The value that is current.
fn value(world: &World) -> String {
    let file = world.path("read-out");
    check(world, &["vault", "get", "db-password", "--file", "read-out"], 0);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let value = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    value
}

/// Every file below that holds the text.
fn holding(folder: &Path, text: &str, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            holding(&entry.path(), text, out);
        } else if std::fs::read(entry.path()).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            out.push(entry.path().display().to_string());
        }
    }
}

/// What was done with secrets, as the log tells it.
fn deeds(world: &World) -> Vec<String> {
    let log = json(world, &["evidence", "log", "--number", "1000"], 0);
    let secrets = log.as_array().unwrap().iter().filter(|entry| entry["kind"] == "secret");
    secrets.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_secret_is_put_read_and_made_new_with_evidence_and_without_a_trace() {
    let world = world();
    assert_eq!(value(&world), NEEDLE);
    check(&world, &["vault", "put", "db-password", "--file", "password"], 2);
    check(&world, &["vault", "put", "session", "--file", "password"], 2);
    check(&world, &["vault", "get", "db-password", "--file", "password"], 2);
    check(&world, &["vault", "get", "none", "--file", "elsewhere"], 2);
    assert!(!world.path("elsewhere").exists());
    check(&world, &["vault", "rotate", "db-password"], 0);
    let fresh = value(&world);
    assert!(fresh != NEEDLE && fresh.len() == 43);
    check(&world, &["vault", "rotate", "db-password", "--back"], 0);
    assert_eq!(value(&world), NEEDLE);
    let token = "0123456789abcdef0123456789abcdef";
    for _ in 0..2 {
        check(&world, &["vault", "rotate", "db-password", "--file", "password", "--token", token], 0);
    }
    let listed = json(&world, &["vault", "ls"], 0);
    let ours = listed.as_array().unwrap().iter().find(|one| one["name"] == "db-password").unwrap();
    assert_eq!(ours["version"], token);
    let wanted = ["put", "read", "rotate", "read", "roll-back", "read", "rotate"].map(|what| format!("{what} db-password"));
    assert_eq!(deeds(&world), wanted);
    check(&world, &["evidence", "verify", "--replay"], 0);
    let mut found = Vec::new();
    holding(&world.project(), NEEDLE, &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn who_may_not_manage_secrets_reads_none() {
    let world = World::new();
    std::fs::write(world.path("password"), NEEDLE).unwrap();
    for arguments in [
        &["vault", "get", "db-password", "--file", "out"][..],
        &["vault", "rotate", "db-password"],
        &["vault", "put", "other", "--file", "password"],
        &["vault", "exec", "--secret", "db-password", "--", "true"],
    ] {
        let refused = check(&world, arguments, 4);
        assert!(!text(&refused).contains(NEEDLE));
    }
    assert!(!world.path("out").exists());
    assert_eq!(deeds(&world), Vec::<String>::new());
}

#[test]
fn a_rotation_that_is_killed_goes_on() {
    let world = world();
    for point in pipeline::crash::POINTS.iter().filter(|point| point.starts_with("secret:")) {
        let before = value(&world);
        let killed = world.command(&["vault", "rotate", "db-password"]).env("STAYWARD_CRASH_AT", point).output().unwrap();
        assert_eq!(killed.status.signal(), Some(SIGABRT), "`{point}`: {}", text(&killed));
        let finished = *point == "secret:finished";
        assert_eq!(value(&world) == before, !finished, "`{point}`: nobody is answered with what is not finished");
        let pending = value_at(&world, "pending");
        assert_eq!(pending.is_some(), !finished && *point != "secret:create", "`{point}`");
        check(&world, &["vault", "rotate", "db-password"], 0);
        if let Some(pending) = pending {
            assert_eq!(value(&world), pending, "`{point}`: another value than the one that waited");
        }
        assert_eq!(value_at(&world, "pending"), None);
        check(&world, &["evidence", "verify"], 0);
    }
}

fn value_at(world: &World, stage: &str) -> Option<String> {
    let read = world.stayward(&["vault", "get", "db-password", "--stage", stage, "--file", "at-stage"]);
    let value = std::fs::read_to_string(world.path("at-stage")).ok();
    assert_eq!(read.status.success(), value.is_some(), "{}", text(&read));
    let _absent = std::fs::remove_file(world.path("at-stage"));
    value
}

#[test]
fn a_vault_that_is_put_back_is_refused_until_somebody_takes_it() {
    let world = world();
    let vault = world.project().join("vault");
    let backup = world.path("backup");
    copy(&vault, &backup);
    check(&world, &["vault", "rotate", "db-password"], 0);
    let fresh = value(&world);
    copy(&backup, &vault);
    for arguments in [&["vault", "ls"][..], &["vault", "get", "db-password", "--file", "out"], &["run"], &["api", "key", "ls"]] {
        let refused = check(&world, arguments, 5);
        assert!(text(&refused).contains("rolled back"), "{}", text(&refused));
    }
    // A code is good once: the next one is waited for.
    let accept = ["vault", "accept-older", "admin", "--credentials", "people.json"];
    let began = std::time::Instant::now();
    while !world.stayward(&accept).status.success() {
        assert!(began.elapsed().as_secs() < 70);
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    assert_ne!(value(&world), fresh);
    assert_eq!(value(&world), NEEDLE);
    check(&world, &["evidence", "verify"], 0);
}

#[test]
fn a_program_gets_secrets_as_files_and_nothing_else() {
    let world = world();
    let script = "cat $CREDENTIALS_DIRECTORY/db-password; echo; tr '\\0' '\\n' < /proc/$PPID/cmdline; \
                  cat /proc/self/environ /proc/self/cmdline /proc/$PPID/environ | tr '\\0' '\\n' | grep -c needle; \
                  stat -f -c %T $CREDENTIALS_DIRECTORY; echo $CREDENTIALS_DIRECTORY; exit 7";
    let output = check(&world, &["vault", "exec", "--secret", "db-password", "--", "sh", "-c", script], 7);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], NEEDLE);
    let after = &lines[lines.len() - 3..];
    assert_eq!(after[0], "0", "{said}");
    assert!(!said[NEEDLE.len()..].contains(NEEDLE), "{said}");
    assert!(["tmpfs", "ramfs"].contains(&after[1]), "{said}");
    assert!(!Path::new(after[2]).exists(), "{said}");
    assert_eq!(deeds(&world).last().unwrap(), "read db-password");
}

/// A program that says where its secrets are, then what it was sent; `exec` is sent `signal`.
fn ended_by(world: &World, signal: &str, script: &str) -> (Option<i32>, bool) {
    let said = world.path("said");
    let _absent = std::fs::remove_file(&said);
    let script = script.replace("SAID", &said.display().to_string());
    let mut exec = world.command(&["vault", "exec", "--secret", "db-password", "--", "sh", "-c", &script]).spawn().unwrap();
    let began = std::time::Instant::now();
    let text = || std::fs::read_to_string(&said).unwrap_or_default();
    while !text().ends_with('\n') {
        assert!(began.elapsed().as_secs() < 30);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let folder = text().lines().next().unwrap().to_owned();
    assert!(Path::new(&folder).join("db-password").is_file());
    let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &exec.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = exec.wait().unwrap().code();
    assert!(!Path::new(&folder).exists(), "the files are left after {signal}");
    (ended, text().contains("heard"))
}

#[test]
fn the_files_of_a_program_go_whatever_ends_it() {
    let world = world();
    // A long `sleep` would keep the shell from its traps.
    let waits = "echo $CREDENTIALS_DIRECTORY > SAID; while :; do sleep 0.1; done";
    assert_eq!(ended_by(&world, "TERM", waits), (Some(128 + 15), false));
    assert_eq!(ended_by(&world, "HUP", waits), (Some(128 + 1), false));
    // The program itself hears it, and has time to end well.
    for signal in ["TERM", "HUP"] {
        let hears = format!("trap 'echo heard >> SAID; exit 5' {signal}; {waits}");
        assert_eq!(ended_by(&world, signal, &hears), (Some(5), true));
    }
    // One that does not listen is killed in the end.
    assert_eq!(ended_by(&world, "HUP", &format!("trap '' HUP; {waits}")), (Some(128 + 9), false));
}

#[test]
fn a_program_has_the_other_side_take_the_new_value() {
    let world = world();
    // The other side is a file: it takes the pending value only from somebody who knows the current one.
    std::fs::write(world.path("other-side"), NEEDLE).unwrap();
    let program = "#!/bin/sh\nset -e\ncd \"$CREDENTIALS_DIRECTORY\"\nside=SIDE\ncase $1 in\n\
                   set) cmp -s $side current || cmp -s $side pending; cp pending $side ;;\ntest) cmp -s $side pending ;;\nesac\n";
    let path = world.path("set-password");
    std::fs::write(&path, program.replace("SIDE", &world.path("other-side").display().to_string())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let with = ["vault", "rotate", "db-password", "--program", "./set-password"];
    check(&world, &with, 0);
    assert_eq!(std::fs::read_to_string(world.path("other-side")).unwrap(), value(&world));
    // A side that refuses stops the rotation, and the value before stays current.
    std::fs::write(world.path("other-side"), "something else").unwrap();
    let before = value(&world);
    let refused = check(&world, &with, 2);
    assert!(text(&refused).contains("step `set`"), "{}", text(&refused));
    assert_eq!(value(&world), before);
    check(&world, &["vault", "rotate", "db-password", "--discard"], 0);
}

#[test]
fn a_store_that_was_not_built_in_is_named() {
    let world = world();
    let policy = world.project().join("stayward.toml");
    let whole = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{whole}\n[vault]\nbackend = \"aws\"\n[vault.aws]\nregion = \"eu-central-1\"\n")).unwrap();
    let said = text(&world.stayward(&["vault", "ls"]));
    // With the feature, the service is asked; without credentials it says which it wants.
    assert!(
        said.contains("--features aws") || said.contains("AWS_ACCESS_KEY_ID") || said.contains("cannot be reached"),
        "{said}"
    );
}
