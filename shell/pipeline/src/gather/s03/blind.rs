//! What second labels say of the first (T6), by the log alone: which rows were drawn, who gave which answer, and who that was.

use std::collections::BTreeMap;

use artifact::LabelSet;
use identity::Action;
use labelnoise::blind;
use s03_label_qa::{Blind, Second, SecondLabeller};

use super::qa::{name_of, said};
use crate::evidence::deed::Deed;
use crate::policy::BlindPolicy;
use crate::run::Run;
use crate::run::labels::{LabelRows, proposed};
use crate::run::second::{Drawn, wanted};
use crate::{PipelineError, access};

/// Contradicted labels that the facts name.
const EXAMPLES: usize = 10;

impl Run<'_> {
    /// Second labels of exactly these rows, where the policy asks for some.
    pub(super) async fn blind(
        &self,
        set: &LabelSet,
        rows: &LabelRows,
        policy: Option<&BlindPolicy>,
    ) -> Result<Blind, PipelineError> {
        let Some(policy) = policy else { return Ok(Blind::Undeclared) };
        let needed = match wanted(policy, rows) {
            Ok(needed) => needed,
            Err(why) => return Ok(Blind::Failed(why)),
        };
        let Some((proposal, _)) = proposed(self.desk, set.content).await? else { return Ok(Blind::Undrawn(needed)) };
        let drawn = match Drawn::find(self.desk, &proposal, rows, policy) {
            Ok(Some(drawn)) => drawn,
            Ok(None) => return Ok(Blind::Undrawn(needed)),
            Err(why) => return Ok(Blind::Failed(why)),
        };
        let given: Vec<bool> = drawn.keys.iter().filter_map(|key| rows.labels.get(key).copied()).collect();
        let second: Vec<Option<bool>> = drawn.keys.iter().map(|key| drawn.answers.get(key).copied()).collect();
        let found = match blind::judge(set.rows, &given, &second, policy.miss) {
            Ok(found) => found,
            Err(error) => return Ok(Blind::Failed(error.to_string())),
        };
        let contradicted = drawn.keys.iter().zip(given.iter().zip(&second));
        let contradicted = contradicted.filter(|(_, (given, second))| second.is_some_and(|second| second != **given));
        let words = |(key, (given, _)): (&(String, i64), (&bool, &Option<bool>))| {
            format!("{}: `{}`, the second label says `{}`", name_of(key), said(*given), said(!given))
        };
        Ok(Blind::Drawn(Second {
            people: self.second_labellers(&drawn.deeds).await?,
            rows: set.rows,
            drawn: found.drawn,
            missing: found.missing,
            hidden: found.hidden,
            invented: found.invented,
            wrong_at_most: found.wrong_at_most,
            examples: contradicted.take(EXAMPLES).map(words).collect(),
        }))
    }

    async fn second_labellers(&self, deeds: &[Deed]) -> Result<Vec<SecondLabeller>, PipelineError> {
        let people: BTreeMap<String, _> =
            self.desk.identity.people().await?.into_iter().map(|person| (person.name.clone(), person)).collect();
        let rules = access::rules(&self.desk.project)?;
        let may = |name: &String| {
            people.get(name).is_some_and(|person| {
                // By the rules as they are now; that it was not the author is the gate's to see.
                [Action::ProposeLabels, Action::ApproveLabels].iter().any(|action| access::may(&rules, person, *action, None))
            })
        };
        let labeller = |deed: &Deed| SecondLabeller {
            person: deed.person.clone(),
            team: deed.team.clone(),
            may_label: may(&deed.person),
            second_factor: deed.second_factor(),
        };
        Ok(deeds.iter().map(labeller).collect())
    }
}
