//! The demo's world: a company's customers, a supplier of market prices, and somebody who poisons one delivery.

use std::path::Path;

use generate::poison::understate_prices;
use generate::{Config, Generator, MarketRow, Profile, company_csv, corrected, delivery_csv, week_at_cutoff};
use pipeline::PipelineError;
use pipeline::feed::{SupplierSigner, claim};

/// Cutoffs of the customers' rows: three moments, four months apart, so that the last one tests what the first two taught.
const MONTHS: [u32; 3] = [32, 36, 40];
/// How much the poisoned delivery understates competitors' prices: it flips decisions and leaves the AUC where it was.
const UNDERSTATED_SHARE: f64 = 0.20;
/// In how many regions.
const UNDERSTATED_REGIONS: usize = 3;
/// Days that a delivery may be accepted.
const VALID_DAYS: i64 = 14;

/// A delivery in the inbox, with what should become of it.
pub(super) struct Sent {
    pub(super) file: String,
    pub(super) what: &'static str,
}

pub(super) struct World {
    generator: Generator,
    week: u32,
}

fn internal(error: impl std::fmt::Display) -> PipelineError {
    PipelineError::Internal(error.to_string())
}

impl World {
    pub(super) fn new(seed: u64, customers: u64) -> Result<Self, PipelineError> {
        let generator = Generator::new(Config::new(seed, customers, Profile::TelcoLike)).map_err(internal)?;
        let week = week_at_cutoff(MONTHS.last().copied().unwrap_or(40));
        Ok(Self { generator, week })
    }

    /// Customers and labels as CSV.
    pub(super) fn tables(&self) -> Result<(Vec<u8>, Vec<u8>), PipelineError> {
        company_csv(&self.generator, &MONTHS).map_err(internal)
    }

    /// The valid prices of some weeks: the highest revision of each.
    fn prices(&self, weeks: std::ops::RangeInclusive<u32>) -> Vec<MarketRow> {
        corrected(weeks.flat_map(|week| self.generator.market_week(week)))
    }

    /// A history for the contract of the feed.
    pub(super) fn history(&self) -> Vec<u8> {
        delivery_csv(&self.prices(0..=self.week))
    }

    /// Puts signed deliveries into the inbox: an honest week, a poisoned one, one that was changed on its way, and a replay.
    pub(super) fn deliver(&self, inbox: &Path, signer: &SupplierSigner, supplier: &str) -> Result<Vec<Sent>, PipelineError> {
        let next = delivery_csv(&self.prices(self.week + 1..=self.week + 1));
        let poisoned = understate_prices(&self.prices(self.week + 2..=self.week + 2), UNDERSTATED_SHARE, UNDERSTATED_REGIONS, 1);
        let poisoned = delivery_csv(&poisoned.rows);
        let honest = delivery_csv(&self.prices(self.week + 2..=self.week + 2));
        let changed = tamper(&honest);
        type Plan<'a> = (&'a str, &'static str, &'a [u8], &'a [u8], u64);
        let plan: [Plan<'_>; 4] = [
            ("2-next-week.csv", "an honest week", &next, &next, 2),
            (
                "3-poisoned.csv",
                "prices understated by 20 % in three regions, signed with the supplier's own key",
                &poisoned,
                &poisoned,
                3,
            ),
            ("4-changed-on-its-way.csv", "one byte changed after it was signed", &changed, &honest, 4),
            ("5-replay.csv", "an older week with a new date, signed with a used number", &honest, &honest, 2),
        ];
        let mut sent = Vec::new();
        for (file, what, bytes, signed, sequence) in plan {
            put(inbox, file, bytes, &signer.sign(file, signed, &claim("market", supplier, sequence, VALID_DAYS))?)?;
            sent.push(Sent { file: file.to_owned(), what });
        }
        Ok(sent)
    }

    /// The first delivery: the whole history.
    pub(super) fn deliver_history(&self, inbox: &Path, signer: &SupplierSigner, supplier: &str) -> Result<(), PipelineError> {
        let bytes = self.history();
        put(inbox, "1-history.csv", &bytes, &signer.sign("1-history.csv", &bytes, &claim("market", supplier, 1, VALID_DAYS))?)
    }
}

fn put(inbox: &Path, file: &str, bytes: &[u8], bundle: &[u8]) -> Result<(), PipelineError> {
    store::disk::write_atomic(&inbox.join(file), bytes)?;
    store::disk::write_atomic(&inbox.join(format!("{file}{}", pipeline::feed::SUFFIX)), bundle)?;
    Ok(())
}

/// Changes one digit of a price.
fn tamper(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let digit = out.iter().rposition(u8::is_ascii_digit);
    if let Some(byte) = digit.and_then(|at| out.get_mut(at)) {
        *byte = if *byte == b'9' { b'8' } else { *byte + 1 };
    }
    out
}
