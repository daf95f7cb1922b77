//! `stayward model export`: a signed model in other people's formats, for whoever wants to run or check it without us (T4).

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use learn::Ensemble;
use learn::interchange::xgboost::Encoding;
use learn::interchange::{libsvm, onnx, xgboost};
use pipeline::Project;
use serde::Serialize;

use super::{Ended, model, wrong};
use crate::output::Output;

/// The format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The whole model from raw columns to vote and segment, as an ONNX graph.
    Onnx,
    /// The booster, as XGBoost's JSON; it reads encoded columns.
    Xgboost,
    /// The booster, as XGBoost's binary JSON.
    XgboostUbj,
    /// The random forest, as XGBoost's JSON; it reads encoded columns without holes.
    XgboostForest,
    /// The support vector machine, as libsvm's text; it reads encoded, filled and scaled columns.
    Libsvm,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// First digits of the model's digest; the newest where absent.
    model: Option<String>,
    /// What to write.
    #[arg(short, long, value_enum, default_value_t = Format::Onnx)]
    format: Format,
    /// The file; standard output where absent.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Exported {
    model: String,
    format: &'static str,
    file: String,
    bytes: usize,
    digest: String,
    training_rows: usize,
}

pub(crate) fn run(args: ExportArgs, root: &Path, out: &Output) -> Ended {
    let project: Project = super::open(root)?;
    let (name, ensemble) = model::loaded(&project, args.model.as_deref())?;
    let (bytes, word) = written(&ensemble, args.format)
        .map_err(|error| wrong(format!("the model cannot be exported: {error}"), "choose another format"))?;
    // The machine is made of rows of training customers, where it is not a plane.
    let training_rows = match args.format {
        Format::Onnx | Format::Libsvm if !ensemble.svm().is_plane() => ensemble.svm().support(),
        Format::Onnx | Format::Libsvm => 0,
        Format::Xgboost | Format::XgboostUbj | Format::XgboostForest => 0,
    };
    if training_rows > 0 {
        out.say(&format!("the file holds {training_rows} scaled rows of training customers: treat it as personal data"));
    }
    let Some(path) = args.out else {
        super::raw(out, &bytes)?;
        return Ok(0);
    };
    store::disk::write_atomic(&path, &bytes)?;
    let exported = Exported {
        model: name,
        format: word,
        file: path.display().to_string(),
        bytes: bytes.len(),
        digest: gate::Digest::of(&bytes).to_string(),
        training_rows,
    };
    out.result(&exported, || {
        format!(
            "model {} as {}: {}, {} bytes, {}",
            exported.model, exported.format, exported.file, exported.bytes, exported.digest
        )
    });
    Ok(0)
}

fn written(model: &Ensemble, format: Format) -> Result<(Vec<u8>, &'static str), learn::LearnError> {
    Ok(match format {
        Format::Onnx => (onnx::write(model)?, "onnx"),
        Format::Xgboost => (xgboost::booster(model.booster(), Encoding::Json)?, "xgboost"),
        Format::XgboostUbj => (xgboost::booster(model.booster(), Encoding::Ubj)?, "xgboost-ubj"),
        Format::XgboostForest => (xgboost::forest(model.forest())?, "xgboost-forest"),
        Format::Libsvm => (libsvm::write(model.svm())?.into_bytes(), "libsvm"),
    })
}
