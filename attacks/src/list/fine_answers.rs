//! Getting more out of an answer than yes or no (T2).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, Judged, KeyWish, Seen, Target};

pub(crate) struct FineAnswers;

impl Attack for FineAnswers {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "fine-answers",
            clauses: &[Clause::LimitedGranularity],
            threat: Threat::Inference,
            about: "holds a good key; wishes for bands, sends the same row again and again, sends a row with one value changed a little; yes or no still tells something (see copy-within-budget)",
            measure: "one question; won if anything finer than yes or no, or another answer to the same row, is seen",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let customers = target.customers();
        let key = target.key(KeyWish::generous())?;
        for _ in 0..plan.tries(20) {
            let Some(customer) = draw.one(&customers).cloned() else { continue };
            let ask = Ask { key: Some(key.clone()), customers: vec![customer], ..Ask::default() };
            let asked = target.ask(&ask)?;
            tally.honest(&asked.judged);
            let fine = |seen: &[Seen]| seen.iter().any(|seen| !matches!(seen, Seen::Class(_)));
            let by = |won: bool| if won { Judged::through() } else { Judged::stopped("answer is yes or no") };
            tally.tried("plain question", fine(&asked.seen), &by(fine(&asked.seen)));
            let finer = target.ask(&Ask { finer: true, ..ask.clone() })?;
            let won = fine(&finer.seen);
            tally.tried("wish for bands", won, &if won { Judged::through() } else { finer.judged });
            let again = target.ask(&ask)?;
            let won = again.seen != asked.seen || fine(&again.seen);
            tally.tried("asked again", won, &by(won));
        }
        Ok(tally.measured(""))
    }
}
