//! Gives the support vector machine to libsvm and takes theirs, as libsvm's text model (`svm-predict`, `svmutil`), by a reader that
//! no bytes can bring down (T3, T4).
//!
//! Features are the encoded columns, filled and scaled, counted from 1. The text holds rows of training customers, as the model
//! itself does: treat it as personal data. Numbers are written so that libsvm reads the very same numbers; libsvm adds in 64 bits
//! where we take distances in 32, so decision values differ by rounding only.

use std::fmt::Write;

use crate::calibrate::Sigmoid;
use crate::error::{LearnError, ModelError};
use crate::preprocess::COLUMNS_MAX;
use crate::spec::SVM_ROWS_MAX;
use crate::svm::{Parts, Svm};

/// What a refused file is called.
const FILE: &str = "libsvm model";
/// Most bytes of a text that is read.
pub const TEXT_BYTES_MAX: usize = 512 << 20;
/// Most values of all support vectors of a text that is read: 400 MB of them.
pub const VALUES_MAX: usize = 100_000_000;

/// The machine as libsvm's text: class 1 is positive, `probA` and `probB` are our sigmoid.
///
/// # Errors
/// A linear machine.
pub fn write(svm: &Svm) -> Result<String, LearnError> {
    if svm.is_plane() {
        return Err(LearnError::Write("a machine with a Gaussian kernel is needed; this one is a plane".to_owned()));
    }
    let parts = svm.parts();
    let (gamma, sigmoid) = (f64::from(parts.gamma), parts.sigmoid);
    // libsvm keeps the vectors of its first label first; their weights are the positive ones.
    let rows: Vec<usize> = (0..parts.weights.len()).collect();
    let (first, second): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|&row| parts.weights[row] > 0.0);
    let mut text = format!(
        "svm_type c_svc\nkernel_type rbf\ngamma {gamma}\nnr_class 2\ntotal_sv {}\nrho {}\nlabel 1 0\nprobA {}\nprobB {}\nnr_sv {} {}\nSV\n",
        parts.weights.len(),
        -parts.bias,
        sigmoid.slope,
        sigmoid.offset,
        first.len(),
        second.len()
    );
    let columns = parts.columns.max(1);
    for row in first.into_iter().chain(second) {
        vector(&mut text, parts.weights[row], &parts.vectors[row * columns..(row + 1) * columns])
            .map_err(|error| LearnError::Write(error.to_string()))?;
    }
    Ok(text)
}

/// One line. A number of 32 bits is written with the digits of its 64-bit twin, so that `strtod` gives it back exactly.
fn vector(text: &mut String, weight: f32, values: &[f32]) -> std::fmt::Result {
    write!(text, "{}", f64::from(weight))?;
    for (at, &value) in values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
        write!(text, " {}:{}", at + 1, f64::from(value))?;
    }
    text.write_str(" \n")
}

fn wrong(why: impl Into<String>) -> ModelError {
    ModelError::malformed(FILE, why)
}

/// Facts at the head of a text.
#[derive(Default)]
struct Head {
    gamma: Option<f64>,
    total: Option<usize>,
    rho: Option<f64>,
    slope: Option<f64>,
    offset: Option<f64>,
    /// Whether the first label is the positive one.
    positive_first: Option<bool>,
    machine: bool,
    kernel: bool,
}

/// One number of a line that has no more.
fn one<T: std::str::FromStr>(name: &str, rest: &[&str]) -> Result<T, ModelError> {
    match rest {
        [only] => only.parse().map_err(|_| wrong(format!("`{name}` is no number"))),
        _ => Err(wrong(format!("`{name}` is not one number"))),
    }
}

impl Head {
    /// Takes one line before `SV`.
    fn take(&mut self, line: &str) -> Result<(), ModelError> {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or("");
        let rest: Vec<&str> = words.take(4).collect();
        match name {
            "svm_type" => self.machine = rest == ["c_svc"],
            "kernel_type" => self.kernel = rest == ["rbf"],
            "gamma" => self.gamma = Some(one(name, &rest)?),
            "total_sv" => self.total = Some(one(name, &rest)?),
            "rho" => self.rho = Some(one(name, &rest)?),
            "probA" => self.slope = Some(one(name, &rest)?),
            "probB" => self.offset = Some(one(name, &rest)?),
            "nr_class" if rest == ["2"] => (),
            "label" => {
                self.positive_first = match rest.as_slice() {
                    ["1", "0" | "-1"] => Some(true),
                    ["0" | "-1", "1"] => Some(false),
                    _ => return Err(wrong("labels are not 1 and 0, or 1 and -1")),
                }
            }
            "nr_sv" | "prob_density_marks" => (),
            _ => return Err(wrong("a line before `SV` is not known, or there are not two classes")),
        }
        Ok(())
    }
}

/// A two-class machine with a Gaussian kernel that libsvm wrote, of so many columns. Never panics. Weights, width and vectors are
/// rounded to 32 bits, which is how we keep them.
///
/// # Errors
/// Text that is no such machine, or was trained without probabilities (`svm-train -b 1` gives them), or is too large.
pub fn read(text: &[u8], columns: usize) -> Result<Svm, ModelError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ModelError::TooLarge { file: FILE.to_owned(), seen: text.len(), most: TEXT_BYTES_MAX });
    }
    if columns == 0 || columns > COLUMNS_MAX {
        return Err(wrong("columns are none or too many"));
    }
    let text = std::str::from_utf8(text).map_err(|error| wrong(error.to_string()))?;
    let mut lines = text.lines();
    let mut head = Head::default();
    loop {
        match lines.next() {
            None => return Err(wrong("there is no line `SV`")),
            Some(line) if line.trim_end() == "SV" => break,
            Some(line) => head.take(line)?,
        }
    }
    let Head { gamma: Some(gamma), total: Some(total), rho: Some(rho), positive_first: Some(positive_first), .. } = head else {
        return Err(wrong("`gamma`, `total_sv`, `rho` or `label` is missing"));
    };
    if !head.machine || !head.kernel {
        return Err(wrong("not a `c_svc` with an `rbf` kernel"));
    }
    let (Some(slope), Some(offset)) = (head.slope, head.offset) else {
        return Err(wrong("it has no `probA` and `probB`; train it with `-b 1`"));
    };
    if total > SVM_ROWS_MAX || total.saturating_mul(columns) > VALUES_MAX {
        return Err(wrong("support vectors are too many"));
    }
    let (weights, vectors) = read_vectors(lines, total, columns)?;
    let sign = if positive_first { 1.0 } else { -1.0 };
    let parts = Parts {
        columns,
        gamma: gamma as f32,
        bias: -rho * sign,
        // libsvm's sigmoid gives the probability of its first label.
        sigmoid: if positive_first { Sigmoid { slope, offset } } else { Sigmoid { slope, offset: -offset } },
        weights: weights.into_iter().map(|weight| weight * sign as f32).collect(),
        vectors,
    };
    Svm::from_parts(parts).map_err(wrong)
}

/// Weights and, row after row, values.
fn read_vectors<'a>(
    lines: impl Iterator<Item = &'a str>,
    total: usize,
    columns: usize,
) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
    let (mut weights, mut vectors) = (Vec::new(), Vec::new());
    for line in lines.filter(|line| !line.trim().is_empty()) {
        if weights.len() == total {
            return Err(wrong("there are more support vectors than `total_sv` says"));
        }
        let mut words = line.split_ascii_whitespace();
        let weight = words.next().and_then(|word| word.parse::<f64>().ok());
        weights.push(weight.ok_or_else(|| wrong("a weight is no number"))? as f32);
        let mut values = vec![0.0f32; columns];
        let mut last = 0;
        for word in words {
            let parsed =
                word.split_once(':').and_then(|(at, value)| Some((at.parse::<usize>().ok()?, value.parse::<f64>().ok()?)));
            let (at, value) = parsed.ok_or_else(|| wrong("a value is not written `index:number`"))?;
            let place = at.checked_sub(1).and_then(|at| values.get_mut(at));
            match place {
                Some(place) if at > last => *place = value as f32,
                Some(_) | None => return Err(wrong("an index does not rise, or is no column")),
            }
            last = at;
        }
        vectors.extend(values);
    }
    if weights.len() == total {
        Ok((weights, vectors))
    } else {
        Err(wrong("there are fewer support vectors than `total_sv` says"))
    }
}
