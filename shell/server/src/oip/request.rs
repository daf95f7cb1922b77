//! Reads an inference request (T2, T5: hostile input): JSON, or JSON with binary tensors behind it; every length is checked
//! against what is there before anything is taken.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::MODEL;
use super::tensor::{self, Datatype};
use crate::answer::Refusal;
use crate::config::{COLUMN_CHARS_MAX, COLUMNS_MAX, ROWS_MAX, fits};
use crate::v1;

/// Characters of a request's id, which is sent back.
const ID_CHARS_MAX: usize = 128;

/// An inference request, parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Infer {
    pub(super) id: Option<String>,
    /// Column name to value, by row.
    pub(super) rows: Vec<BTreeMap<String, Option<String>>>,
    pub(super) form: OutputForm,
}

/// How the output is wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputForm {
    Json,
    Binary,
}

#[derive(Deserialize)]
struct Header {
    id: Option<String>,
    #[serde(default)]
    parameters: RequestParameters,
    inputs: Vec<Input>,
    outputs: Option<Vec<Output>>,
}

#[derive(Default, Deserialize)]
struct RequestParameters {
    binary_data_output: Option<bool>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    datatype: String,
    shape: Vec<u64>,
    #[serde(default)]
    parameters: InputParameters,
    data: Option<Value>,
}

#[derive(Default, Deserialize)]
struct InputParameters {
    binary_data_size: Option<u64>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
struct OutputParameters {
    binary_data: Option<bool>,
    classification: Option<Value>,
}

/// Reads a body; `header_length` is the length of its JSON part where binary tensors follow.
pub(super) fn parse(body: &[u8], header_length: Option<usize>) -> Result<Infer, Refusal> {
    let (json, mut octets) = match header_length {
        None => (body, &[][..]),
        Some(length) => body.split_at_checked(length).ok_or_else(|| Refusal::bad("the JSON part is longer than the body"))?,
    };
    let header: Header = v1::parse(json)?;
    if header.inputs.is_empty() || header.inputs.len() > COLUMNS_MAX {
        return Err(Refusal::bad("no columns or too many"));
    }
    if header.id.as_ref().is_some_and(|id| !fits(id, ID_CHARS_MAX)) {
        return Err(Refusal::bad("the id is too long"));
    }
    let form = output_form(&header)?;
    let mut rows: Vec<BTreeMap<String, Option<String>>> = Vec::new();
    for input in header.inputs {
        let count = rows_of(&input.shape)?;
        if rows.is_empty() {
            rows.resize_with(count, BTreeMap::new);
        }
        if rows.len() != count || !fits(&input.name, COLUMN_CHARS_MAX) {
            return Err(Refusal::bad("columns of different lengths, or a name that is too long"));
        }
        let values = values(&input, count, &mut octets)?;
        for (row, value) in rows.iter_mut().zip(values) {
            if row.insert(input.name.clone(), value).is_some() {
                return Err(Refusal::bad("a column comes twice"));
            }
        }
    }
    if !octets.is_empty() {
        return Err(Refusal::bad("there is more binary data than the tensors say"));
    }
    Ok(Infer { id: header.id, rows, form })
}

/// `[n]` or `[n, 1]`.
fn rows_of(shape: &[u64]) -> Result<usize, Refusal> {
    let rows = match shape {
        [rows] | [rows, 1] => usize::try_from(*rows).unwrap_or(usize::MAX),
        _ => return Err(Refusal::bad("a tensor is not one column")),
    };
    if rows == 0 || rows > ROWS_MAX {
        return Err(Refusal::bad("no rows or too many"));
    }
    Ok(rows)
}

fn values(input: &Input, count: usize, octets: &mut &[u8]) -> Result<Vec<Option<String>>, Refusal> {
    let datatype = Datatype::parse(&input.datatype).ok_or_else(|| Refusal::bad("a datatype that is not taken"))?;
    match (&input.data, input.parameters.binary_data_size) {
        (Some(data), None) => tensor::from_json(datatype, data, count),
        (None, Some(size)) => {
            let taken = usize::try_from(size).ok().and_then(|size| octets.split_at_checked(size));
            let (own, rest) = taken.ok_or_else(|| Refusal::bad("a tensor is longer than the binary data"))?;
            *octets = rest;
            tensor::from_octets(datatype, own, count)
        }
        (None, None) | (Some(_), Some(_)) => Err(Refusal::bad("a tensor has no data, or has it twice")),
    }
}

fn output_form(header: &Header) -> Result<OutputForm, Refusal> {
    let by_request = header.parameters.binary_data_output.unwrap_or(false);
    let mut binary = by_request;
    for output in header.outputs.iter().flatten() {
        // The classification extension would return scores, which nobody gets.
        if output.name != MODEL || output.parameters.classification.is_some() {
            return Err(Refusal::bad("an output that there is not"));
        }
        binary = output.parameters.binary_data.unwrap_or(by_request);
    }
    Ok(if binary { OutputForm::Binary } else { OutputForm::Json })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(rows: &[BTreeMap<String, Option<String>>], row: usize, column: &str) -> Option<String> {
        rows[row][column].clone()
    }

    fn json(inputs: &str) -> Result<Infer, u16> {
        parse(format!("{{\"inputs\":[{inputs}]}}").as_bytes(), None).map_err(|refusal| refusal.status.as_u16())
    }

    fn with_octets(inputs: &str, octets: &[u8]) -> Result<Infer, u16> {
        let mut body = format!("{{\"inputs\":[{inputs}]}}").into_bytes();
        let length = body.len();
        body.extend_from_slice(octets);
        parse(&body, Some(length)).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn columns_become_rows() {
        let infer = json(
            r#"{"name":"a","datatype":"FP64","shape":[2],"data":[1,2.5]},{"name":"b","datatype":"BYTES","shape":[2,1],"data":[["x"],[null]]}"#,
        )
        .unwrap();
        assert_eq!(value(&infer.rows, 1, "a").as_deref(), Some("2.5"));
        assert_eq!((value(&infer.rows, 0, "b").as_deref(), value(&infer.rows, 1, "b")), (Some("x"), None));
        assert_eq!(infer.form, OutputForm::Json);
    }

    #[test]
    fn binary_tensors_are_read_in_order() {
        let mut octets = [1.5_f64.to_le_bytes(), f64::NAN.to_le_bytes()].concat();
        octets.extend_from_slice(&[1, 0, 0, 0, b'x', 2, 0, 0, 0, b'y', b'z']);
        let inputs = r#"{"name":"a","datatype":"FP64","shape":[2],"parameters":{"binary_data_size":16}},{"name":"b","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}"#;
        let infer = with_octets(inputs, &octets).unwrap();
        assert_eq!((value(&infer.rows, 0, "a").as_deref(), value(&infer.rows, 1, "a")), (Some("1.5"), None));
        assert_eq!(value(&infer.rows, 1, "b").as_deref(), Some("yz"));
        octets.push(0);
        assert_eq!(with_octets(inputs, &octets), Err(400));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for inputs in [
            "",
            r#"{"name":"a","datatype":"FP64","shape":[2],"data":[1]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1],"data":["x"]}"#,
            r#"{"name":"a","datatype":"FP16","shape":[1],"data":[1]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[],"data":[1]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1,2],"data":[1,2]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[0],"data":[]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1001],"data":[]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1],"data":[1],"parameters":{"binary_data_size":8}}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1],"parameters":{"binary_data_size":8}}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1],"parameters":{"binary_data_size":18446744073709551615}}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1],"data":[1]},{"name":"a","datatype":"FP64","shape":[1],"data":[1]}"#,
            r#"{"name":"a","datatype":"FP64","shape":[1],"data":[1]},{"name":"b","datatype":"FP64","shape":[2],"data":[1,2]}"#,
        ] {
            assert_eq!(json(inputs), Err(400), "{inputs}");
        }
        assert!(parse(b"{}", Some(3)).is_err());
    }

    #[test]
    fn the_form_of_the_output_is_as_wished() {
        let form = |rest: &str| {
            let input = r#"{"name":"a","datatype":"BOOL","shape":[1],"data":[true]}"#;
            parse(format!("{{\"inputs\":[{input}],{rest}}}").as_bytes(), None).map(|infer| infer.form).ok()
        };
        assert_eq!(form(r#""parameters":{"binary_data_output":true}"#), Some(OutputForm::Binary));
        assert_eq!(form(r#""outputs":[{"name":"churn","parameters":{"binary_data":true}}]"#), Some(OutputForm::Binary));
        let both = r#""parameters":{"binary_data_output":true},"outputs":[{"name":"churn","parameters":{"binary_data":false}}]"#;
        assert_eq!(form(both), Some(OutputForm::Json));
        assert_eq!(form(r#""outputs":[{"name":"probability"}]"#), None);
        assert_eq!(form(r#""outputs":[{"name":"churn","parameters":{"classification":2}}]"#), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_fault(body in proptest::collection::vec(any::<u8>(), 0..512), length in proptest::option::of(0_usize..600)) {
            let _ = parse(&body, length);
        }

        #[test]
        fn no_octets_are_a_fault(
            octets in proptest::collection::vec(any::<u8>(), 0..128),
            datatype in proptest::sample::select(vec!["FP64", "FP32", "INT64", "INT32", "BOOL", "BYTES"]),
            rows in 0_u64..40, size in 0_u64..160,
        ) {
            let input = format!(
                r#"{{"name":"a","datatype":"{datatype}","shape":[{rows}],"parameters":{{"binary_data_size":{size}}}}}"#
            );
            if let Ok(infer) = with_octets(&input, &octets) {
                prop_assert_eq!(infer.rows.len() as u64, rows);
                prop_assert_eq!(octets.len() as u64, size);
            }
        }
    }
}
