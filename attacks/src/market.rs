//! Deliveries of market prices, as a supplier (or somebody in his place) would write them (T1).

use generate::{MarketRow, competitor_name, date_text, region_name};

use crate::draw::Draw;
use crate::target::{Broken, Channel, Delivery, Fed, Hand, Seal, Target};

/// Days that a signature holds.
const VALID_DAYS: i64 = 14;

/// The delivery's bytes.
pub(crate) fn csv(rows: &[MarketRow]) -> Vec<u8> {
    let mut out = String::from("week_start,region,competitor,price,promo,est_share\n");
    rows.iter().for_each(|row| out.push_str(&line(row)));
    out.into_bytes()
}

pub(crate) fn line(row: &MarketRow) -> String {
    format!(
        "{},{},{},{:.2},{},{:.4}\n",
        date_text(row.week_start_day),
        region_name(row.region),
        competitor_name(row.competitor),
        row.price,
        u8::from(row.promo),
        row.est_share
    )
}

/// A delivery into the folder, signed in order by the supplier's own key.
pub(crate) fn signed(target: &dyn Target, bytes: Vec<u8>) -> Delivery {
    let seal = Seal {
        hand: Hand::Supplier,
        over: None,
        feed: target.feed_name(),
        sequence: target.last_sequence().saturating_add(1),
        days: VALID_DAYS,
    };
    Delivery { bytes, channel: Channel::Folder, seal: Some(seal) }
}

/// A seeded week; intake stands before its delivery.
pub(crate) fn some_week(target: &mut dyn Target, draw: &mut Draw) -> Result<u32, Broken> {
    let weeks = target.weeks();
    let span = usize::try_from(weeks.end.saturating_sub(weeks.start)).unwrap_or(0);
    let week = weeks.start.saturating_add(u32::try_from(draw.below(span)).unwrap_or(0));
    target.rewind(week)?;
    Ok(week)
}

/// The honest delivery of a week, from a rewound intake.
pub(crate) fn honest(target: &mut dyn Target, week: u32) -> Result<Fed, Broken> {
    target.rewind(week)?;
    let delivery = signed(target, csv(&target.prices(week)));
    target.feed(&delivery)
}
