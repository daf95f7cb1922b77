//! The Open Inference Protocol, version 2, over REST (T2, T3): the one protocol that serving tools share, so that no caller needs
//! a client of ours. The answer is a class only; there is no model repository and there are no statistics to read.

mod request;
mod tensor;

use artifact::Asking;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use identity::Right;
use pipeline::serving::{Call, PublicModel};
use serde_json::{Value, json};

use crate::answer::{self, Answer, Refusal};
use crate::asks::Asks;
use crate::body::{self, Kind, Pending};
use crate::caller;
use crate::form::Fields;
use crate::route::Look;
use crate::serve::{App, Asked};
use crate::v1;
use request::{Infer, OutputForm};

/// The only model, by its public name.
pub(crate) const MODEL: &str = "churn";
/// Length of the JSON part of a body with binary tensors (binary tensor data extension).
pub(crate) const HEADER_LENGTH: &str = "inference-header-content-length";
const HEADER_LENGTH_NAME: HeaderName = HeaderName::from_static(HEADER_LENGTH);
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Health and metadata.
pub(crate) fn look<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>, look: Look) -> Result<Answer, Refusal> {
    Fields::parse(asked.query)?.only(&[])?;
    match look {
        Look::Live => answer::json(&json!({ "live": true })),
        Look::Ready => ready(app).and_then(|()| answer::json(&json!({ "ready": true }))),
        Look::ModelReady => {
            if asked.taken.is_some() {
                caller::check_right(app, asked.headers, asked.peer, &[Right::WhatIf])?;
                check_version(app, asked)?;
            }
            ready(app).and_then(|()| answer::json(&json!({ "name": MODEL, "ready": true })))
        }
        Look::ModelMetadata => {
            caller::check_right(app, asked.headers, asked.peer, &[Right::WhatIf])?;
            check_version(app, asked)?;
            answer::json(&metadata(&app.asks.model()))
        }
        Look::ServerMetadata => {
            // `version` is the protocol's: which program answers, and which version of it, is nobody's business.
            answer::json(&json!({ "name": MODEL, "version": "2", "extensions": ["binary_tensor_data"] }))
        }
    }
}

/// `POST /v2/models/churn/infer`: a what-if, one tensor per column.
pub(crate) async fn infer<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Answer, Refusal> {
    let key = caller::admitted(app, asked.headers, asked.peer, Asking::WhatIf).await?;
    Fields::parse(asked.query)?.only(&[])?;
    check_version(app, asked)?;
    body::check_kind(asked.headers, Kind::Tensors)?;
    let header_length = header_length(asked)?;
    let bytes = body.read(app.limits.body_bytes_max, app.limits.body_seconds).await?;
    let Infer { id, rows, form } = request::parse(&bytes, header_length)?;
    let answered = v1::ask(app, Call { key, rows, asking: Some(Asking::WhatIf), ..Call::default() }).await?;
    let classes: Option<Vec<&str>> = answered.rows.iter().map(|row| row.churn.as_deref()).collect();
    let classes = classes.ok_or_else(|| Refusal::internal("an answer without a class"))?;
    let mut output = json!({ "name": MODEL, "datatype": "BYTES", "shape": [classes.len()] });
    let mut reply = json!({
        "model_name": MODEL,
        "model_version": answered.version,
        "parameters": { "evidence": answered.evidence },
    });
    if let Some(id) = id {
        reply["id"] = Value::String(id);
    }
    match form {
        OutputForm::Json => {
            output["data"] = json!(classes);
            reply["outputs"] = json!([output]);
            answer::json(&reply)
        }
        OutputForm::Binary => {
            let octets = tensor::write_bytes(&classes);
            output["parameters"] = json!({ "binary_data_size": octets.len() });
            reply["outputs"] = json!([output]);
            let mut body = reply.to_string().into_bytes();
            let length = HeaderValue::from(body.len());
            body.extend_from_slice(&octets);
            let mut answer = answer::with_body(StatusCode::OK, OCTETS, body);
            answer.headers_mut().insert(HEADER_LENGTH_NAME, length);
            Ok(answer)
        }
    }
}

fn ready<A: Asks, C>(app: &App<A, C>) -> Result<(), Refusal> {
    if app.asks.ready() {
        return Ok(());
    }
    Err(Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "the service is not ready", 1))
}

fn check_version<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>) -> Result<(), Refusal> {
    match asked.taken {
        Some(version) if version != app.asks.model().version => Err(Refusal::nowhere()),
        Some(_) | None => Ok(()),
    }
}

fn header_length(asked: &Asked<'_>) -> Result<Option<usize>, Refusal> {
    let mut values = asked.headers.get_all(HEADER_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()) && values.next().is_none());
    let length = digits.and_then(|digits| digits.parse().ok());
    length.map(Some).ok_or_else(|| Refusal::bad("the length of the JSON part is not a number"))
}

fn metadata(model: &PublicModel) -> Value {
    let inputs: Vec<Value> = model
        .columns
        .iter()
        .map(|column| {
            let datatype = if column.number { "FP64" } else { "BYTES" };
            json!({ "name": column.name, "datatype": datatype, "shape": [-1, 1], "parameters": { "optional": column.optional } })
        })
        .collect();
    json!({
        "name": MODEL,
        "versions": [model.version],
        "platform": "",
        "inputs": inputs,
        "outputs": [{ "name": MODEL, "datatype": "BYTES", "shape": [-1] }],
    })
}
