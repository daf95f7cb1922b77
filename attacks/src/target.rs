//! What an attacker can do to the pipeline, as methods. The adapter plays the same move against the gates, or around them, so that an
//! attack measures a defence off and on (T1 to T7).

use std::collections::BTreeMap;

use gate::Clause;
use generate::MarketRow;
use serde::Serialize;

/// Whether the gates judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defence {
    /// The same code without its gates.
    Off,
    /// As it ships.
    On,
}

/// The target could not play: nothing was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl std::fmt::Display for Broken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the target could not play: {}", self.0)
    }
}

impl std::error::Error for Broken {}

/// What became of a move. A subject that waits for people was not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it came through.
    pub let_through: bool,
    /// What stopped it: a gate's id, or a word; empty where nothing did.
    pub by: String,
}

impl Judged {
    /// Let through.
    pub fn through() -> Self {
        Self { let_through: true, by: String::new() }
    }

    /// Stopped.
    pub fn stopped(by: impl Into<String>) -> Self {
        Self { let_through: false, by: by.into() }
    }
}

/// A window is let through when people are not called for this clause; for another clause is another alarm's merit.
pub(crate) fn unnoticed(called_for: &[Clause], clause: Clause) -> Judged {
    if called_for.contains(&clause) { Judged::stopped(format!("alarm: {}", clause.id())) } else { Judged::through() }
}

/// Honest use is let through when nobody is called at all.
pub(crate) fn quiet(called_for: &[Clause]) -> Judged {
    called_for.first().map_or_else(Judged::through, |clause| Judged::stopped(format!("alarm: {}", clause.id())))
}

/// How bytes travel to intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A folder of this machine.
    Folder,
    /// HTTP without TLS.
    Plain,
}

/// Whose key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// The supplier's own, registered key.
    Supplier,
    /// A key that nobody registered.
    Stranger,
    /// The registered key of another supplier.
    OtherSupplier,
}

/// The signature that comes with a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Whose key.
    pub hand: Hand,
    /// The bytes that were signed; those of the delivery where absent.
    pub over: Option<Vec<u8>>,
    /// The feed that it names.
    pub feed: String,
    /// The sequence number that it names.
    pub sequence: u64,
    /// Days from now until it expires.
    pub days: i64,
}

/// A delivery of market prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// CSV bytes.
    pub bytes: Vec<u8>,
    /// How they travel.
    pub channel: Channel,
    /// Their signature, if any.
    pub seal: Option<Seal>,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Whether anything of it goes on.
    pub judged: Judged,
    /// Rows that go on to the data source, counted from 0 in the delivery's order.
    pub kept: Vec<u32>,
}

/// The proof that comes with third-party rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The rows came through data validation.
    Own,
    /// There is none.
    None,
    /// The receipt of another delivery that came through.
    Anothers,
    /// The right receipt, with more rows than came through.
    MoreRows,
    /// A receipt that never stood in the log.
    Unlogged,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A third party's feed.
    Feed(Proof),
    /// Internal data, by a connector, with columns beside those of the contract.
    Internal {
        /// The connector.
        connector: String,
        /// Columns too many.
        extra: Vec<String>,
    },
}

/// The session behind a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Password and one-time code, fresh.
    TwoFactors,
    /// A password alone.
    Password,
    /// A stolen login link.
    Link,
    /// Two factors, so many hours ago.
    HoursAgo(i64),
}

/// A write to the machine learning data source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where the rows come from.
    pub route: Route,
    /// The component that says it writes.
    pub writer: String,
    /// The session behind it.
    pub login: Login,
}

/// People around labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// May propose.
    Labeller,
    /// May approve.
    Approver,
    /// May approve, too.
    SecondApprover,
}

/// A new version of the labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMove {
    /// Labels that are turned round, places in [`Target::labels`].
    pub flips: Vec<usize>,
    /// Who proposes it.
    pub author: Person,
    /// Who signs.
    pub signers: Vec<Person>,
    /// The labels are turned round only after the signatures.
    pub swapped_after: bool,
    /// The archived version before is overwritten on the disk.
    pub archive_rewritten: bool,
    /// Labels that the insider gave himself, places in [`Target::labels`]; the others are from three colleagues. Empty where the file
    /// does not say who labelled.
    pub own: Vec<usize>,
    /// Somebody else labels random rows again, blind and honestly, as a policy can ask for.
    pub second_labels: bool,
}

/// One row of features by column; `None` is missing.
pub type Row = BTreeMap<String, Option<String>>;

/// A column of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Lowest, highest and standard deviation among customers, where it holds numbers.
    pub range: Option<(f64, f64, f64)>,
    /// Whether the contract lets whole numbers only.
    pub whole: bool,
}

/// A key that an application holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWish {
    /// Calls per minute.
    pub per_minute: u32,
    /// Different customers per day.
    pub distinct_per_day: u32,
    /// Whether rows of one's own may be sent.
    pub what_if: bool,
    /// Whether the key is past its time.
    pub expired: bool,
    /// Whether it was withdrawn.
    pub revoked: bool,
    /// Serve only the first so many customers.
    pub first_customers: Option<usize>,
}

impl KeyWish {
    /// A generous, good key.
    pub fn generous() -> Self {
        Self {
            per_minute: 6_000,
            distinct_per_day: 1_000_000,
            what_if: true,
            expired: false,
            revoked: false,
            first_customers: None,
        }
    }
}

/// A question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The key, if any.
    pub key: Option<String>,
    /// Customers asked about.
    pub customers: Vec<String>,
    /// Rows of the caller's own.
    pub rows: Vec<Row>,
    /// Whether a finer answer than yes or no is wished.
    pub finer: bool,
}

/// What is learnt of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// Yes or no.
    Class(bool),
    /// One of ten bands.
    Band(u8),
    /// The probability.
    Probability(f64),
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Whether it was answered.
    pub judged: Judged,
    /// One per row, in order.
    pub seen: Vec<Seen>,
    /// Everything else that the caller reads.
    pub words: String,
}

/// What is changed about training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
    /// Nothing.
    None,
    /// Hyperparameters other than those of the policy.
    Parameters,
    /// The policy file is changed while the run is under way.
    PolicyMidRun,
    /// Another program trained it.
    Program,
    /// Data that never came through the data source's gates.
    Data,
    /// Labels that nobody approved.
    Labels,
}

/// What is offered for deployment, in which surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// What the run made.
    Honest,
    /// A file of the model was exchanged after the checks.
    OtherModel,
    /// The check of the parts never took place.
    UncheckedParts,
    /// The receipts never stood in the log.
    ForgedReceipts,
    /// A component may do more than it needs.
    RightTooMany {
        /// The component.
        component: String,
        /// The right.
        right: String,
    },
    /// The signing key is so many days old.
    OldKey(i64),
    /// A file of the project holds this text.
    File {
        /// Its name.
        name: String,
        /// What stands in it.
        text: String,
    },
}

/// What the pipeline is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// The program's own lock file and these pip requirements.
    Requirements(String),
    /// Another version of a critical package than was reviewed, by its place.
    CriticalVersion(usize),
    /// The reviewed version of a critical package, with other bytes.
    CriticalBytes(usize),
    /// Reviews that ended.
    ReviewsEnded,
}

/// The pipeline, as attackers reach it.
pub trait Target {
    /// Puts the gates in place or takes them away, with fresh state.
    fn defend(&mut self, defence: Defence);

    /// Weeks before which intake can be rewound.
    fn weeks(&self) -> std::ops::Range<u32>;
    /// What the supplier honestly reports for a week.
    fn prices(&self, week: u32) -> Vec<MarketRow>;
    /// Rewinds intake to the state before a week's delivery.
    fn rewind(&mut self, week: u32) -> Result<(), Broken>;
    /// Sequence number of the last accepted delivery.
    fn last_sequence(&self) -> u64;
    /// The feed's name.
    fn feed_name(&self) -> String;
    /// Delivers; what comes through becomes history.
    fn feed(&mut self, delivery: &Delivery) -> Result<Fed, Broken>;
    /// Writes to the data source (nothing is stored).
    fn write(&mut self, write: &Write) -> Result<Judged, Broken>;

    /// The approved labels: customer, and whether he churned.
    fn labels(&self) -> Vec<(String, bool)>;
    /// Proposes, signs and hands in a version of the labels (nothing is stored).
    fn label(&mut self, change: &LabelMove) -> Result<Judged, Broken>;

    /// Customers by id.
    fn customers(&self) -> Vec<String>;
    /// What the model is told of a customer.
    fn row(&self, customer: &str) -> Row;
    /// Columns of the model.
    fn features(&self) -> Vec<Feature>;
    /// A key of an application of its own.
    fn key(&mut self, wish: KeyWish) -> Result<String, Broken>;
    /// Starts the service anew: empty counters, an empty window.
    fn restart(&mut self) -> Result<(), Broken>;
    /// Asks the prediction service.
    fn ask(&mut self, ask: &Ask) -> Result<Asked, Broken>;
    /// An answer that carries further members, as a service with a debugging switch left on would send.
    fn debug(&mut self, members: &BTreeMap<String, String>) -> Result<Judged, Broken>;
    /// Judges the window since the service was started, and says for which clauses people are called.
    fn watch(&mut self) -> Result<Vec<Clause>, Broken>;

    /// Trains.
    fn train(&mut self, tampering: Tampering) -> Result<Judged, Broken>;
    /// Offers a release.
    fn release(&mut self, offer: &Offer) -> Result<Judged, Broken>;
    /// Stages parts.
    fn stage(&mut self, parts: &Parts) -> Result<Judged, Broken>;
}
