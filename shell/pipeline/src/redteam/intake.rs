//! Deliveries and writes against s01 and s02, with the facts that a run gathers.

use artifact::{Append, Batch, Content, Feed, Origin};
use attacks::{Broken, Channel, Delivery, Fed, Hand, Judged, Login, Proof, Route, Write};
use gate::{Cleared, Digest, Ledger, Outcome, Tray};
use identity::{Factor, Session};
use outlier::market::{MarketLimits, MarketState};
use s01_intake::Arrival;

use super::field::{Field, Intake, broken, judged};
use super::world::{self, FEED, SUPPLIER};
use crate::beside::Beside;
use crate::desk::now;
use crate::evidence::{Links, Recorder};
use crate::feed::claim;
use crate::gather::s01::{self, MarketTable};
use crate::{PipelineError, data};

const HOUR_SECONDS: i64 = 3600;

/// A delivery behind the door.
struct Through {
    content: Cleared<Content>,
    table: MarketTable,
}

impl Field {
    /// Intake as it stood before a week: the accepted history up to it, and the rules' memory of it.
    pub(super) fn rewind_intake(&mut self, week: u32) {
        let start = self.world.generator.market_week(week).first().map_or(i32::MAX, |row| row.week_start_day);
        let week = u32::try_from(start.div_euclid(7)).unwrap_or(u32::MAX);
        let known: Vec<_> = self.history.iter().filter(|row| row.week < week).cloned().collect();
        let state = MarketState::default().judge(&known, &MarketLimits::default()).1;
        self.intake = Intake { known, state, sequence: 1 };
    }

    fn bundle(&self, delivery: &Delivery) -> Result<Option<String>, PipelineError> {
        let Some(seal) = &delivery.seal else { return Ok(None) };
        let signers = &self.world.signers;
        let signer = match seal.hand {
            Hand::Supplier => &signers.supplier,
            Hand::OtherSupplier => &signers.other,
            Hand::Stranger => &signers.stranger,
        };
        let claim = claim(&seal.feed, SUPPLIER, seal.sequence, seal.days);
        let bytes = signer.sign("delivery.csv", seal.over.as_ref().unwrap_or(&delivery.bytes), &claim)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Door and rows, judged as a run judges them; what came through, or who stopped it.
    fn validate(&self, delivery: &Delivery, ledger: &mut dyn Ledger) -> Result<Result<Through, Judged>, Broken> {
        let arrival = match delivery.channel {
            Channel::Folder => Arrival::Folder,
            Channel::Plain => Arrival::Plain,
        };
        let bundle = self.bundle(delivery).map_err(broken)?;
        let facts = self.in_run(&self.world.sessions.steward, |run| {
            self.handle.block_on(run.door_facts(&self.feed_policy, arrival, Beside { bundle, detached: None }))
        })?;
        let mut facts = facts.map_err(broken)?;
        facts.last_sequence = Some(self.intake.sequence);
        let feed = Feed::new(FEED, SUPPLIER, delivery.bytes.clone());
        let door = match self.houses.door.clear(feed, &facts, ledger) {
            Outcome::Cleared(door) => door,
            stopped @ (Outcome::Held(_) | Outcome::Refused { .. } | Outcome::Unrecorded(_)) => return Ok(Err(judged(&stopped))),
        };
        let read = s01::read_market(door.subject().bytes().unwrap_or_default(), &self.feed_contract, FEED);
        let table = read.unwrap_or_default();
        let facts = s01::content_facts(&self.project.policy.content, &table, &self.intake.state, &self.intake.known, false);
        let facts = facts.map_err(broken)?;
        let batch = s01_intake::work::open_batch(&door, FEED, table.rows);
        Ok(match self.houses.content.clear(batch, &facts, ledger) {
            Outcome::Cleared(content) => Ok(Through { content, table }),
            stopped @ (Outcome::Held(_) | Outcome::Refused { .. } | Outcome::Unrecorded(_)) => Err(judged(&stopped)),
        })
    }

    pub(super) fn deliver(&mut self, delivery: &Delivery) -> Result<Fed, Broken> {
        let sequence = delivery.seal.as_ref().map_or(0, |seal| seal.sequence);
        if !self.is_on() {
            let Ok(table) = s01::read_market(&delivery.bytes, &self.feed_contract, FEED) else {
                return Ok(Fed { judged: Judged::stopped("cannot be read"), kept: Vec::new() });
            };
            self.intake.sequence = self.intake.sequence.max(sequence);
            return Ok(Fed { judged: Judged::through(), kept: (0..u32::try_from(table.rows).unwrap_or(u32::MAX)).collect() });
        }
        match self.validate(delivery, &mut Tray::default())? {
            Err(judged) => Ok(Fed { judged, kept: Vec::new() }),
            Ok(through) => {
                let held = &through.content.subject().held;
                let kept = (0..u32::try_from(through.table.rows).unwrap_or(u32::MAX))
                    .filter(|row| held.binary_search(row).is_err())
                    .collect();
                let clean = through.table.market.iter().filter(|(place, _)| held.binary_search(place).is_err());
                let clean: Vec<_> = clean.map(|(_, row)| row.clone()).collect();
                self.intake.state = s01::state_after(&clean, &self.intake.state);
                self.intake.known.extend(clean);
                self.intake.sequence = sequence;
                Ok(Fed { judged: Judged::through(), kept })
            }
        }
    }

    fn honest_delivery(&self, week: u32) -> Delivery {
        let bytes = generate::delivery_csv(&world::prices(&self.world.generator, week));
        let seal =
            attacks::Seal { hand: Hand::Supplier, over: None, feed: FEED.into(), sequence: self.intake.sequence + 1, days: 14 };
        Delivery { bytes, channel: Channel::Folder, seal: Some(seal) }
    }

    /// Lets two honest weeks through and keeps their receipts, which stand in the log.
    pub(super) fn deliver_twice(&mut self) -> Result<(), PipelineError> {
        for week in (self.world.last_week + 1)..207 {
            self.rewind_intake(week);
            let through = {
                let mut recorder = Recorder::new(self.desk().map_err(PipelineError::internal)?, FEED, Links::default());
                self.validate(&self.honest_delivery(week), &mut recorder).map_err(PipelineError::internal)?
            };
            self.delivered.extend(through.ok().map(|through| through.content));
            if self.delivered.len() == 2 {
                return Ok(());
            }
        }
        Err(PipelineError::Internal("no two honest weeks came through".into()))
    }

    fn login(&mut self, login: Login) -> Result<Session, Broken> {
        let steward = self.world.sessions.steward.clone();
        Ok(match login {
            Login::TwoFactors => steward,
            Login::Password => Session { amr: vec![Factor::Pwd], second_factor_at: None, ..steward },
            Login::HoursAgo(hours) => {
                let at = now() - hours * HOUR_SECONDS;
                Session { auth_time: at, second_factor_at: Some(at), ..steward }
            }
            Login::Link => {
                if self.link_session.is_none() {
                    let identity = &self.desk()?.identity;
                    let link = self.handle.block_on(identity.create_login_link(&steward.person, now())).map_err(broken)?;
                    let session = self.handle.block_on(identity.use_login_link(link.reveal(), now())).map_err(broken)?;
                    self.link_session = Some(session);
                }
                self.link_session.clone().unwrap_or(steward)
            }
        })
    }

    pub(super) fn write_source(&mut self, write: &Write) -> Result<Judged, Broken> {
        if !self.is_on() {
            return Ok(Judged::through());
        }
        let session = self.login(write.login)?;
        let unlogged = match &write.route {
            Route::Feed(Proof::Unlogged) => {
                self.rewind_intake(self.world.last_week + 1);
                let through = self.validate(&self.honest_delivery(self.world.last_week + 1), &mut Tray::default())?;
                through.ok().map(|through| through.content)
            }
            Route::Feed(_) | Route::Internal { .. } => None,
        };
        let (own, other) = (self.delivered.first(), self.delivered.get(1));
        let batch = own.map(Cleared::subject).ok_or_else(|| Broken("no delivery came through".into()))?;
        let stored = data::stored_columns(&self.project.contract);
        let (append, allowed, content) = match &write.route {
            Route::Feed(proof) => {
                let content = match proof {
                    Proof::Own | Proof::MoreRows => own,
                    Proof::None => None,
                    Proof::Anothers => other,
                    Proof::Unlogged => unlogged.as_ref(),
                };
                let batch = if *proof == Proof::Unlogged { unlogged.as_ref().map_or(batch, Cleared::subject) } else { batch };
                let columns: Vec<String> = s01::COLUMNS.iter().map(|column| (*column).to_owned()).collect();
                (feed_append(batch, u64::from(*proof == Proof::MoreRows), columns.clone(), &write.writer), columns, content)
            }
            Route::Internal { connector, extra } => {
                let columns = stored.iter().chain(extra).cloned().collect();
                let origin = Origin::Internal { connector: connector.clone() };
                let append = Append {
                    table: "customers".into(),
                    content: Digest::of(b"attack"),
                    rows: 10,
                    values: Digest::of(b"attack"),
                    columns,
                    origin,
                    writer: write.writer.clone(),
                };
                (append, stored, None)
            }
        };
        let table = append.table.clone();
        let facts = self.in_run(&session, |run| run.source_facts(&table, allowed, content))?;
        // A receipt that the log does not prove never becomes a fact: the write ends there.
        let Ok(facts) = facts else { return Ok(Judged::stopped("log")) };
        Ok(judged(&self.houses.source.clear(append, &facts, &mut Tray::default())))
    }
}

fn feed_append(batch: &Batch, more: u64, columns: Vec<String>, writer: &str) -> Append {
    Append {
        table: FEED.to_owned(),
        content: batch.content,
        rows: batch.rows_clean() + more,
        values: batch.content,
        columns,
        origin: Origin::Feed { feed: FEED.to_owned() },
        writer: writer.to_owned(),
    }
}
