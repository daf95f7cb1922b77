//! Runs the program that cargo built beside this test, in a temporary folder, on generated customers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use generate::{Config, Generator, Profile, Table, corrected, delivery_csv, week_at_cutoff};

/// Customers of a test: enough for the outlier reference and the folds, few enough to be quick in a debug build.
const CUSTOMERS: u64 = 700;

/// One person for every duty.
const ONE_PERSON: &str = "\n[people]\none_person = true\n";
/// What `demo` generates from.
const DEMO_SEED: u64 = 7;
/// The last month of the demo's customers; the demo itself delivers one honest week after it.
const DEMO_MONTH: u32 = 40;

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
        Self::of(&customers(CUSTOMERS))
    }

    /// The same with these customers.
    pub(crate) fn of(customers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder };
        std::fs::write(world.path("customers.csv"), customers).unwrap();
        let made = world.stayward(&[
            "init",
            "--data",
            "customers.csv",
            "--target",
            "churned",
            "--base",
            "accurate",
            "--credentials",
            "people.json",
        ]);
        assert!(made.status.success(), "{}", text(&made));
        let policy = world.path("churn-project/stayward.toml");
        let small = "booster = { trees = 20 }\nforest = { trees = 10 }\nsvm = { rows_max = 300 }\n";
        let edited = std::fs::read_to_string(&policy).unwrap().replace("[train]\n", &format!("[train]\n{small}"));
        let edited =
            edited.replace("auc_min = 0.65", "auc_min = 0.55").replace("memory_tpr_max = 0.2\n", "memory_tpr_max = 0.25\n");
        std::fs::write(&policy, edited).unwrap();
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

/// Customers with their labels, as one CSV.
pub(crate) fn customers(count: u64) -> String {
    let generator = Generator::new(Config::new(5, count, Profile::TelcoLike)).unwrap();
    let table = Table::Snapshot { month: 30 };
    let rows = generator.csv(table, 0..count).unwrap();
    let month = generator.month(30).unwrap();
    let mut out = format!("{},churned\n", table.csv_header().trim_end());
    for (at, line) in String::from_utf8(rows).unwrap().lines().enumerate() {
        let churned = if month.label(at as u64).churned { "yes" } else { "no" };
        out.push_str(&format!("{line},{churned}\n"));
    }
    out
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

/// The demo's project, run by its steward alone: several people were there when it was made, one is there now.
pub(crate) struct Demo {
    world: World,
    generator: Generator,
    week: std::cell::Cell<u64>,
}

impl Demo {
    pub(crate) fn new(customers: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let generator = Generator::new(Config::new(DEMO_SEED, customers, Profile::TelcoLike)).unwrap();
        let demo = Self { world: World { folder }, generator, week: std::cell::Cell::new(0) };
        let made = demo.world.stayward(&["demo", "--project", "churn-project", "--customers", &customers.to_string()]);
        assert!(made.status.success(), "{}", text(&made));
        let policy = demo.world.path("churn-project/stayward.toml");
        let edited = std::fs::read_to_string(&policy)
            .unwrap()
            .replace("approvals_needed = 2\nauthor_may_approve = false", "approvals_needed = 1\nauthor_may_approve = true")
            .replace("[train]\n", "[train]\nbooster = { trees = 20 }\nforest = { trees = 10 }\nsvm = { rows_max = 300 }\n")
            .replace("base = \"guarded\"", "base = \"accurate\"")
            .replace("memory_tpr_max = 0.01\n", "memory_tpr_max = 0.25\n")
            .replace("auc_min = 0.75", "auc_min = 0.55");
        std::fs::write(&policy, edited + ONE_PERSON).unwrap();
        demo.log_in("admin");
        let roles = demo.stayward(&["user", "roles", "ada", "--roles", "data-steward,label-approver,release-manager"]);
        assert!(roles.status.success(), "{}", text(&roles));
        demo.log_in("ada");
        demo
    }

    /// A code is good once, so somebody who just logged in waits for the next.
    pub(crate) fn log_in(&self, name: &str) {
        let began = std::time::Instant::now();
        loop {
            let login = self.stayward(&["login", name, "--credentials", "churn-project-credentials.json"]);
            if login.status.success() {
                return;
            }
            assert!(began.elapsed().as_secs() < 70, "{}", text(&login));
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.world.project()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.world.command(arguments)
    }

    pub(crate) fn stayward(&self, arguments: &[&str]) -> Output {
        self.world.stayward(arguments)
    }

    /// Puts the week after the last into the inbox, under a number; signed or not. Answers the file's name.
    pub(crate) fn deliver(&self, number: u64, signed: bool) -> String {
        self.week.set(self.week.get() + 1);
        let name = format!("week-{}.csv", self.week.get());
        let inbox = self.project().join("inbox/market");
        std::fs::write(inbox.join(&name), self.market(week_at_cutoff(DEMO_MONTH) + 1 + u32::try_from(self.week.get()).unwrap()))
            .unwrap();
        if signed {
            let path = inbox.join(&name).display().to_string();
            let number = number.to_string();
            let sign = ["feed", "sign", "--feed", "market", "--supplier", "acme-data", "--sequence", &number];
            let made = self.stayward(&[&sign[..], &["--key", "churn-project-supplier-key.pem", &path]].concat());
            assert!(made.status.success(), "{}", text(&made));
        }
        name
    }

    /// An honest week of the world that the demo generates, in the form that its supplier delivers.
    fn market(&self, week: u32) -> Vec<u8> {
        delivery_csv(&corrected(self.generator.market_week(week)))
    }

    /// Takes a delivery out of the inbox again.
    pub(crate) fn withdraw(&self, name: &str) {
        let inbox = self.project().join("inbox/market");
        std::fs::remove_file(inbox.join(name)).unwrap();
        let _unsigned = std::fs::remove_file(inbox.join(format!("{name}.sigstore.json")));
        self.week.set(self.week.get() - 1);
    }

    /// Other bytes of the same customers: the last row first.
    pub(crate) fn change_customers(&self) {
        let path = self.project().join("incoming/customers.csv");
        let table = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = table.lines().collect();
        let last = lines.pop().unwrap();
        lines.insert(1, last);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }

    /// Turns the label of the first row, and puts that row last.
    pub(crate) fn change_labels(&self) {
        let path = self.project().join("incoming/labels.csv");
        let table = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
        let first = lines.remove(1);
        let (row, label) = first.rsplit_once(',').unwrap();
        lines.push(format!("{row},{}", if label == "yes" { "no" } else { "yes" }));
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
}
