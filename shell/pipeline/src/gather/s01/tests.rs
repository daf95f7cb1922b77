//! How often honest weeks are stopped and understated ones are not, by the gates and facts of a run, on generated years.

use artifact::Batch;
use gate::{Digest, Outcome, Tray};
use generate::poison::understate_prices;
use generate::{Config, Generator, Profile, competitor_name, region_name};

use super::*;
use crate::Houses;

const SEEDS: [u64; 5] = [1, 2, 3, 7, 11];
/// Weeks of accepted history before the first that is judged.
const HISTORY: u32 = 108;
const WEEKS: u32 = 208;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Taken,
    Held,
    Refused,
}

/// A feed as intake knows it.
struct Known {
    houses: Houses,
    state: MarketState,
    rows: Vec<MarketRow>,
}

/// The valid prices of a week.
fn prices(generator: &Generator, week: u32) -> Vec<generate::MarketRow> {
    generate::corrected(generator.market_week(week))
}

fn rows(of: &[generate::MarketRow]) -> Vec<MarketRow> {
    let row = |row: &generate::MarketRow| MarketRow {
        week: row.week,
        region: region_name(row.region).to_string(),
        competitor: competitor_name(row.competitor).to_string(),
        price: row.price,
        promo: row.promo,
        est_share: row.est_share,
    };
    of.iter().map(row).collect()
}

impl Known {
    fn generated(generator: &Generator) -> Self {
        let mut known = Self { houses: Houses::open().unwrap(), state: MarketState::default(), rows: Vec::new() };
        known.learn((0..HISTORY).flat_map(|week| rows(&prices(generator, week))).collect());
        known
    }

    fn learn(&mut self, kept: Vec<MarketRow>) {
        self.state = state_after(&kept, &self.state);
        self.rows.extend(kept);
    }

    /// Judges a delivery; a taken one is learnt from.
    fn deliver(&mut self, delivery: &[MarketRow], accepted: bool, learn: bool) -> (Ended, String) {
        let market: Vec<(u32, MarketRow)> = (0..).zip(delivery.iter().cloned()).collect();
        let table = MarketTable { rows: delivery.len() as u64, market, ..MarketTable::default() };
        let facts = content_facts(&Policy::default(), &table, &self.state, &self.rows, accepted).unwrap();
        let batch = Batch { table: "market".into(), content: Digest::of(b"w"), rows: table.rows, held: Vec::new() };
        match self.houses.content.clear(batch, &facts, &mut Tray::default()) {
            Outcome::Cleared(cleared) => {
                if learn {
                    let held = &cleared.subject().held;
                    let kept = table.market.iter().filter(|(place, _)| held.binary_search(place).is_err());
                    self.learn(kept.map(|(_, row)| row.clone()).collect());
                }
                (Ended::Taken, String::new())
            }
            Outcome::Held(held) => (Ended::Held, format!("{:?}", held.findings)),
            Outcome::Refused { gate, finding, .. } => (Ended::Refused, format!("{gate}: {}", finding.why)),
            Outcome::Unrecorded(error) => panic!("{error}"),
        }
    }
}

fn generator(seed: u64) -> Generator {
    Generator::new(Config::new(seed, 1_000, Profile::TelcoLike)).unwrap()
}

/// What `judge` makes of each seed's years, a seed a thread.
fn each_seed<T: Send>(judge: impl Fn(u64, &Generator) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let seeds: Vec<_> = SEEDS.iter().map(|seed| scope.spawn(|| judge(*seed, &generator(*seed)))).collect();
        seeds.into_iter().map(|seed| seed.join().unwrap()).collect()
    })
}

#[test]
fn honest_weeks_come_through_also_after_a_gap() {
    let ended: Vec<Ended> = each_seed(|seed, generator| {
        let mut known = Known::generated(generator);
        // One week of twenty is never delivered; what is stopped is never accepted.
        let weeks = (HISTORY..WEEKS).filter(|week| week % 20 != 19);
        let judge = |week| {
            let (ended, why) = known.deliver(&rows(&prices(generator, week)), false, true);
            if ended != Ended::Taken {
                println!("seed {seed}, week {week}: {ended:?} {why}");
            }
            ended
        };
        weeks.map(judge).collect::<Vec<_>>()
    })
    .concat();
    let count = |which| ended.iter().filter(|ended| **ended == which).count();
    let (all, held, refused) = (ended.len(), count(Ended::Held), count(Ended::Refused));
    println!("honest weeks: {all}, held {held}, refused {refused}");
    assert!((held + refused) * 50 <= all, "{held} held, {refused} refused of {all}");
    assert!(refused * 500 <= all, "{refused} refused of {all}");
}

#[test]
fn understated_weeks_are_stopped() {
    let plans = [(0.20, 3), (0.05, 3), (0.10, 1)];
    let ended: Vec<[Ended; 3]> = each_seed(|_, generator| {
        let mut known = Known::generated(generator);
        let mut out = Vec::new();
        for week in HISTORY..WEEKS {
            let honest = prices(generator, week);
            if week % 10 == 0 {
                out.push(plans.map(|(share, regions)| {
                    let hostile = understate_prices(&honest, share, regions, u64::from(week)).rows;
                    known.deliver(&rows(&hostile), false, false).0
                }));
            }
            known.learn(rows(&honest));
        }
        out
    })
    .concat();
    for (at, (share, regions)) in plans.into_iter().enumerate() {
        let count = |which| ended.iter().filter(|ended| ended[at] == which).count();
        let (all, held, refused) = (ended.len(), count(Ended::Held), count(Ended::Refused));
        println!("understated by {share} in {regions} regions: {all} deliveries, held {held}, refused {refused}");
        assert!((held + refused) * 100 >= all * 95);
        assert!(at > 0 || refused == all);
    }
}

/// A competitor that is cheaper by 10 % everywhere from now on.
fn cheaper(generator: &Generator, week: u32) -> Vec<MarketRow> {
    let mut rows = rows(&prices(generator, week));
    rows.iter_mut().filter(|row| row.competitor == competitor_name(2)).for_each(|row| row.price *= 0.9);
    rows
}

#[test]
fn a_stopped_week_stops_no_later_one_and_an_accepted_one_is_learnt() {
    let generator = generator(5);
    let mut known = Known::generated(&generator);
    let hostile = understate_prices(&prices(&generator, HISTORY), 0.2, 3, 1).rows;
    assert_eq!(known.deliver(&rows(&hostile), false, true).0, Ended::Refused);
    assert_eq!(known.deliver(&rows(&hostile), true, true).0, Ended::Refused, "nobody can accept what is clear");
    for week in HISTORY + 1..HISTORY + 6 {
        assert_eq!(known.deliver(&rows(&prices(&generator, week)), false, true), (Ended::Taken, String::new()));
    }
    let changed = HISTORY + 6;
    assert_eq!(known.deliver(&cheaper(&generator, changed), false, true).0, Ended::Held);
    assert_eq!(known.deliver(&cheaper(&generator, changed), true, true), (Ended::Taken, String::new()));
    let week: Vec<MarketRow> = known.rows.iter().filter(|row| row.week == changed).cloned().collect();
    assert_eq!(week.len(), 59, "the strange ones wait in quarantine");
    // Two people let them out: what they say is from then on how things are.
    known.learn(cheaper(&generator, changed).into_iter().filter(|row| !week.contains(row)).collect());
    assert_eq!(known.rows.iter().filter(|row| row.week == changed).count(), 72);
    for week in changed + 1..changed + 6 {
        assert_eq!(known.deliver(&cheaper(&generator, week), false, true), (Ended::Taken, String::new()));
    }
}

#[test]
fn one_region_that_moves_a_little_waits_for_a_person() {
    let generator = generator(5);
    let mut known = Known::generated(&generator);
    let mut rows = rows(&prices(&generator, HISTORY));
    rows.iter_mut().take(6).for_each(|row| row.price *= 0.98);
    let (ended, why) = known.deliver(&rows, false, false);
    assert_eq!(ended, Ended::Held, "{why}");
    assert_eq!(known.deliver(&rows, true, false).0, Ended::Taken);
    rows.iter_mut().take(12).for_each(|row| row.price *= 0.96);
    assert_eq!(known.deliver(&rows, true, false).0, Ended::Refused);
}
