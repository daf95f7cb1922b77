//! Bytes that are changed between the supplier's signature and our door (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::market::{csv, honest, signed, some_week};
use crate::target::{Broken, Target};

pub(crate) struct TamperedDelivery;

impl Attack for TamperedDelivery {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "tampered-delivery",
            clauses: &[Clause::SignedFeeds],
            threat: Threat::PoisonedFeeds,
            about: "sits between supplier and intake, holds no key; flips one digit, drops the last row, or appends one; does not forge ECDSA",
            measure: "one changed file with the signature of the true one; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(15) {
            let week = some_week(target, &mut draw)?;
            tally.honest(&honest(target, week)?.judged);
            let bytes = csv(&target.prices(week));
            for (way, changed) in
                [("digit", digit(&bytes, &mut draw)), ("row dropped", dropped(&bytes)), ("row appended", appended(&bytes))]
            {
                target.rewind(week)?;
                let mut delivery = signed(target, changed);
                if let Some(seal) = &mut delivery.seal {
                    seal.over = Some(bytes.clone());
                }
                tally.hostile(way, &target.feed(&delivery)?.judged);
            }
        }
        Ok(tally.measured(""))
    }
}

/// Another last digit of a price, so that the file stays well formed.
fn digit(bytes: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let decimals: Vec<usize> = (1..out.len()).filter(|at| out[*at - 1] == b'.' && out[*at].is_ascii_digit()).collect();
    if let Some(byte) = draw.one(&decimals).and_then(|at| out.get_mut(*at)) {
        *byte = if *byte == b'9' { b'8' } else { *byte + 1 };
    }
    out
}

fn dropped(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let rows = text.lines().count();
    text.lines().take(rows.saturating_sub(1)).map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

fn appended(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let last = text.lines().last().unwrap_or_default();
    format!("{text}{last}\n").into_bytes()
}
