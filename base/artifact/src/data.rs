//! Feeds, batches, writes to the data source, label sets.

use std::sync::Arc;

use gate::{Digest, Subject};
use serde::{Deserialize, Serialize};

/// Bytes that somebody delivered. The bytes travel with it but are never written into the archive: the digest names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// The feed's name, for instance `market`.
    pub name: String,
    /// Who is said to have delivered it.
    pub supplier: String,
    /// SHA-256 of the bytes.
    pub content: Digest,
    /// How many bytes.
    pub size_bytes: u64,
    #[serde(skip)]
    bytes: Option<Arc<[u8]>>,
}

impl Feed {
    /// Takes delivery of bytes.
    pub fn new(name: &str, supplier: &str, bytes: Vec<u8>) -> Self {
        let (content, size_bytes) = (Digest::of(&bytes), u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Self { name: name.to_owned(), supplier: supplier.to_owned(), content, size_bytes, bytes: Some(bytes.into()) }
    }

    /// The bytes; absent in a feed that was read back from the archive.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }
}

impl Subject for Feed {}

/// What a supplier claims of a feed, signed: the predicate of the feed's statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedClaim {
    /// The feed's name.
    pub feed: String,
    /// Who signs.
    pub supplier: String,
    /// Grows by at least one with every delivery, so that an old delivery cannot be sent again.
    pub sequence: u64,
    /// When it was made, Unix seconds.
    pub created: i64,
    /// The first moment at which it must no longer be accepted, Unix seconds.
    pub expires: i64,
}

impl FeedClaim {
    /// The predicate type of the statement that carries it.
    pub const PREDICATE_TYPE: &'static str = "https://stayward.dev/feed/v1";
}

/// Parsed rows of a delivery, with those that wait for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The table that the rows are for.
    pub table: String,
    /// Digest of the delivery's bytes.
    pub content: Digest,
    /// Rows that were parsed.
    pub rows: u64,
    /// Rows that are held back (quarantine), ascending, counted from 0.
    pub held: Vec<u32>,
}

impl Batch {
    /// Rows that go on.
    pub fn rows_clean(&self) -> u64 {
        self.rows.saturating_sub(u64::try_from(self.held.len()).unwrap_or(u64::MAX))
    }

    /// Holds further rows back; keeps the list sorted and free of doubles.
    pub fn hold_rows(&mut self, rows: impl IntoIterator<Item = u32>) {
        self.held.extend(rows);
        self.held.sort_unstable();
        self.held.dedup();
    }
}

impl Subject for Batch {}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Origin {
    /// A third party's feed that came through s01.
    Feed {
        /// The feed's name.
        feed: String,
    },
    /// Our own customer data.
    Internal {
        /// The connector, for instance `file` or `generator`.
        connector: String,
    },
}

/// A write to the machine learning data source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// The table.
    pub table: String,
    /// Digest of the delivery's bytes.
    pub content: Digest,
    /// Rows to write.
    pub rows: u64,
    /// Digest of the rows themselves, value by value: what is written is what was judged.
    pub values: Digest,
    /// Columns to write, in order.
    pub columns: Vec<String>,
    /// Where the rows come from.
    pub origin: Origin,
    /// The component that writes.
    pub writer: String,
}

impl Subject for Append {}

/// A version of the labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelSet {
    /// Grows by one.
    pub version: u64,
    /// Digest of the canonical bytes.
    pub content: Digest,
    /// How many labels.
    pub rows: u64,
    /// How many of them say churn.
    pub positives: u64,
    /// Who proposed it.
    pub author: String,
    /// Digest of the version that it supersedes.
    pub supersedes: Option<Digest>,
}

impl Subject for LabelSet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_archived_without_its_bytes() {
        let feed = Feed::new("market", "acme", b"secret".to_vec());
        let text = serde_json::to_string(&feed).unwrap();
        assert!(!text.contains("bytes\":[") && !text.contains("secret"));
        let back: Feed = serde_json::from_str(&text).unwrap();
        assert_eq!((back.bytes(), back.digest()), (None, feed.digest()));
    }

    #[test]
    fn held_rows_are_counted_once() {
        let mut batch = Batch { table: "t".into(), content: Digest::of(b""), rows: 5, held: vec![] };
        batch.hold_rows([3, 1, 3]);
        assert_eq!((batch.held.clone(), batch.rows_clean()), (vec![1, 3], 3));
    }
}
