//! The files of a model: damaged, they are refused, or still answer by probabilities (T3, T4).

use std::collections::BTreeMap;

use frame::{Categories, Column, Frame};
use learn::rng::Rng;
use learn::{BoosterSpec, Ensemble, ForestSpec, TrainSpec, Value};

use super::Target;

/// Enough for every member to have something to learn, and few enough for small files.
const ROWS: usize = 80;
const TREES: u32 = 3;

fn trained() -> Result<Ensemble, String> {
    let mut rng = Rng::new(1);
    let numbers: Vec<f64> = (0..ROWS).map(|_| rng.unit() * 4.0 - 2.0).collect();
    let texts: Vec<&str> = (0..ROWS).map(|_| ["north", "south", "east"][rng.below(3)]).collect();
    let labels: Vec<bool> = numbers.iter().map(|number| *number + rng.unit() > 0.5).collect();
    let mut frame = Frame::new(ROWS);
    let wrong = |error: frame::FrameError| error.to_string();
    frame.push("number", Column::Number(numbers)).map_err(wrong)?;
    frame.push("text", Column::Category(Categories::from_texts(texts.into_iter().map(Some)))).map_err(wrong)?;
    let spec = TrainSpec {
        booster: BoosterSpec { trees: TREES, depth: 2, ..BoosterSpec::default() },
        forest: ForestSpec { trees: TREES, depth_max: 3, ..ForestSpec::default() },
        ..TrainSpec::default()
    };
    Ensemble::fit(&frame, &labels, &spec).map_err(|error| error.to_string())
}

/// The input's first byte says which of the good files the rest replaces.
pub(super) fn files() -> Result<Target, String> {
    let good: BTreeMap<String, Vec<u8>> = trained()?.to_files().map_err(|error| error.to_string())?;
    Ensemble::from_files(&good).map_err(|error| error.to_string())?;
    let names: Vec<String> = good.keys().cloned().collect();
    let seeds = (b'0'..).zip(good.values()).map(|(number, bytes)| [&[number], bytes.as_slice()].concat()).collect();
    let run = move |bytes: &[u8]| {
        let Some((first, rest)) = bytes.split_first() else { return Ok("empty".to_owned()) };
        let Some(name) = names.get(usize::from(*first) % names.len()) else { return Ok("no file".to_owned()) };
        let mut files = good.clone();
        files.insert(name.clone(), rest.to_vec());
        let model = match Ensemble::from_files(&files) {
            Ok(model) => model,
            Err(error) => return Ok(format!("{name} refused: {error}")),
        };
        let rows = [
            [Value::Number(0.3), Value::Text("north")],
            [Value::Missing, Value::Missing],
            [Value::Number(f64::MAX), Value::Text("")],
        ];
        for row in rows {
            let Ok(scores) = model.predict_row(&row) else { continue };
            let all = [scores.booster, scores.svm, scores.forest, scores.vote];
            if !all.iter().all(|score| (0.0..=1.0).contains(score)) {
                return Err(format!("{name} is accepted and answers {all:?}"));
            }
        }
        Ok(format!("{name} accepted"))
    };
    let words: &[&str] =
        &["\"split_indices\":[", "\"data_offsets\":[", "\"F32\"", "\"shape\":[", "4294967295", "\"left_children\":[-1"];
    Ok(Target { name: "model-files", seeds, words, run: Box::new(run) })
}
