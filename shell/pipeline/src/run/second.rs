//! Blind second labelling (T6): random rows of proposed labels go to somebody else without their label, and his answers are held against
//! it. Nobody can be fooled about rows that nobody could know beforehand.
//!
//! The draw: somebody who did not propose the labels asks for it, in a session of his own. That request is an entry of the log, with 128
//! random bits in its archive, and the seed is a digest over the root of the log up to that entry and over the proposal's statement. The
//! proposal is bound before, so its author can neither know the seed nor steer it; and the first request after a proposal counts, so
//! whoever asks gets one draw, not the best of many. Other bytes are another proposal, which the log has as well.
//!
//! Answers are entries, too. Of each row the first answer counts: who has seen where the two differ answers nothing a second time.

use std::collections::BTreeMap;

use gate::{Digest, Receipt};
use identity::{Action, Session, matrix};
use labelnoise::blind;
use serde::Serialize;

use super::labels::{LabelRows, escaped, other_team, parse_labels, waiting};
use crate::PipelineError;
use crate::access::allow;
use crate::desk::{Desk, rfc3339};
use crate::evidence::deed::{Deed, DeedKind};
use crate::evidence::proof;
use crate::policy::BlindPolicy;

/// Bytes of a file of answers that are read.
const ANSWERS_BYTES_MAX: u64 = 16 << 20;
/// What the seed's digest begins with, so that it is the digest of nothing else.
const SEED_DOMAIN: &[u8] = b"stayward blind second labels v1\n";
/// First line of the file that a second labeller fills in.
const HEADER: &str = "row,customer,moment,churned";

/// Customer and moment.
type Key = (String, i64);

/// How many rows the policy asks for; in words why none can be drawn.
pub(crate) fn wanted(policy: &BlindPolicy, rows: &LabelRows) -> Result<u64, String> {
    let count = u64::try_from(rows.labels.len()).unwrap_or(u64::MAX);
    blind::rows_needed(count, policy.share, policy.miss).map_err(|error| error.to_string())
}

/// Rows that were drawn under a proposal, and what came back.
pub(crate) struct Drawn {
    /// The request that bound the draw.
    pub(crate) receipt: Receipt,
    /// Customer and moment of each row, rising.
    pub(crate) keys: Vec<Key>,
    /// The first answer for each row.
    pub(crate) answers: BTreeMap<Key, bool>,
    /// Everything that was done: the request, then each file of answers.
    pub(crate) deeds: Vec<Deed>,
}

impl Drawn {
    /// What the log has of a proposal; nothing where nobody asked for a draw.
    pub(crate) fn find(desk: &Desk, proposal: &Receipt, rows: &LabelRows, policy: &BlindPolicy) -> Result<Option<Self>, String> {
        let Some((receipt, request)) = proof::deeds_about(desk, DeedKind::Draw, proposal)?.into_iter().next() else {
            return Ok(None);
        };
        let index = receipt.index.ok_or("a draw without a place in the log")?;
        let root = desk.reader.root_at(index + 1).map_err(|error| error.to_string())?;
        let wanted = usize::try_from(wanted(policy, rows)?).unwrap_or(usize::MAX);
        let places = blind::draw(rows.labels.len(), wanted, seed(root.as_bytes(), &proposal.statement));
        let all: Vec<&Key> = rows.labels.keys().collect();
        let keys: Vec<Key> = places.iter().filter_map(|place| all.get(*place).map(|key| (*key).clone())).collect();
        let (mut answers, mut deeds) = (BTreeMap::new(), vec![request]);
        for (_, deed) in proof::deeds_about(desk, DeedKind::Second, &receipt)? {
            let bytes = desk.objects.get(&deed.content).map_err(|error| error.to_string())?;
            for (key, churned) in parse_labels(&bytes).labels {
                answers.entry(key).or_insert(churned);
            }
            deeds.push(deed);
        }
        Ok(Some(Self { receipt, keys, answers, deeds }))
    }
}

/// The seed of a draw, of the log's root and the proposal that the root contains.
fn seed(root: &[u8], proposal: &Digest) -> u64 {
    let digest = Digest::of(&[SEED_DOMAIN, root, proposal.as_bytes()].concat());
    let mut first = [0; 8];
    first.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(first)
}

/// A row that waits for a second label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecondRow {
    /// Its number in the draw, from 1.
    pub row: u64,
    /// The customer.
    pub customer: String,
    /// The label's moment, RFC 3339; absent where the table has no time.
    pub moment: Option<String>,
}

/// A draw, as a second labeller sees it: without any label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecondRows {
    /// Digest of the proposed labels.
    pub labels: Digest,
    /// The draw's evidence.
    pub evidence: String,
    /// Rows of the draw.
    pub drawn: u64,
    /// Rows that have an answer.
    pub answered: u64,
    /// Rows that have none.
    pub rows: Vec<SecondRow>,
}

impl SecondRows {
    fn of(content: Digest, drawn: &Drawn) -> Self {
        let row = |(number, key): (u64, &Key)| SecondRow {
            row: number,
            customer: key.0.clone(),
            moment: (key.1 != 0).then(|| rfc3339(key.1)),
        };
        let numbered = (1..).zip(&drawn.keys);
        let rows: Vec<SecondRow> = numbered.filter(|(_, key)| !drawn.answers.contains_key(*key)).map(row).collect();
        let count = |all: usize| u64::try_from(all).unwrap_or(u64::MAX);
        Self {
            labels: content,
            evidence: drawn.receipt.id.clone(),
            drawn: count(drawn.keys.len()),
            answered: count(drawn.keys.len() - rows.len()),
            rows,
        }
    }

    /// The file to fill in: CSV, the last column empty. A comma or line end in a customer's id is written as in archived labels.
    pub fn to_csv(&self) -> String {
        let line =
            |one: &SecondRow| format!("{},{},{},\n", one.row, escaped(&one.customer), one.moment.as_deref().unwrap_or_default());
        format!("{HEADER}\n{}", self.rows.iter().map(line).collect::<String>())
    }
}

/// The proposal that waits, for somebody who may give second labels to it.
async fn admitted(desk: &Desk, session: &Session) -> Result<(Digest, Receipt, BlindPolicy, LabelRows), PipelineError> {
    let Some(policy) = desk.project.policy.labels.blind else {
        return Err(PipelineError::wrong(
            "the policy asks for no second labels",
            "say how many under `[labels]` in stayward.toml: `blind = { share = 0.02, miss = 0.05 }`",
        ));
    };
    let (content, proposal, author) = waiting(desk).await?;
    // Who signs labels may also give second ones; who may do neither is told what a labeller is.
    let signs = matrix::any_allowed(&session.roles, Action::ApproveLabels);
    let action = if signs { Action::ApproveLabels } else { Action::ProposeLabels };
    allow(&desk.project, &desk.identity, session, action).await?;
    if session.person == author.person {
        return Err(PipelineError::NotAllowed {
            why: format!("`{}` proposed these labels, so somebody else gives second labels to them", session.person),
            help: "log in as another labeller or approver: `stayward user ls` lists people".to_owned(),
        });
    }
    other_team(desk, session, &author, action).await?;
    let rows = parse_labels(&desk.objects.get(&content)?);
    Ok((content, proposal, policy, rows))
}

/// The rows of the waiting proposal that want a second label. The first who asks has them drawn.
pub async fn second_rows(desk: &Desk, session: &Session) -> Result<SecondRows, PipelineError> {
    let (content, proposal, policy, rows) = admitted(desk, session).await?;
    let find = || Drawn::find(desk, &proposal, &rows, &policy).map_err(PipelineError::broken);
    if let Some(drawn) = find()? {
        return Ok(SecondRows::of(content, &drawn));
    }
    desk.record_deed(DeedKind::Draw, session, ("labels", content), Some(&proposal)).await?;
    let drawn = find()?.ok_or_else(|| PipelineError::Internal("a draw that was logged is not found".into()))?;
    Ok(SecondRows::of(content, &drawn))
}

/// Takes second labels: the filled-in file. Empty cells may be answered later; what has an answer keeps it. Answers what is still open.
///
/// # Errors
/// Nobody drew rows, a line that is no answer or not of this draw, nothing that is new; a person who may not.
pub async fn answer_second(desk: &Desk, session: &Session, file: &std::path::Path) -> Result<SecondRows, PipelineError> {
    let (content, proposal, policy, rows) = admitted(desk, session).await?;
    let find = || Drawn::find(desk, &proposal, &rows, &policy).map_err(PipelineError::broken);
    let nobody =
        || PipelineError::wrong("no rows were drawn from these labels", "draw some with `stayward label second --out FILE`");
    let drawn = find()?.ok_or_else(nobody)?;
    let text = store::disk::read_limited(file, ANSWERS_BYTES_MAX)?;
    let answers = parse_answers(&String::from_utf8_lossy(&text), &drawn.keys).map_err(|why| {
        PipelineError::wrong(why, "keep the file as `stayward label second` wrote it, and fill in its last column")
    })?;
    let new = LabelRows {
        labels: answers.into_iter().filter(|(key, _)| !drawn.answers.contains_key(key)).collect(),
        ..LabelRows::default()
    };
    if new.labels.is_empty() {
        return Err(PipelineError::wrong(
            "the file answers no row that is open",
            "fill in the last column with yes or no; an answer that was given once stays",
        ));
    }
    let kept = desk.objects.put(&new.to_bytes())?;
    desk.record_deed(DeedKind::Second, session, ("second-labels", kept), Some(&drawn.receipt)).await?;
    Ok(SecondRows::of(content, &find()?.ok_or_else(nobody)?))
}

/// Reads a filled-in file: the first cell of a line numbers a row of the draw, the second is its customer, the last is the answer.
fn parse_answers(text: &str, keys: &[Key]) -> Result<BTreeMap<Key, bool>, String> {
    let bare = |cell: &str| cell.trim().trim_matches('"').to_owned();
    let mut out = BTreeMap::new();
    for (at, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<String> = line.split(',').map(bare).collect();
        let [number, customer, _, answer] = cells.as_slice() else {
            return Err(format!("line {} has `{}` columns, not 4", at + 1, cells.len()));
        };
        let key = number.parse::<usize>().ok().and_then(|number| keys.get(number.checked_sub(1)?));
        let Some(key) = key.filter(|key| bare(&escaped(&key.0)) == *customer) else {
            return Err(format!("line {} is of no row of this draw", at + 1));
        };
        let churned = match answer.to_lowercase().as_str() {
            "" => continue,
            "yes" | "churned" | "true" | "1" => true,
            "no" | "stayed" | "false" | "0" => false,
            _ => return Err(format!("line {} answers neither yes nor no", at + 1)),
        };
        if out.insert(key.clone(), churned).is_some_and(|before| before != churned) {
            return Err(format!("line {} contradicts an earlier line of the same row", at + 1));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Key> {
        vec![("a,b".into(), 0), ("c".into(), 86_400)]
    }

    fn check(lines: &str) -> Result<Vec<bool>, String> {
        parse_answers(&format!("{HEADER}\n{lines}"), &keys()).map(|found| found.into_values().collect())
    }

    #[test]
    fn a_filled_in_file_is_read() {
        assert_eq!(check("1,a%2Cb,,yes\n2,c,1970-01-02T00:00:00Z,no\n"), Ok(vec![true, false]));
        assert_eq!(check("\"2\",\"c\",,\"Churned\"\r\n\r\n"), Ok(vec![true]));
        assert_eq!(check("1,a%2Cb,,\n"), Ok(vec![]));
    }

    #[test]
    fn a_customer_with_spaces_or_quotes_around_the_id_can_be_answered() {
        let keys = vec![("\"x\"".to_owned(), 0), (" c".to_owned(), 0)];
        let drawn = Drawn {
            receipt: Receipt { id: "e".into(), statement: Digest::of(b"s"), index: Some(1) },
            keys: keys.clone(),
            answers: BTreeMap::new(),
            deeds: Vec::new(),
        };
        let file = SecondRows::of(Digest::of(b"labels"), &drawn).to_csv().replace(",\n", ",yes\n").replace("label,yes", "label");
        let answers = parse_answers(&file, &keys).unwrap();
        assert_eq!(answers.into_keys().collect::<Vec<_>>(), [(" c".to_owned(), 0), ("\"x\"".to_owned(), 0)]);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for lines in ["1,c,,yes", "3,c,,yes", "0,c,,yes", "2,c,,perhaps", "2,c,yes", "2,c,,yes\n2,c,,no", "x,c,,yes"] {
            assert!(check(lines).is_err(), "{lines}");
        }
    }

    #[test]
    fn the_file_has_no_label() {
        let drawn = Drawn {
            receipt: Receipt { id: "e".into(), statement: Digest::of(b"s"), index: Some(1) },
            keys: keys(),
            answers: [(("c".to_owned(), 86_400), true)].into(),
            deeds: Vec::new(),
        };
        let rows = SecondRows::of(Digest::of(b"labels"), &drawn);
        assert_eq!((rows.drawn, rows.answered, rows.to_csv()), (2, 1, format!("{HEADER}\n1,a%2Cb,,\n")));
    }

    #[test]
    fn the_seed_changes_with_the_log_and_with_the_proposal() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let all = [seed(b"root", &one), seed(b"roots", &one), seed(b"root", &other)];
        assert!(all[0] != all[1] && all[0] != all[2] && all[0] == seed(b"root", &one));
    }

    proptest::proptest! {
        #[test]
        fn no_file_is_a_fault(text in "\\PC*") {
            let _read = parse_answers(&text, &keys());
        }
    }
}
