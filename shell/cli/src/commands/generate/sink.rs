//! Where generated chunks go: a file or standard output, counted and hashed on their way, so that a manifest can name them (T1).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pipeline::PipelineError;
use store::parquet_out::ParquetOut;
use tabular::csv::{Header, Options};

use crate::commands::wrong;

const OUT_HELP: &str = "choose a file that can be written";

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FileForm {
    /// Comma-separated with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Parquet, Zstandard.
    Parquet,
}

impl FileForm {
    /// The ending of a file's name.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }
}

/// What was written.
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

enum Kind {
    Text(Box<dyn Write>),
    Parquet { file: PathBuf, header: String, out: Option<Box<ParquetOut>> },
}

/// Takes chunks of text; the file appears under its name only when it is whole.
pub(super) struct Sink {
    kind: Kind,
    to: Option<(PathBuf, PathBuf)>,
    rows: u64,
}

fn failed(error: &dyn std::fmt::Display) -> PipelineError {
    wrong(error.to_string(), OUT_HELP)
}

/// A reader that went away (`| head`) is no error.
fn written(result: std::io::Result<()>) -> Result<(), PipelineError> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(failed(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Sink {
    /// Begins; `header` is the CSV line with the columns' names. Without a path text goes to standard output.
    pub(super) fn open(path: Option<&Path>, form: FileForm, header: &str) -> Result<Self, PipelineError> {
        let Some(path) = path else {
            if form == FileForm::Parquet {
                return Err(wrong("Parquet does not go to standard output", "name a file with --out"));
            }
            let mut out: Box<dyn Write> = Box::new(BufWriter::new(std::io::stdout()));
            if form == FileForm::Csv {
                out.write_all(header.as_bytes()).map_err(|error| failed(&error))?;
            }
            return Ok(Self { kind: Kind::Text(out), to: None, rows: 0 });
        };
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let kind = if form == FileForm::Parquet {
            Kind::Parquet { file: unfinished.clone(), header: header.to_owned(), out: None }
        } else {
            let mut out: Box<dyn Write> = Box::new(BufWriter::new(
                File::create(&unfinished).map_err(|error| failed(&format!("`{}`: {error}", unfinished.display())))?,
            ));
            if form == FileForm::Csv {
                out.write_all(header.as_bytes()).map_err(|error| failed(&error))?;
            }
            Kind::Text(out)
        };
        Ok(Self { kind, to: Some((unfinished, path.to_owned())), rows: 0 })
    }

    /// Adds whole lines.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), PipelineError> {
        let lines = chunk.iter().filter(|byte| **byte == b'\n').count();
        self.rows += u64::try_from(lines).unwrap_or(u64::MAX);
        match &mut self.kind {
            Kind::Text(out) => written(out.write_all(chunk)),
            Kind::Parquet { file, header, out } => {
                let text = [header.as_bytes(), chunk].concat();
                let options = Options { delimiter: Some(b','), header: Some(Header::Present), ..Options::default() };
                let table = tabular::csv::read(&text, &options).map_err(|error| PipelineError::Internal(error.to_string()))?;
                for batch in &table.batches {
                    match out {
                        Some(out) => out.push(batch).map_err(|error| failed(&error))?,
                        None => {
                            let begun =
                                File::create(&*file).map_err(|error| failed(&format!("`{}`: {error}", file.display())))?;
                            *out = Some(Box::new(ParquetOut::begin(begun, batch).map_err(|error| failed(&error))?));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Ends the file and gives it its name.
    pub(super) fn finish(self) -> Result<Written, PipelineError> {
        match self.kind {
            Kind::Text(mut out) => written(out.flush())?,
            Kind::Parquet { out: Some(out), .. } => out.finish().map_err(|error| failed(&error))?,
            Kind::Parquet { out: None, .. } => {
                return Err(wrong("the table has no rows", "ask for another month, or more customers"));
            }
        }
        let Some((unfinished, path)) = self.to else {
            return Ok(Written { rows: self.rows, bytes: 0, sha256: String::new() });
        };
        let (digest, bytes) = store::disk::digest_of(&unfinished)?;
        std::fs::rename(&unfinished, &path).map_err(|error| failed(&format!("`{}`: {error}", path.display())))?;
        Ok(Written { rows: self.rows, bytes, sha256: digest.hex() })
    }
}
