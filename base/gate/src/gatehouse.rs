//! A step with its gates in place: the only maker of [`Cleared`].

use serde::Serialize;

use crate::{
    Archived, Clause, Cleared, Decision, EXCEPTIONS, Finding, Gate, GateRuling, Held, Ledger, LedgerError, Receipt, Ruling,
    RulingOutcome, Step, Subject, Verdict, Witness,
};

/// A step's gates, in the order in which they judge.
pub struct Gatehouse<S: Step, F: 'static> {
    gates: &'static [&'static dyn Gate<S, F>],
}

/// How a subject left the gatehouse.
#[derive(Debug)]
pub enum Outcome<S: Step> {
    /// It came through.
    Cleared(Cleared<S>),
    /// It waits for people.
    Held(Held<S>),
    /// It was stopped.
    Refused {
        /// The gate that stopped it.
        gate: &'static str,
        /// Why, and what to do.
        finding: Finding,
        /// The ledger entry of the refusal.
        receipt: Receipt,
    },
    /// The decision could not be written down, so there is none.
    Unrecorded(LedgerError),
}

/// Why a [`Cleared`] was not opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The log does not prove the receipt.
    Log(LedgerError),
    /// The receipt is of another step.
    Step {
        /// The step that was asked for.
        expected: &'static str,
        /// The step of the receipt.
        found: String,
    },
    /// The ruling was not that the subject may go on.
    NotCleared(RulingOutcome),
    /// The bytes are not those that were cleared.
    Changed {
        /// Digest in the log.
        cleared: Option<crate::Digest>,
        /// Digest of what is there now.
        found: crate::Digest,
    },
}

impl std::fmt::Display for Unproven {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log(error) => error.fmt(out),
            Self::Step { expected, found } => write!(out, "the receipt is of step `{found}`, not of `{expected}`"),
            Self::NotCleared(outcome) => write!(out, "the ledger says `{outcome:?}`, not cleared"),
            Self::Changed { cleared: Some(cleared), found } => {
                write!(out, "what is there now is {found}, what was cleared was {cleared}")
            }
            Self::Changed { cleared: None, found } => write!(out, "what is there now is {found}, and nothing was cleared"),
        }
    }
}

impl std::error::Error for Unproven {}

impl<S: Step, F: Serialize> Gatehouse<S, F> {
    /// Puts the gates in place. The error names the clauses that belong to this step and have neither a gate nor a stated exception.
    pub fn open(gates: &'static [&'static dyn Gate<S, F>]) -> Result<Self, Vec<Clause>> {
        let open: Vec<Clause> = crate::CLAUSES
            .iter()
            .copied()
            .filter(|clause| clause.home() == S::ID)
            .filter(|clause| !EXCEPTIONS.iter().any(|(excepted, _)| excepted == clause))
            .filter(|clause| !gates.iter().any(|gate| gate.card().clauses.contains(clause)))
            .collect();
        if open.is_empty() { Ok(Self { gates }) } else { Err(open) }
    }

    /// The gates, in order.
    pub fn gates(&self) -> &'static [&'static dyn Gate<S, F>] {
        self.gates
    }

    /// Judges a subject by the facts and writes the decision down. Nothing is decided until the ledger has it.
    pub fn clear(&self, subject: S::Subject, facts: &F, ledger: &mut dyn Ledger) -> Outcome<S> {
        let archived = match (serde_json_canonicalizer::to_vec(&subject), serde_json_canonicalizer::to_vec(facts)) {
            (Ok(subject), Ok(facts)) => Archived { subject, facts },
            (Err(error), _) | (_, Err(error)) => {
                return Outcome::Unrecorded(LedgerError(format!("subject or facts cannot be archived: {error}")));
            }
        };
        let judged = judge(self.gates, subject, facts);
        let receipt = match ledger.record(judged.ruling, archived) {
            Ok(receipt) => receipt,
            Err(error) => return Outcome::Unrecorded(error),
        };
        match judged.left {
            Left::Through(subject) => Outcome::Cleared(Cleared::new(subject, receipt)),
            Left::Waiting(subject, findings) => Outcome::Held(Held { subject, findings, receipt }),
            Left::Stopped(gate, finding) => Outcome::Refused { gate, finding, receipt },
        }
    }

    /// Judges archived subject and facts again, without a ledger and without making a [`Cleared`]: the ruling must equal the logged one.
    /// The gates are those that the logged ruling names, so a gate that was added since does not make the past look wrong; one that
    /// is no longer there is an error, since nobody can say what it would say.
    pub fn replay(&self, logged: &Ruling, subject: &[u8], facts: &[u8]) -> Result<Ruling, LedgerError>
    where
        F: serde::de::DeserializeOwned,
    {
        let unreadable =
            |what: &str, error: serde_json::Error| LedgerError(format!("the archived {what} cannot be read: {error}"));
        let subject: S::Subject = serde_json::from_slice(subject).map_err(|error| unreadable("subject", error))?;
        let facts: F = serde_json::from_slice(facts).map_err(|error| unreadable("facts", error))?;
        if logged.gates.is_empty() && !self.gates.is_empty() {
            return Err(LedgerError("the ruling names no gate that was asked".to_owned()));
        }
        let find = |ruled: &GateRuling| {
            let found = self.gates.iter().find(|gate| gate.card().id == ruled.gate).copied();
            found.ok_or_else(|| LedgerError(format!("step `{}` has no gate `{}` any more", S::ID, ruled.gate)))
        };
        let gates: Vec<_> = logged.gates.iter().map(find).collect::<Result<_, _>>()?;
        Ok(judge(&gates, subject, &facts).ruling)
    }

    /// Opens a [`Cleared`] again after a restart: the witness must prove the receipt, and the subject must be the one that was cleared.
    pub fn reopen(&self, subject: S::Subject, receipt: Receipt, witness: &dyn Witness) -> Result<Cleared<S>, Unproven> {
        let ruling = witness.ruling(&receipt).map_err(Unproven::Log)?;
        if ruling.step != S::ID {
            return Err(Unproven::Step { expected: S::ID, found: ruling.step });
        }
        if ruling.outcome != RulingOutcome::Cleared {
            return Err(Unproven::NotCleared(ruling.outcome));
        }
        let found = subject.digest();
        if ruling.cleared != Some(found) {
            return Err(Unproven::Changed { cleared: ruling.cleared, found });
        }
        Ok(Cleared::new(subject, receipt))
    }
}

/// Asks gate after gate; a refusal ends it.
fn judge<S: Step, F>(gates: &[&'static dyn Gate<S, F>], subject: S::Subject, facts: &F) -> Judged<S> {
    let arrived = subject.digest();
    let (mut rulings, mut findings) = (Vec::new(), Vec::new());
    let (mut subject, mut digest) = (subject, arrived);
    let outcome = |findings: &[_]| if findings.is_empty() { RulingOutcome::Cleared } else { RulingOutcome::Held };
    for gate in gates {
        let id = gate.card().id;
        let (left, decision, finding) = match gate.judge(subject, facts) {
            Verdict::Pass(left) => (left, Decision::Pass, None),
            Verdict::Hold(left, finding) => (left, Decision::Hold, Some(finding)),
            Verdict::Refuse(finding) => {
                let ruled = Some(finding.clone());
                rulings.push(GateRuling { gate: id.to_owned(), decision: Decision::Refuse, finding: ruled, changed: None });
                let step = S::ID.to_owned();
                let outcome = RulingOutcome::Refused;
                let ruling = Ruling { step, subject: arrived, cleared: None, gates: rulings, outcome };
                return Judged { ruling, left: Left::Stopped(id, finding) };
            }
        };
        let after = left.digest();
        let changed = (after != digest).then_some(after);
        findings.extend(finding.clone().map(|finding| (id, finding)));
        rulings.push(GateRuling { gate: id.to_owned(), decision, finding, changed });
        (subject, digest) = (left, after);
    }
    let outcome = outcome(&findings);
    let ruling = Ruling { step: S::ID.to_owned(), subject: arrived, cleared: Some(digest), gates: rulings, outcome };
    let left = if findings.is_empty() { Left::Through(subject) } else { Left::Waiting(subject, findings) };
    Judged { ruling, left }
}

enum Left<T> {
    Through(T),
    Waiting(T, Vec<(&'static str, Finding)>),
    Stopped(&'static str, Finding),
}

struct Judged<S: Step> {
    ruling: Ruling,
    left: Left<S::Subject>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Card, Digest, Maturity, Tray};

    struct Box1;
    impl Step for Box1 {
        const ID: &'static str = "a-box";
        const TITLE: &'static str = "A box";
        type Subject = String;
    }
    struct NoPoison;
    impl Gate<Box1, u32> for NoPoison {
        fn card(&self) -> &'static Card {
            const CARD: Card = Card { id: "no-poison", clauses: &[], about: "", maturity: Maturity::Working };
            &CARD
        }
        fn judge(&self, subject: String, facts: &u32) -> Verdict<String> {
            match subject.as_str() {
                "poison" => Verdict::Refuse(Finding::seen("poison", "pour it away")),
                "odd" => Verdict::Hold(subject, Finding::seen("odd", "ask")),
                _ => Verdict::Pass(format!("{subject}{facts}")),
            }
        }
    }
    static GATES: &[&dyn Gate<Box1, u32>] = &[&NoPoison];

    struct Says(Result<Ruling, LedgerError>);
    impl Witness for Says {
        fn ruling(&self, _: &Receipt) -> Result<Ruling, LedgerError> {
            self.0.clone()
        }
    }

    fn house() -> Gatehouse<Box1, u32> {
        Gatehouse::open(GATES).unwrap()
    }

    #[test]
    fn each_verdict_leaves_by_its_own_door_and_is_written_down() {
        let mut tray = Tray::default();
        assert!(matches!(house().clear("milk".into(), &7, &mut tray), Outcome::Cleared(cleared) if cleared.subject() == "milk7"));
        assert!(matches!(house().clear("odd".into(), &7, &mut tray), Outcome::Held(_)));
        assert!(matches!(house().clear("poison".into(), &7, &mut tray), Outcome::Refused { gate: "no-poison", .. }));
        let outcomes: Vec<_> = tray.rulings.iter().map(|(ruling, _)| ruling.outcome).collect();
        assert_eq!(outcomes, [RulingOutcome::Cleared, RulingOutcome::Held, RulingOutcome::Refused]);
        assert_eq!(tray.rulings[0].0.gates[0].changed, Some(Digest::of_json(&"milk7")));
    }

    #[test]
    fn a_replay_gives_the_same_ruling() {
        let mut tray = Tray::default();
        house().clear("milk".into(), &7, &mut tray);
        let (ruling, archived) = &tray.rulings[0];
        assert_eq!(house().replay(ruling, &archived.subject, &archived.facts), Ok(ruling.clone()));
        assert_ne!(house().replay(ruling, &archived.subject, b"8"), Ok(ruling.clone()));
        assert!(house().replay(ruling, b"{", b"7").is_err());
        let early = Ruling { gates: Vec::new(), cleared: Some(ruling.subject), ..ruling.clone() };
        assert!(house().replay(&early, &archived.subject, &archived.facts).is_err());
        let mut gone = ruling.clone();
        gone.gates[0].gate = "no-cork".into();
        assert!(house().replay(&gone, &archived.subject, &archived.facts).is_err());
    }

    #[test]
    fn a_cleared_subject_is_opened_again_only_as_it_was() {
        let mut tray = Tray::default();
        let Outcome::Cleared(cleared) = house().clear("milk".into(), &7, &mut tray) else { panic!("refused") };
        let (receipt, says) = (cleared.receipt().clone(), Says(Ok(tray.rulings[0].0.clone())));
        assert!(house().reopen("milk7".into(), receipt.clone(), &says).is_ok());
        assert!(matches!(house().reopen("milk8".into(), receipt.clone(), &says), Err(Unproven::Changed { .. })));
        let silent = Says(Err(LedgerError("no such entry".into())));
        assert!(matches!(house().reopen("milk7".into(), receipt.clone(), &silent), Err(Unproven::Log(_))));
        house().clear("poison".into(), &7, &mut tray);
        let refused = Says(Ok(tray.rulings[1].0.clone()));
        assert!(matches!(house().reopen("poison".into(), receipt.clone(), &refused), Err(Unproven::NotCleared(_))));
        let other = Says(Ok(Ruling { step: "other".into(), ..tray.rulings[0].0.clone() }));
        assert!(matches!(house().reopen("milk7".into(), receipt, &other), Err(Unproven::Step { .. })));
    }

    #[test]
    fn a_gatehouse_without_its_gates_stays_shut() {
        struct Door;
        impl Step for Door {
            const ID: &'static str = "s01-door";
            const TITLE: &'static str = "Door";
            type Subject = String;
        }
        assert!(Gatehouse::<Door, u32>::open(&[]).is_err_and(|clauses| clauses.contains(&Clause::SignedFeeds)));
    }
}
