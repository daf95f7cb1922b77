//! Writes one synthetic table to standard output, so that other programs (peers, spreadsheets) can read the same world.
//!
//! `cargo run -p generate --example table -- snapshot 30 50000 7 telco-like` (table, month, customers, seed, profile).
//! The table `truth` lists score, chance and hidden segment, which no real table has.

use generate::{Config, Format, Generator, Profile, Table};
use std::io::{Error, Write};

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |at: usize, default: &'static str| arguments.get(at).map_or(default, String::as_str);
    let number =
        |at: usize, default| text(at, default).parse::<u64>().map_err(|why| Error::other(format!("argument {at}: {why}")));
    let (name, month, customers, seed) = (text(0, "snapshot"), number(1, "30")? as u32, number(2, "1000")?, number(3, "7")?);
    let profile = match text(4, "telco-like") {
        "telco-like" => Profile::TelcoLike,
        "bank-like" => Profile::BankLike,
        "noisy-retail" => Profile::NoisyRetail,
        other => return Err(Error::other(format!("`{other}` is not a profile"))),
    };
    let generator = Generator::new(Config::new(seed, customers, profile)).map_err(Error::other)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let table = match name {
        "customers" => Table::Customers { month },
        "behaviour" => Table::Behaviour { month },
        "tickets" => Table::Tickets { month },
        "market_feed" => Table::MarketFeed,
        "labels" => Table::Labels { month },
        "snapshot" => Table::Snapshot { month },
        "truth" => return truth(&generator, month, &mut out),
        "manifest" => return serde_json::to_writer_pretty(&mut out, &generator.manifest()).map_err(Error::other),
        other => return Err(Error::other(format!("`{other}` is not a table"))),
    };
    out.write_all(table.csv_header().as_bytes())?;
    for chunk in generator.chunks(table, Format::Csv, 0..generator.slots(table)).map_err(Error::other)? {
        out.write_all(&chunk)?;
    }
    out.flush()
}

fn truth(generator: &Generator, month: u32, out: &mut impl Write) -> Result<(), Error> {
    let month = generator.month(month).map_err(Error::other)?;
    writeln!(out, "customer_id,score,chance,segment")?;
    for row in 0..generator.config().customers {
        let (score, chance) = (month.churn_score(row), month.churn_probability(row));
        writeln!(out, "{},{score:.6},{chance:.6},{}", row + 1, month.hidden_segment(row))?;
    }
    out.flush()
}
