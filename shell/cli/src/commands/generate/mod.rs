//! `stayward generate`: synthetic data of a known law, so that intake, gates and attacks can be tried on as much as anyone wants (T1,
//! T5). Same seed, same bytes. Chunks go to the file as they are made, so memory stays small.

mod poisoned;
mod sink;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use generate::{Config, Format, Generator, Profile, Table};
use pipeline::PipelineError;
use pipeline::feed::{SupplierSigner, claim, sign_file};
use serde::Serialize;

use self::poisoned::Poison;
use self::sink::{FileForm, Sink};
use super::{Ended, wrong};
use crate::output::{Output, table};

/// Days that a signed file may be accepted.
const SIGNED_DAYS: i64 = 14;

/// The tables of the synthetic world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The internal customer list at a month's cutoff.
    Customers,
    /// What customers did in a month.
    Behaviour,
    /// Tickets opened in a month.
    Tickets,
    /// The third party's prices: all weeks with all columns, or with --weeks as a supplier delivers them.
    Market,
    /// Labels for a month's cutoff.
    Labels,
    /// Everything internal at a month's cutoff, joined.
    Snapshot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Likeness {
    /// Mostly linear, 26.5 % churn.
    TelcoLike,
    /// Strongly non-linear, 20.4 % churn.
    BankLike,
    /// Noisy, 40 % churn.
    NoisyRetail,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Which table.
    #[arg(long, value_enum, required_unless_present = "all", conflicts_with = "all")]
    table: Option<Kind>,
    /// Write every table and manifest.json, with the SHA-256 of each file, into this folder.
    #[arg(long)]
    all: Option<PathBuf>,
    /// Where the table goes; standard output where absent (CSV and NDJSON only).
    #[arg(long)]
    out: Option<PathBuf>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = FileForm::Csv)]
    format: FileForm,
    /// Customers.
    #[arg(long, default_value_t = 10_000)]
    customers: u64,
    /// Same seed, same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which real data set it behaves like.
    #[arg(long, value_enum, default_value_t = Likeness::TelcoLike)]
    profile: Likeness,
    /// Month of the cutoff, 0 (January 2022) to 47.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(0..i64::from(generate::MONTHS)))]
    month: u32,
    /// Weeks of the market feed, FIRST..LAST with both in it: six columns and corrected prices, as a supplier delivers them.
    #[arg(long, value_parser = weeks)]
    weeks: Option<(u32, u32)>,
    #[command(flatten)]
    dials: DialArgs,
    /// Make some rows hostile; for the market feed, or (swap) for a snapshot.
    #[arg(long, value_enum)]
    poison: Option<Poison>,
    /// How much of it: share of the price, or of the rows.
    #[arg(long, default_value_t = 0.2, requires = "poison")]
    poison_share: f64,
    /// In how many regions.
    #[arg(long, default_value_t = 3, requires = "poison")]
    poison_regions: usize,
    /// Sign the file with this key, as `feed keygen` wrote it.
    #[arg(long, requires_all = ["supplier", "feed", "sequence", "out"])]
    sign: Option<PathBuf>,
    /// Who signs.
    #[arg(long)]
    supplier: Option<String>,
    /// For which feed.
    #[arg(long)]
    feed: Option<String>,
    /// Number of the delivery.
    #[arg(long)]
    sequence: Option<u64>,
}

/// How the world changes under a model.
#[derive(Debug, Args)]
struct DialArgs {
    /// Growth of the price gap's weight in each year after the start, 0 to 5 (concept drift).
    #[arg(long, default_value_t = 0.0)]
    drift: f64,
    /// Share of customers who move to price-sensitive segments in a year, 0 to 1 (covariate drift).
    #[arg(long, default_value_t = 0.0)]
    drift_covariate: f64,
    /// Month in which both begin.
    #[arg(long, default_value_t = 30)]
    drift_month: u32,
    /// Weight of the yearly wave, 0 to 2.
    #[arg(long, default_value_t = 0.10)]
    season: f64,
    /// Month in which a thirteenth region opens.
    #[arg(long)]
    new_region_month: Option<u32>,
}

fn weeks(text: &str) -> Result<(u32, u32), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let week = |text: &str| {
        text.parse::<u32>().map_err(|_| format!("`{text}` is no week: give FIRST..LAST, from 0 to {}", generate::WEEKS - 1))
    };
    match (week(first)?, week(last)?) {
        (first, last) if first <= last && last < generate::WEEKS => Ok((first, last)),
        _ => Err(format!("weeks go from 0 to {}, the first before the last", generate::WEEKS - 1)),
    }
}

/// What was written.
#[derive(Serialize)]
struct Made {
    file: String,
    table: &'static str,
    month: Option<u32>,
    rows: u64,
    bytes: u64,
    sha256: String,
    /// Rows that were made hostile.
    hostile: Option<u64>,
    signature: Option<String>,
}

pub(crate) fn run(args: GenerateArgs, out: &Output) -> Ended {
    let generator =
        Generator::new(config(&args)).map_err(|error| wrong(error.to_string(), "choose a number inside the limits"))?;
    if let Some(folder) = &args.all {
        return all(&generator, folder, args.format, args.month, out);
    }
    let kind = args.table.ok_or_else(|| wrong("no table is named", "name one with --table, or a folder with --all"))?;
    let table = table_of(kind, args.month);
    let path = args.out.as_deref();
    let mut made = match (args.poison, args.weeks) {
        (None, None) => honest(&generator, table, path, args.format, out)?,
        (poison, weeks) => {
            let amount = poisoned::Amount { share: args.poison_share, regions: args.poison_regions, seed: args.seed };
            let rows = poisoned::rows(&generator, table, poison, weeks, &amount)?;
            let mut sink = Sink::open(path, args.format, &rows.header)?;
            sink.push(&rows.csv_or_json(args.format))?;
            let written = sink.finish()?;
            Made { hostile: poison.map(|_| rows.hostile), ..made(path, table, written) }
        }
    };
    if let (Some(key), Some(path)) = (&args.sign, path) {
        made.signature = Some(sign(&args, key, path)?);
    }
    if path.is_some() {
        out.result(&made, || show(std::slice::from_ref(&made)));
    }
    Ok(0)
}

fn config(args: &GenerateArgs) -> Config {
    let profile = match args.profile {
        Likeness::TelcoLike => Profile::TelcoLike,
        Likeness::BankLike => Profile::BankLike,
        Likeness::NoisyRetail => Profile::NoisyRetail,
    };
    let mut config = Config::new(args.seed, args.customers, profile);
    config.dials.coefficient = args.dials.drift;
    config.dials.covariate = args.dials.drift_covariate;
    config.dials.drift_start_month = args.dials.drift_month;
    config.dials.seasonal_amplitude = args.dials.season;
    config.dials.new_region_month = args.dials.new_region_month;
    config
}

fn table_of(kind: Kind, month: u32) -> Table {
    match kind {
        Kind::Customers => Table::Customers { month },
        Kind::Behaviour => Table::Behaviour { month },
        Kind::Tickets => Table::Tickets { month },
        Kind::Market => Table::MarketFeed,
        Kind::Labels => Table::Labels { month },
        Kind::Snapshot => Table::Snapshot { month },
    }
}

fn made(path: Option<&Path>, table: Table, written: sink::Written) -> Made {
    let file = path.map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    Made {
        file,
        table: table.name(),
        month: table.month(),
        rows: written.rows,
        bytes: written.bytes,
        sha256: written.sha256,
        hostile: None,
        signature: None,
    }
}

fn honest(generator: &Generator, table: Table, path: Option<&Path>, form: FileForm, out: &Output) -> Result<Made, PipelineError> {
    let mut sink = Sink::open(path, form, &table.csv_header())?;
    let slots = generator.slots(table);
    let chunks =
        generator.chunks(table, form.text(), 0..slots).map_err(|error| wrong(error.to_string(), "months go from 0 to 47"))?;
    let many = slots.div_ceil(generate::CHUNK_SLOTS);
    for (at, chunk) in (1_u64..).zip(chunks) {
        sink.push(&chunk)?;
        // A line of progress every tenth of a long table.
        if many >= 20 && (at * 10 / many) != ((at - 1) * 10 / many) {
            out.say(&format!("  {} {:>3} %", table.name(), at * 100 / many));
        }
    }
    Ok(made(path, table, sink.finish()?))
}

fn all(generator: &Generator, folder: &Path, form: FileForm, month: u32, out: &Output) -> Ended {
    store::disk::make_folder(folder).map_err(|error| wrong(error.to_string(), "choose a folder that can be made"))?;
    let mut files = Vec::new();
    for kind in [Kind::Customers, Kind::Behaviour, Kind::Tickets, Kind::Market, Kind::Labels, Kind::Snapshot] {
        let table = table_of(kind, month);
        out.say(&format!("writing {}", table.name()));
        files.push(honest(generator, table, Some(&folder.join(format!("{}.{}", table.name(), form.ending()))), form, out)?);
    }
    let listed: Vec<_> = files.iter().map(|made| serde_json::json!({ "file": name(&made.file), "month": made.month, "rows": made.rows, "bytes": made.bytes, "sha256": made.sha256 })).collect();
    let manifest = serde_json::json!({ "generator": generator.manifest(), "files": listed });
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| PipelineError::Internal(error.to_string()))?;
    store::disk::write_atomic(&folder.join("manifest.json"), &text)?;
    out.result(&files, || show(&files));
    Ok(0)
}

fn name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn sign(args: &GenerateArgs, key: &Path, path: &Path) -> Result<String, PipelineError> {
    let (Some(feed), Some(supplier), Some(sequence)) = (&args.feed, &args.supplier, args.sequence) else {
        return Err(wrong("a signature needs --supplier, --feed and --sequence", "name all three"));
    };
    let signer = SupplierSigner::from_pem(&super::feed::read_key(key)?)?;
    let bundle = sign_file(path, &signer, &claim(feed, supplier, sequence, SIGNED_DAYS))?;
    Ok(bundle.display().to_string())
}

fn show(files: &[Made]) -> String {
    let row = |made: &Made| {
        let hostile = made.hostile.map_or_else(String::new, |hostile| hostile.to_string());
        vec![
            made.file.clone(),
            made.rows.to_string(),
            made.bytes.to_string(),
            hostile,
            made.sha256.chars().take(16).collect(),
            made.signature.clone().unwrap_or_default(),
        ]
    };
    table(&["file", "rows", "bytes", "hostile", "sha256", "signature"], &files.iter().map(row).collect::<Vec<_>>())
}

impl FileForm {
    /// The text that chunks are made in; Parquet is made of CSV.
    fn text(self) -> Format {
        match self {
            Self::Csv | Self::Parquet => Format::Csv,
            Self::Ndjson => Format::Ndjson,
        }
    }
}
