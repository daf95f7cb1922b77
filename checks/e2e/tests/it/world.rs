//! Runs the program that cargo built beside this test, in a temporary folder, on generated customers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use generate::{Config, Generator, Profile, Table};

/// Customers of a test: enough for the outlier reference and the folds, few enough to be quick in a debug build.
const CUSTOMERS: u64 = 700;

/// The program. Cargo puts it beside the folder of this test binary; the workspace's tests build it.
pub(crate) fn program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let path = path.join("stayward");
    assert!(path.is_file(), "{} is missing: run `cargo build -p stayward` first", path.display());
    path
}

pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A project made by `init`, with few trees, so that a run takes a second.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder };
        std::fs::write(world.path("customers.csv"), customers()).unwrap();
        let made = world.stayward(&["init", "--data", "customers.csv", "--target", "churned", "--credentials", "people.json"]);
        assert!(made.status.success(), "{}", text(&made));
        let policy = world.path("churn-project/stayward.toml");
        let small = "booster = { trees = 20 }\nforest = { trees = 10 }\nsvm = { rows_max = 300 }\n";
        let edited = std::fs::read_to_string(&policy).unwrap().replace("[train]\n", &format!("[train]\n{small}"));
        std::fs::write(&policy, edited.replace("auc_min = 0.65", "auc_min = 0.55")).unwrap();
        world
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.path("churn-project")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.folder.path()).env_remove("STAYWARD_PROJECT").env("NO_COLOR", "1");
        command
    }

    pub(crate) fn stayward(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A copy of the project in another folder, to be damaged.
    pub(crate) fn copy_to(&self, below: &str) -> PathBuf {
        let to = self.path(below);
        copy(&self.project(), &to);
        to
    }
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "exit {:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn customers() -> Vec<u8> {
    let generator = Generator::new(Config::new(5, CUSTOMERS, Profile::TelcoLike)).unwrap();
    let table = Table::Snapshot { month: 30 };
    let rows = generator.csv(table, 0..CUSTOMERS).unwrap();
    let month = generator.month(30).unwrap();
    let mut out = format!("{},churned\n", table.csv_header().trim_end());
    for (at, line) in String::from_utf8(rows).unwrap().lines().enumerate() {
        let churned = if month.label(at as u64).churned { "yes" } else { "no" };
        out.push_str(&format!("{line},{churned}\n"));
    }
    out.into_bytes()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
