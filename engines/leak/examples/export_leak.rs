//! Writes the scores of many models, one of which is attacked at a time, so that `checks/peers/leakage_peer.py` can let another
//! program's attacks judge them beside ours (T2).
//!
//! `cargo run -p leak --example export_leak -- OUTDIR`

#[path = "../tests/common/mod.rs"]
#[expect(clippy::unwrap_used, reason = "the rows of our tests")]
mod common;

use std::fmt::Write;
use std::path::PathBuf;

use leak::{Attack, AuditSpec, Leak, Panel, Settings, judge, panels, signals};
use learn::{ForestSpec, Member, TrainSpec};

/// People; half of them are in each model, as many as in half of a small public data set.
const PEOPLE: usize = 5_000;
/// 8 targets have 20,000 non-members, twice what one false alarm in a thousand takes.
const AUDIT: AuditSpec = AuditSpec { models: 32, targets: 8, seed: 9, member: None };

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let out = PathBuf::from(std::env::args().nth(1).ok_or("say where to write: export_leak OUTDIR")?);
    let (frame, labels) = common::people(PEOPLE, 1);
    // Full trees on one side, the preset on the other.
    let full = TrainSpec { forest: ForestSpec { trees: 100, min_leaf: 1, ..ForestSpec::default() }, ..TrainSpec::default() };
    let cases = [("leaky", Member::Forest, full), ("guarded", Member::Vote, TrainSpec::guarded())];
    for (name, member, spec) in cases {
        let asked = AuditSpec { member: Some(member), ..AUDIT };
        let found = panels(&frame, &labels, &spec, &asked, &mut |_| ())?;
        let panel = found.get(&member).ok_or("the member is missing")?;
        let settings = Settings::default();
        let targets: Vec<usize> = (0..AUDIT.targets).collect();
        let own: Vec<Vec<f64>> =
            targets.iter().map(|&target| signals(panel, target, Attack::Lira, &settings)).collect::<Result<_, _>>()?;
        save(&out, &format!("{name}.json"), &facts(panel, &own, &judge(panel, &targets, &settings)?, settings.clip)?)?;
    }
    Ok(())
}

/// Everything that the other program needs, and our figures.
fn facts(panel: &Panel, own: &[Vec<f64>], leak: &Leak, clip: f64) -> Outcome<String> {
    let bits = |bits: &[bool]| bits.iter().map(|&bit| if bit { '1' } else { '0' }).collect::<String>();
    let models = || 0..panel.models();
    let mut out = String::from("{");
    write!(out, "\"clip\":{clip},\"labels\":\"{}\",", bits(panel.labels()))?;
    write!(
        out,
        "\"trained\":{},",
        serde_json::to_string(&models().map(|model| bits(panel.trained(model))).collect::<Vec<_>>())?
    )?;
    write!(out, "\"scores\":{},", serde_json::to_string(&models().map(|model| panel.scores(model)).collect::<Vec<_>>())?)?;
    write!(out, "\"lira\":{},\"leak\":{}}}", serde_json::to_string(own)?, serde_json::to_string(leak)?)?;
    Ok(out)
}

#[expect(clippy::disallowed_methods, reason = "an example that exports writes files")]
fn save(folder: &std::path::Path, name: &str, text: &str) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join(name), text)?)
}
