//! `stayward feed`: what a supplier runs (keygen, sign, verify: no project needed), and what the company does with deliveries (T1).

use std::path::{Path, PathBuf};

use artifact::FeedClaim;
use clap::{Args, Subcommand, ValueEnum};
use identity::{Action, IdentityError};
use pipeline::desk::{now, rfc3339};
use pipeline::feed::{SupplierSigner, claim, put_into, sign_file, verify_file, write_claim};
use pipeline::quarantine::{Chosen, Decision, Entry, EntryState, propose, queue_at_the_desk};
use pipeline::{Desk, Office, PipelineError};
use provenance::Scheme;
use serde::Serialize;
use store::control::{Delivery, DeliveryOutcome};

use super::steps::First;
use super::{Ended, steps, wrong};
use crate::args::Format;
use crate::output::{Output, table};

/// Largest file of a key.
const KEY_BYTES_MAX: u64 = 16 << 10;
/// Days that a delivery may be accepted, unless said otherwise.
const SIGNED_DAYS: i64 = 14;
/// Days that a supplier's key counts, unless said otherwise.
const TRUSTED_DAYS: i64 = 365;
const DAY_SECONDS: i64 = 86_400;
/// Digits that name a delivery, as lists show them.
const DIGITS_SHOWN: usize = 12;

#[derive(Debug, Args)]
pub(crate) struct FeedArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Supplier: make a signing key. The private half goes to a file (mode 0600), the public half is printed.
    Keygen {
        /// Where the private key goes; must not exist.
        #[arg(long)]
        out: PathBuf,
    },
    /// Supplier: sign a file. The signature goes beside it, as FILE.sigstore.json.
    Sign(SignArgs),
    /// Supplier: write FILE.claim.json, to be signed with minisign, ssh-keygen or an OpenPGP program instead of ours.
    Claim(ClaimArgs),
    /// Check a file's signature with the supplier's public key.
    Verify {
        /// The file; its signature lies beside it.
        file: PathBuf,
        /// The supplier's public key: PEM, or what the scheme's program writes.
        #[arg(long)]
        key: PathBuf,
        /// The supplier's program, unless it is ours.
        #[arg(long)]
        scheme: Option<SchemeName>,
    },
    /// Admin: register a supplier's public key; the supplier is made if it is new.
    Trust {
        /// The public key: PEM, or what the scheme's program writes.
        key: PathBuf,
        /// Whose.
        #[arg(long)]
        supplier: String,
        /// The supplier's program, unless it is ours.
        #[arg(long)]
        scheme: Option<SchemeName>,
        /// Days that it counts.
        #[arg(long, default_value_t = TRUSTED_DAYS)]
        days: i64,
    },
    /// Admin: end a supplier's key at once.
    Revoke {
        /// The key's id, as `feed ls` shows it.
        id: String,
    },
    /// List suppliers' keys and deliveries with their outcomes.
    Ls,
    /// Data steward: make a file the golden set of a feed of rows: trusted rows that no third party ever fed, which its deliveries are
    /// judged against.
    Golden {
        /// The feed.
        feed: String,
        /// The file: CSV (plain or gz) or Parquet, in the form of the feed's contract.
        file: PathBuf,
    },
    /// Data steward: accept a delivery that is held, after looking at it. Its strange rows stay in quarantine.
    Accept {
        /// The feed.
        feed: String,
        /// First digits of the delivery's digest; the newest held one where absent.
        #[arg(default_value = "")]
        digest: String,
        /// Propose to release its strange rows, too, for this reason; another person signs.
        #[arg(long, value_name = "BECAUSE")]
        with_rows: Option<String>,
    },
    /// Take a signed file into the feed's inbox and judge it.
    Receive {
        /// The file; its signature lies beside it.
        file: PathBuf,
        /// The feed.
        #[arg(long)]
        feed: String,
        /// Judge it again, although nothing changed since it was refused.
        #[arg(long)]
        again: bool,
    },
}

/// Programs of others that sign.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemeName {
    /// minisign.
    Minisign,
    /// ssh-keygen -Y sign.
    Ssh,
    /// GnuPG, Sequoia and others.
    Openpgp,
}

impl SchemeName {
    fn scheme(self) -> Scheme {
        match self {
            Self::Minisign => Scheme::Minisign,
            Self::Ssh => Scheme::Ssh,
            Self::Openpgp => Scheme::Openpgp,
        }
    }
}

#[derive(Debug, Args)]
struct SignArgs {
    #[command(flatten)]
    claim: ClaimArgs,
    /// Your private key, as `feed keygen` wrote it.
    #[arg(long)]
    key: PathBuf,
}

#[derive(Debug, Args)]
struct ClaimArgs {
    /// The file.
    file: PathBuf,
    /// The feed that it is for.
    #[arg(long)]
    feed: String,
    /// Your name as the receiver knows it.
    #[arg(long)]
    supplier: String,
    /// Number of the delivery; must grow.
    #[arg(long)]
    sequence: u64,
    /// Days that it may be accepted.
    #[arg(long, default_value_t = SIGNED_DAYS)]
    days: i64,
}

pub(crate) async fn run(args: FeedArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Keygen { out: path } => keygen(&path, out),
        What::Sign(sign) => sign_one(&sign, out),
        What::Claim(claim) => claim_one(&claim, out),
        What::Verify { file, key, scheme } => verify(&file, &key, scheme, out),
        What::Trust { key, supplier, scheme, days } => trust((&key, scheme), &supplier, days, root, out).await,
        What::Revoke { id } => revoke(&id, root, out).await,
        What::Ls => list(root, out).await,
        What::Golden { feed, file } => golden(&feed, &file, root, out).await,
        What::Accept { feed, digest, with_rows } => accept((&feed, &digest), with_rows.as_deref(), root, out).await,
        What::Receive { file, feed, again } => receive(&file, (&feed, again), root, out).await,
    }
}

/// A key file as text.
pub(crate) fn read_key(path: &Path) -> Result<String, PipelineError> {
    let bytes = store::disk::read_limited(path, KEY_BYTES_MAX)
        .map_err(|error| wrong(error.to_string(), "name a PEM file; `stayward feed keygen` makes a pair"))?;
    String::from_utf8(bytes).map_err(|_| {
        wrong(format!("`{}` is no PEM text", path.display()), "name a PEM file; `stayward feed keygen` makes a pair")
    })
}

fn keygen(path: &Path, out: &Output) -> Ended {
    let (signer, pem) = SupplierSigner::generate()?;
    store::disk::create_new_atomic(path, pem.as_bytes())
        .map_err(|error| wrong(error.to_string(), "choose another file; a key is never written over another"))?;
    let public = signer.public_pem();
    out.result(&serde_json::json!({ "private_key_file": path, "public_key": public }), || public.trim_end().to_owned());
    out.say(&format!(
        "the private key is in {}; give the public key above to the receiver, by a way that you both trust",
        path.display()
    ));
    Ok(0)
}

/// What a supplier says of a file.
fn said(args: &ClaimArgs) -> Result<FeedClaim, PipelineError> {
    if args.days < 1 {
        return Err(wrong(format!("`{}` days are none", args.days), "sign for one day or more"));
    }
    Ok(claim(&args.feed, &args.supplier, args.sequence, args.days))
}

fn sign_one(args: &SignArgs, out: &Output) -> Ended {
    let claim = said(&args.claim)?;
    let signer = SupplierSigner::from_pem(&read_key(&args.key)?)?;
    let bundle = sign_file(&args.claim.file, &signer, &claim)?;
    out.result(&serde_json::json!({ "signature": bundle, "claim": claim }), || bundle.display().to_string());
    out.say(&format!("deliver both files; they may be accepted until {}", rfc3339(claim.expires)));
    Ok(0)
}

fn claim_one(args: &ClaimArgs, out: &Output) -> Ended {
    let claim = said(args)?;
    let path = write_claim(&args.file, &claim)?;
    let file = path.display();
    out.result(&serde_json::json!({ "claim_file": path, "claim": claim }), || file.to_string());
    out.say(&format!(
        "sign it with one of\n  minisign -S -m {file}\n  ssh-keygen -Y sign -n {} -f KEY {file}\n  gpg --armor --detach-sign {file}\nand deliver \
         the file, the claim and its signature; they may be accepted until {}",
        provenance::ssh::NAMESPACES.first().copied().unwrap_or_default(),
        rfc3339(claim.expires)
    ));
    Ok(0)
}

fn verify(file: &Path, key: &Path, scheme: Option<SchemeName>, out: &Output) -> Ended {
    let verified = verify_file(file, scheme.map(SchemeName::scheme), &read_key(key)?)?;
    let claim = &verified.claim;
    out.result(&verified, || {
        let time = if verified.in_time { String::new() } else { "\nOUT OF TIME: an intake refuses it; have the supplier sign it again".to_owned() };
        format!("signature holds\n  feed      {}\n  supplier  {}\n  number    {}\n  signed    {}\n  until     {}\n  digest    {}{time}", claim.feed, claim.supplier, claim.sequence, rfc3339(claim.created), rfc3339(claim.expires), verified.content)
    });
    Ok(u8::from(!verified.in_time))
}

async fn trust((key, scheme): (&Path, Option<SchemeName>), supplier: &str, days: i64, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    office.authorised(Action::ManageSuppliers).await?;
    let text = read_key(key)?;
    match office.identity.create_supplier(supplier, now()).await {
        Ok(()) | Err(IdentityError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let until = now().saturating_add(days.saturating_mul(DAY_SECONDS));
    let id = match scheme {
        None => office.identity.add_supplier_key(supplier, &text, now(), until, now()).await?,
        Some(scheme) => office.identity.add_signer_key(supplier, (scheme.scheme(), &text), now(), until, now()).await?,
    };
    office.put_on_record().await?;
    let value = serde_json::json!({ "id": id, "supplier": supplier, "until": rfc3339(until) });
    out.result(&value, || format!("key {id} of `{supplier}` counts until {}", rfc3339(until)));
    Ok(0)
}

async fn revoke(id: &str, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    office.authorised(Action::ManageSuppliers).await?;
    office.identity.revoke_supplier_key(id, now()).await?;
    office.put_on_record().await?;
    out.result(&serde_json::json!({ "revoked": id }), || {
        format!("key {id} counts no more; what it signed before stays in the log")
    });
    Ok(0)
}

#[derive(Serialize)]
struct Listed {
    keys: Vec<ListedKey>,
    deliveries: Vec<ListedDelivery>,
}

#[derive(Serialize)]
struct ListedKey {
    id: String,
    supplier: String,
    scheme: &'static str,
    state: &'static str,
    until: String,
}

#[derive(Serialize)]
struct ListedDelivery {
    feed: String,
    digest: String,
    /// Number of the delivery; only what was cleared was believed.
    number: Option<u64>,
    outcome: &'static str,
    rows: u64,
    rows_held: u64,
    at: String,
    evidence: Option<String>,
}

async fn list(root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    let now = now();
    let keys = office.identity.supplier_keys().await?.into_iter().map(|key| ListedKey {
        state: match (key.is_trusted(now), key.revoked_at.is_some()) {
            (true, _) => "trusted",
            (false, true) => "revoked",
            (false, false) => "not valid now",
        },
        until: rfc3339(key.expires_at),
        scheme: key.scheme.map_or("p256", Scheme::name),
        id: key.id,
        supplier: key.supplier,
    });
    let mut listed = Listed { keys: keys.collect(), deliveries: Vec::new() };
    for feed in &office.project.policy.feeds {
        let deliveries =
            office.control.deliveries(&feed.name).await.map_err(|error| PipelineError::Internal(error.to_string()))?;
        listed.deliveries.extend(deliveries.into_iter().map(delivery));
    }
    out.result(&listed, || show(&listed));
    Ok(0)
}

fn delivery(one: Delivery) -> ListedDelivery {
    ListedDelivery {
        digest: one.what.content.short(),
        number: (one.what.outcome == DeliveryOutcome::Cleared).then_some(one.what.sequence),
        outcome: match one.what.outcome {
            DeliveryOutcome::Cleared => "cleared",
            DeliveryOutcome::Held => "held",
            DeliveryOutcome::Refused => "refused",
        },
        rows: one.what.rows,
        rows_held: one.what.rows_held,
        at: rfc3339(one.what.at_ms / 1000),
        evidence: one.what.receipt.as_ref().and_then(|receipt| receipt.get("id")).and_then(|id| id.as_str()).map(str::to_owned),
        feed: one.what.feed,
    }
}

fn show(listed: &Listed) -> String {
    let key = |key: &ListedKey| {
        vec![key.id.clone(), key.supplier.clone(), key.scheme.to_owned(), key.state.to_owned(), key.until.clone()]
    };
    let delivery = |one: &ListedDelivery| {
        vec![
            one.feed.clone(),
            one.digest.clone(),
            one.outcome.to_owned(),
            one.number.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            one.rows.to_string(),
            one.rows_held.to_string(),
            one.at.clone(),
            one.evidence.clone().unwrap_or_default(),
        ]
    };
    let keys = match listed.keys.as_slice() {
        [] => "no supplier's key yet: register one with `stayward feed trust --supplier NAME KEY.pem`".to_owned(),
        keys => table(&["key", "supplier", "scheme", "state", "until"], &keys.iter().map(key).collect::<Vec<_>>()),
    };
    let deliveries = match listed.deliveries.as_slice() {
        [] => "no deliveries yet".to_owned(),
        all => table(
            &["feed", "digest", "outcome", "number", "rows", "set aside", "at", "evidence"],
            &all.iter().map(delivery).collect::<Vec<_>>(),
        ),
    };
    format!("{keys}\n\n{deliveries}")
}

async fn golden(feed: &str, file: &Path, root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let session = desk.session().await?;
    out.say(&format!("learning from {}", file.display()));
    let (content, rows, evidence) = pipeline::run::adopt_golden(&desk, &session, feed, file).await?;
    let value = serde_json::json!({ "feed": feed, "content": content, "trusted_rows": rows, "evidence": evidence });
    out.result(&value, || {
        format!(
            "feed `{feed}` is judged against {rows} trusted rows from now on (evidence {evidence})\nnext:\n  stayward feed receive FILE --feed {feed}"
        )
    });
    Ok(0)
}

async fn accept((feed, digest): (&str, &str), with_rows: Option<&str>, root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let played = steps::play(&desk, (0, 0), First::Accept(feed, digest), out).await?;
    let accepted = played.accepted.map(|content| content.hex()).unwrap_or_default();
    let waiting = rows_waiting(&desk, &accepted).await?;
    let proposed = match with_rows.filter(|_| waiting > 0) {
        Some(because) => {
            let session = desk.session().await?;
            Some(propose(&desk, &session, Decision::Release, (&Chosen::Delivery(accepted.clone()), because)).await?)
        }
        None => None,
    };
    if out.format != Format::Ndjson {
        let value = serde_json::json!({
            "stopped_deliveries": played.stopped, "steps": played.steps, "rows_waiting": waiting, "proposed": proposed,
        });
        out.result(&value, || {
            let rows = match (&proposed, waiting) {
                (_, 0) => String::new(),
                (Some(proposed), _) => format!("\n{}", super::quarantine::told(proposed)),
                (None, some) => format!(
                    "\n{some} of its rows stand out and wait: `stayward quarantine ls`; to let them in, too: `stayward quarantine propose release --delivery {} --because TEXT`, and another person signs",
                    accepted.chars().take(DIGITS_SHOWN).collect::<String>()
                ),
            };
            match played.stopped {
                0 => format!("accepted, and every delivery came through{rows}\nnext:\n  stayward run"),
                stopped => format!("accepted; deliveries that were stopped again: {stopped}{rows}\nnext:\n  stayward feed ls"),
            }
        });
    }
    Ok(u8::from(played.stopped > 0))
}

/// Rows of a delivery that nobody decided about.
async fn rows_waiting(desk: &Desk, content: &str) -> Result<usize, PipelineError> {
    let queue = queue_at_the_desk(desk).await?;
    let waits = |entry: &&Entry| matches!(entry.state, EntryState::Waiting | EntryState::Proposed);
    Ok(queue.entries.iter().filter(|entry| !content.is_empty() && content.starts_with(&entry.delivery)).filter(waits).count())
}

async fn receive(file: &Path, (feed, again): (&str, bool), root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let policy = desk.project.policy.feeds.iter().find(|known| known.name == feed);
    let policy =
        policy.ok_or_else(|| wrong(format!("there is no feed `{feed}`"), "add it under `[[feeds]]` in stayward.toml"))?;
    let content = put_into(&desk.project.resolve(&policy.inbox), file)?;
    let first = if again { First::Again(content) } else { First::Nothing };
    let played = steps::play(&desk, (0, 0), first, out).await?;
    // Other files may have waited in the inbox; the answer is about this one, also where it was judged in an earlier run.
    let all = desk.control.deliveries(feed).await.map_err(|error| PipelineError::Internal(error.to_string()))?;
    let last = all.into_iter().filter(|known| known.what.content == content).max_by_key(|known| known.seq);
    let last = last.ok_or_else(|| PipelineError::Internal("the delivery was not booked".to_owned()))?;
    let (code, next) = next_of(last.what.outcome, feed, &content.short());
    let last = delivery(last);
    if out.format != Format::Ndjson {
        let evidence = last.evidence.clone().unwrap_or_default();
        let value = serde_json::json!({ "delivery": last, "stopped_deliveries": played.stopped, "steps": played.steps });
        out.result(&value, || {
            format!("delivery {} is {} (stayward evidence show {evidence})\nnext: {next}", last.digest, last.outcome)
        });
    }
    Ok(code)
}

/// Exit code, and what to do.
fn next_of(outcome: DeliveryOutcome, feed: &str, digest: &str) -> (u8, String) {
    match outcome {
        DeliveryOutcome::Cleared => (0, "`stayward run`".to_owned()),
        DeliveryOutcome::Held => (6, format!("have a data steward look at it, then `stayward feed accept {feed} {digest}`")),
        DeliveryOutcome::Refused => {
            (1, "ask the supplier for another delivery; the reason is above, or in the evidence".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_their_exit_codes() {
        let check = |outcome, code| assert_eq!(next_of(outcome, "f", "d").0, code);
        check(DeliveryOutcome::Cleared, 0);
        check(DeliveryOutcome::Refused, 1);
        check(DeliveryOutcome::Held, 6);
    }
}
