//! What the gates of s01 are told. The shell gathers it; nothing here reads the world.

use gate::Digest;
use provenance::Scheme;
use serde::{Deserialize, Serialize};

/// How the bytes came to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Over TLS, as deliveries were told of before the server's own door was there.
    Tls,
    /// From a folder of this machine; nothing travelled over a network to us.
    Folder,
    /// Over a connection without TLS.
    Plain,
    /// Handed in at our server over TLS.
    Pushed {
        /// Who handed it in: `supplier/NAME` or `component/NAME`.
        by: String,
        /// How that was proved: `certificate SERIAL` or `token`.
        proof: String,
        /// The entry of the log that says so.
        evidence: String,
    },
    /// Fetched by us over TLS, from a server that one named authority vouches for.
    Fetched {
        /// Where from, without what is secret in it.
        from: String,
        /// The entry of the log that says so.
        evidence: String,
    },
}

/// A key that intake trusts for one supplier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplierKey {
    /// Whose key.
    pub supplier: String,
    /// The other program that signs with it; none for an ECDSA P-256 key that signs bundles, as `stayward feed sign` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// The public key as its scheme writes it: PEM, minisign's key file, a line of SSH, an armoured OpenPGP certificate.
    #[serde(alias = "public_key_pem")]
    pub public_key: String,
    /// First moment of its validity, Unix seconds.
    pub not_before: i64,
    /// First moment after its validity, Unix seconds.
    pub expires: i64,
    /// Withdrawn by an operator.
    pub revoked: bool,
}

/// What a supplier signed with another program: a small claim file beside the bytes, since no other format carries a claim.
///
/// The signature is never for the bytes themselves: it could not be judged again later, when the bytes are not at hand, and it would not
/// say for which feed and until when they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// The program's format.
    pub scheme: Scheme,
    /// The claim file, as it came.
    pub claim: String,
    /// The signature file, as it came (OpenPGP in ASCII armour).
    pub signature: String,
    /// The checksum list that was signed, where it was not the claim file itself; it must name the claim file and the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

/// Facts at the door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorFacts {
    /// The shell's clock, Unix seconds.
    pub now: i64,
    /// How the bytes came.
    pub arrival: Arrival,
    /// The Sigstore bundle that came beside the bytes, as text.
    pub bundle: Option<String>,
    /// The claim and its signature by another program, looked at where there is no bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detached: Option<Detached>,
    /// Keys on record.
    pub keys: Vec<SupplierKey>,
    /// Sequence number of the last accepted delivery of this feed.
    pub last_sequence: Option<u64>,
    /// These bytes were held when they came, a person accepted them since, and they were never taken in: later numbers that came in
    /// while people looked at them do not make them a replay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted_late: bool,
    /// Largest delivery that is read at all.
    pub size_max_bytes: u64,
}

/// Why a row is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowReason {
    /// The record could not be read or breaks the contract.
    Contract,
    /// A value is outside of what trusted history shows.
    Threshold,
    /// The values do not go together.
    Joint,
    /// It repeats another row.
    Duplicate,
}

/// A row that stands out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowFlag {
    /// Counted from 0.
    pub row: u32,
    /// Why.
    pub reason: RowReason,
    /// The column that drove it, where there is one.
    pub column: String,
    /// What was seen, for people.
    pub seen: String,
}

/// A test of the whole delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnTest {
    /// What was tested.
    pub name: String,
    /// Probability of so much under trusted history.
    pub p_value: f64,
}

/// Something wrong with prices of a market feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarketFinding {
    /// Which rule.
    pub rule: String,
    /// What was seen, for people.
    pub seen: String,
    /// Whether it can be honest; people decide then.
    #[serde(default)]
    pub certainty: Certainty,
}

/// What a finding of the market rules says of the delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Honest markets do not do this.
    #[default]
    Clear,
    /// Honest markets do this now and then.
    Doubtful,
}

/// Rows of an earlier delivery that two people let out of quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Digest of the delivery that they came in.
    pub delivery: Digest,
    /// The rows of that delivery, ascending, counted from 0.
    pub rows: Vec<u32>,
    /// Who proposed it.
    pub proposed_by: String,
    /// Who signed it.
    pub approved_by: String,
    /// Whether that person had given a second factor.
    pub second_factor: bool,
    /// Whether that person may sign for these rows by the rules of now.
    pub may_approve: bool,
    /// Why, in the words of who proposed it.
    pub because: String,
    /// The policy of a one-person project lets people sign what they proposed themselves.
    pub own_allowed: bool,
}

/// Limits that the project's policy sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContentPolicy {
    /// Largest share of rows that may break the contract before the delivery is refused.
    pub contract_share_max: f64,
    /// Largest share of rows in quarantine before the delivery is refused.
    pub quarantine_share_max: f64,
    /// Probability below which a test of the whole delivery holds it.
    pub batch_alpha: f64,
}

/// Facts of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContentFacts {
    /// Columns that the contract wants and the delivery lacks.
    pub columns_missing: Vec<String>,
    /// Columns that the delivery has and the contract does not know.
    pub columns_unknown: Vec<String>,
    /// Rows that stand out.
    pub flags: Vec<RowFlag>,
    /// Rows that stand out beyond those that could be listed in `flags`; of what earlier versions judged, none.
    #[serde(default)]
    pub unlisted: u64,
    /// Tests of the whole delivery.
    pub tests: Vec<ColumnTest>,
    /// Findings of the market rules.
    pub market: Vec<MarketFinding>,
    /// Rows of trusted history that outliers were judged by; 0 where there is none yet.
    pub reference_rows: u64,
    /// A person with the right to do so looked at this delivery and accepted it as a whole; rows are set aside all the same.
    pub delivery_accepted: bool,
    /// These rows are no delivery: people let them out of quarantine, and `flags` says why they were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Released>,
    /// The policy.
    pub policy: ContentPolicy,
}

impl ContentFacts {
    /// A clean delivery under the usual policy.
    pub fn ordinary() -> Self {
        Self {
            columns_missing: Vec::new(),
            columns_unknown: Vec::new(),
            flags: Vec::new(),
            unlisted: 0,
            tests: vec![ColumnTest { name: "joint outliers".into(), p_value: 0.4 }],
            market: Vec::new(),
            reference_rows: 5_000,
            delivery_accepted: false,
            released: None,
            policy: ContentPolicy { contract_share_max: 0.01, quarantine_share_max: 0.05, batch_alpha: 0.01 },
        }
    }
}

impl DoorFacts {
    /// A delivery over TLS without signature and without keys: `work::tests` adds those.
    pub fn ordinary() -> Self {
        Self {
            now: 1_000_000,
            arrival: Arrival::Tls,
            bundle: None,
            detached: None,
            keys: Vec::new(),
            last_sequence: Some(6),
            accepted_late: false,
            size_max_bytes: 1 << 30,
        }
    }
}
