//! The OpenAPI 3.1 document of the interface for applications (T2, T3): all that a caller needs to know, and nothing of the model.
//! It is written from the same limits that the routes keep; a test holds its paths against the route table.

use pipeline::arrival::FILE_NAME_BYTES_MAX;
use serde_json::{Map, Value, json};

use crate::answer::{self, Answer, Refusal};
use crate::config::{COLUMN_CHARS_MAX, COLUMNS_MAX, CUSTOMER_CHARS_MAX, CUSTOMERS_MAX, ROWS_MAX, VALUE_CHARS_MAX};
use crate::feeds::RULES;
use crate::labels::LABELS_BYTES_MAX;

/// Status and meaning of every refusal.
const REFUSALS: [(&str, &str); 13] = [
    ("400", "The request cannot be read."),
    ("401", "There is no good key."),
    ("403", "The key does not allow this, or the customer is not in its scope."),
    ("404", "There is no such path."),
    ("405", "The path takes other methods; `Allow` names them."),
    ("408", "The body did not come in time."),
    ("409", "Another file has this name."),
    ("413", "The body is too large."),
    ("415", "The body is of another type, or packed."),
    ("422", "The values do not keep the contract."),
    ("429", "Over a limit; `Retry-After` says when to ask again."),
    ("500", "The service failed."),
    ("503", "The service cannot answer now; `Retry-After` says when to ask again."),
];
const ALWAYS: [&str; 5] = ["400", "405", "429", "500", "503"];
const KEYED: [&str; 2] = ["401", "403"];
const BODIED: [&str; 4] = ["408", "413", "415", "422"];

/// `GET /openapi.json`.
pub(crate) fn route() -> Result<Answer, Refusal> {
    answer::json(&document())
}

/// The document.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Churn predictions",
            "version": "1",
            "description": "Whether customers are expected to leave, as yes or no. Every refusal reads the same; its reference is for the operator.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" }
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "churn", "description": "Questions about customers and rows." },
            { "name": "labels", "description": "Labels that people propose from programs of theirs." },
            { "name": "open-inference", "description": "The Open Inference Protocol, version 2, over REST." },
            { "name": "feeds", "description": "Files of suppliers, by a client certificate or a component's token." },
            { "name": "operation", "description": "This document, and counters." }
        ],
        "security": [{ "bearer": [] }, { "header": [] }],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "`Authorization: Bearer swk_..`" },
                "session": { "type": "http", "scheme": "bearer", "description": "`Authorization: Bearer ..`, the token of a labeller's session with two factors (`stayward label token`)" },
                "header": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
                "certificate": { "type": "mutualTLS", "description": "A certificate of `stayward component certificate`." }
            },
            "parameters": parameters(),
            "responses": refusals(),
            "schemas": all_schemas()
        }
    })
}

fn paths() -> Value {
    let mut infer = post("open-inference", "infer", "Asks a what-if, one tensor per column.", infer_body(), infer_answer(), &[]);
    let mut infer_version = infer.clone();
    infer["operationId"] = json!("infer");
    infer_version["operationId"] = json!("inferVersion");
    let version = json!([reference("parameters", "version")]);
    json!({
        "/v1/customers/{id}/churn": {
            "parameters": [reference("parameters", "customer")],
            "get": with_granularity(get("churn", "churn", "Asks about one customer.", json_answer("Churn"), &KEYED, &["422"]))
        },
        "/v1/predictions": {
            "post": with_granularity(post("churn", "predictions", "Asks about customers.", json_body("Customers"), json_answer("Predictions"), &[]))
        },
        "/v1/what-if": {
            "post": with_granularity(post("churn", "whatIf", "Asks about rows of the caller's own.", json_body("Rows"), json_answer("Predictions"), &[]))
        },
        "/v1/labels/proposals": {
            "post": proposal(post("labels", "proposeLabels", "Proposes labels, which then wait for signatures; approves nothing.", json_body("Labels"), json_answer("Proposed"), &[]))
        },
        "/v1/feeds/{feed}/{name}": {
            "parameters": [reference("parameters", "feed"), reference("parameters", "file"), reference("parameters", "contentDigest")],
            "put": feed_file()
        },
        "/v2": { "get": open(get("open-inference", "serverMetadata", "Names the service.", json_answer("ServerMetadata"), &[], &[])) },
        "/v2/health/live": { "get": open(get("open-inference", "serverLive", "Whether the service runs.", json_answer("Live"), &[], &[])) },
        "/v2/health/ready": { "get": open(get("open-inference", "serverReady", "Whether questions are answered.", json_answer("Ready"), &[], &[])) },
        "/v2/models/churn": { "get": get("open-inference", "modelMetadata", "Columns of a what-if.", json_answer("ModelMetadata"), &KEYED, &[]) },
        "/v2/models/churn/ready": { "get": open(get("open-inference", "modelReady", "Whether questions are answered.", json_answer("ModelReady"), &[], &[])) },
        "/v2/models/churn/infer": { "post": infer },
        "/v2/models/churn/versions/{version}": {
            "parameters": version,
            "get": get("open-inference", "modelVersionMetadata", "Columns of a what-if.", json_answer("ModelMetadata"), &KEYED, &["404"])
        },
        "/v2/models/churn/versions/{version}/ready": {
            "parameters": version,
            "get": get("open-inference", "modelVersionReady", "Whether questions are answered.", json_answer("ModelReady"), &KEYED, &["404"])
        },
        "/v2/models/churn/versions/{version}/infer": { "parameters": version, "post": infer_version },
        "/openapi.json": { "get": open(get("operation", "openapi", "This document.", any_json(), &[], &[])) },
        "/.well-known/jwks.json": { "get": open(get("operation", "jwks", "Public keys of components' tokens (RFC 7517, RFC 9068).", any_json(), &[], &[])) },
        "/metrics": {
            "get": get("operation", "metrics", "Counters in the OpenMetrics format.", json!({
                "description": "Counters since start.",
                "content": { "application/openmetrics-text": { "schema": { "type": "string" } } }
            }), &KEYED, &[])
        }
    })
}

/// Handing in a file: by a certificate in the handshake, or a component's token.
fn feed_file() -> Value {
    let about = "Hands in a file of a feed. What signs a delivery first (`NAME.sigstore.json`, or `NAME.claim.json` and its signature), the \
                 delivery last: a run may come in between. The same bytes again are answered with 200.";
    let statuses = ["400", "401", "405", "408", "409", "413", "415", "429", "500", "503"];
    let mut operation = operation("feeds", "putFeedFile", about, json_answer("FeedFile"), statuses.iter());
    operation["responses"]["201"] = json_answer("FeedFile");
    operation["security"] = json!([{ "bearer": [] }, { "certificate": [] }]);
    operation["requestBody"] = json!({
        "required": true,
        "content": { "application/octet-stream": { "schema": { "type": "string", "contentMediaType": "application/octet-stream" } } }
    });
    operation
}

fn get(tag: &str, id: &str, summary: &str, answer: Value, keyed: &[&str], more: &[&str]) -> Value {
    let statuses = ALWAYS.iter().chain(keyed).chain(more);
    operation(tag, id, summary, answer, statuses)
}

fn post(tag: &str, id: &str, summary: &str, body: Value, answer: Value, more: &[&str]) -> Value {
    let statuses = ALWAYS.iter().chain(&KEYED).chain(&BODIED).chain(&["404"]).chain(more);
    let mut operation = operation(tag, id, summary, answer, statuses);
    operation["requestBody"] = body;
    operation
}

fn operation<'s>(tag: &str, id: &str, summary: &str, answer: Value, statuses: impl Iterator<Item = &'s &'s str>) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answer);
    for status in statuses {
        responses.insert((*status).to_owned(), reference("responses", status));
    }
    json!({ "tags": [tag], "operationId": id, "summary": summary, "responses": responses })
}

/// For people with a session; CSV has the columns of the labels' file.
fn proposal(mut operation: Value) -> Value {
    operation["security"] = json!([{ "session": [] }]);
    operation["requestBody"]["content"]["text/csv"] = json!({ "schema": { "type": "string", "maxLength": LABELS_BYTES_MAX } });
    operation["parameters"] = json!([{
        "name": "Content-Digest", "in": "header", "required": false, "schema": { "type": "string" },
        "description": "`sha-256=:..:` (RFC 9530); bytes that differ are refused"
    }]);
    operation
}

fn open(mut operation: Value) -> Value {
    operation["security"] = json!([]);
    operation
}

fn with_granularity(mut operation: Value) -> Value {
    operation["parameters"] = json!([reference("parameters", "granularity")]);
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.insert("404".to_owned(), reference("responses", "404"));
    }
    operation
}

fn reference(kind: &str, name: &str) -> Value {
    let name = if kind == "responses" { format!("Refused{name}") } else { name.to_owned() };
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn json_answer(schema: &str) -> Value {
    json!({ "description": "The answer.", "content": { "application/json": { "schema": reference("schemas", schema) } } })
}

fn any_json() -> Value {
    json!({ "description": "The document.", "content": { "application/json": { "schema": { "type": "object" } } } })
}

fn json_body(schema: &str) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": reference("schemas", schema) } } })
}

fn infer_body() -> Value {
    json!({
        "required": true,
        "description": "JSON, or JSON followed by binary tensors; then `Inference-Header-Content-Length` is the length of the JSON in bytes.",
        "content": { "application/json": { "schema": reference("schemas", "InferRequest") } }
    })
}

fn infer_answer() -> Value {
    json!({
        "description": "The classes. In binary only where it was asked for, by `binary_data_output` or `binary_data`.",
        "headers": {
            "Inference-Header-Content-Length": { "description": "Length of the JSON part of a binary answer.", "schema": { "type": "integer" } }
        },
        "content": {
            "application/json": { "schema": reference("schemas", "InferResponse") },
            "application/octet-stream": { "schema": { "type": "string", "contentMediaType": "application/octet-stream" } }
        }
    })
}

fn parameters() -> Value {
    json!({
        "customer": {
            "name": "id", "in": "path", "required": true, "description": "The customer's id, percent-encoded.",
            "schema": { "type": "string", "minLength": 1, "maxLength": CUSTOMER_CHARS_MAX, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$" }
        },
        "version": {
            "name": "version", "in": "path", "required": true, "description": "The model's version, as answers name it.",
            "schema": { "type": "string", "minLength": 1 }
        },
        "feed": {
            "name": "feed", "in": "path", "required": true, "description": "The feed's name.",
            "schema": { "type": "string", "minLength": 1 }
        },
        "file": {
            "name": "name", "in": "path", "required": true, "description": "The file's name in the inbox.",
            "schema": { "type": "string", "minLength": 1, "maxLength": FILE_NAME_BYTES_MAX, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" }
        },
        "contentDigest": {
            "name": "Content-Digest", "in": "header", "required": true,
            "description": "Digest of the bytes, by `sha-256` or `sha-512` (RFC 9530).",
            "schema": { "type": "string", "maxLength": s01_intake::HEADER_BYTES_MAX }
        },
        "granularity": {
            "name": "granularity", "in": "query", "description": "How fine the answer is wished for; `decile` only for keys that may have it.",
            "schema": { "type": "string", "enum": ["class", "decile"], "default": "class" }
        }
    })
}

fn refusals() -> Value {
    let mut all = Map::new();
    for (status, description) in REFUSALS {
        let mut response = json!({
            "description": description,
            "content": { "application/json": { "schema": reference("schemas", "Refused") } }
        });
        let header = match status {
            "401" => Some(("WWW-Authenticate", json!({ "schema": { "type": "string" } }))),
            "405" => Some(("Allow", json!({ "schema": { "type": "string" } }))),
            "429" | "503" => Some(("Retry-After", json!({ "description": "Seconds.", "schema": { "type": "integer" } }))),
            _ => None,
        };
        if let Some((name, header)) = header {
            response["headers"] = json!({ name: header });
        }
        all.insert(format!("Refused{status}"), response);
    }
    Value::Object(all)
}

/// An object with exactly these members, of which the first so many are required.
fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn all_schemas() -> Value {
    let mut all = Map::new();
    for part in [schemas(), tensor_schemas()] {
        if let Value::Object(members) = part {
            all.extend(members);
        }
    }
    Value::Object(all)
}

/// Requests and answers of our own routes, and the metadata.
fn schemas() -> Value {
    let churn = json!({ "type": "string", "enum": ["yes", "no"] });
    let decile = json!({ "type": "integer", "minimum": 1, "maximum": 10 });
    let text = json!({ "type": "string" });
    json!({
        "Refused": object(&["error"], json!({
            "error": { "type": "string", "pattern": "^refused, ref [0-9A-Za-z-]+$" },
            "rule": { "type": "string", "enum": RULES, "description": "which rule refused a file of a feed" },
            "missing": { "type": "array", "items": text, "description": "columns that a what-if lacks" },
            "unknown": { "type": "array", "items": text, "description": "columns of a what-if that the model does not have" }
        })),
        "Churn": {
            "type": "object", "required": ["customer", "evidence"], "additionalProperties": false,
            "properties": { "customer": text, "churn": churn, "decile": decile, "evidence": text },
            "oneOf": [{ "required": ["churn"] }, { "required": ["decile"] }]
        },
        "Prediction": {
            "type": "object", "additionalProperties": false,
            "properties": { "customer": text, "churn": churn, "decile": decile },
            "oneOf": [{ "required": ["churn"] }, { "required": ["decile"] }]
        },
        "Predictions": object(&["predictions", "model", "version", "evidence"], json!({
            "predictions": { "type": "array", "items": reference("schemas", "Prediction") },
            "model": text, "version": text, "evidence": text
        })),
        "Customers": object(&["customers"], json!({
            "customers": { "type": "array", "minItems": 1, "maxItems": CUSTOMERS_MAX, "items": {
                "type": "string", "minLength": 1, "maxLength": CUSTOMER_CHARS_MAX, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"
            } }
        })),
        "Rows": object(&["rows"], json!({
            "rows": { "type": "array", "minItems": 1, "maxItems": ROWS_MAX, "items": {
                "type": "object", "maxProperties": COLUMNS_MAX, "propertyNames": { "maxLength": COLUMN_CHARS_MAX },
                "additionalProperties": { "type": ["string", "number", "boolean", "null"], "maxLength": VALUE_CHARS_MAX }
            } }
        })),
        "Labels": object(&["labels"], json!({
            "labels": { "type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["customer", "churned"], "additionalProperties": false,
                "properties": {
                    "customer": { "type": "string", "minLength": 1 },
                    "moment": { "type": ["string", "null"], "format": "date-time", "description": "where the table has a time" },
                    "churned": { "type": "boolean" }
                }
            } }
        })),
        "Proposed": object(&["labels", "author", "rows", "approvals_needed"], json!({
            "labels": { "type": "string", "description": "digest of the proposed labels" }, "author": text,
            "rows": { "type": "integer", "minimum": 1 }, "approvals_needed": { "type": "integer", "minimum": 1 }
        })),
        "FeedFile": object(&["feed", "name", "sha256", "bytes"], json!({
            "feed": text, "name": text, "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
            "bytes": { "type": "integer", "minimum": 1 }, "evidence": text
        })),
        "Live": object(&["live"], json!({ "live": { "type": "boolean" } })),
        "Ready": object(&["ready"], json!({ "ready": { "type": "boolean" } })),
        "ModelReady": object(&["name", "ready"], json!({ "name": text, "ready": { "type": "boolean" } })),
        "ServerMetadata": object(&["name", "version", "extensions"], json!({
            "name": text, "version": text, "extensions": { "type": "array", "items": text }
        })),
        "ModelMetadata": object(&["name", "versions", "platform", "inputs", "outputs"], json!({
            "name": { "const": "churn" }, "versions": { "type": "array", "items": text }, "platform": text,
            "inputs": { "type": "array", "items": { "type": "object" } },
            "outputs": { "type": "array", "items": { "type": "object" } }
        }))
    })
}

/// Requests and answers of the Open Inference Protocol.
fn tensor_schemas() -> Value {
    let churn = json!({ "type": "string", "enum": ["yes", "no"] });
    let text = json!({ "type": "string" });
    let tensor_shape = json!({ "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "integer", "minimum": 1, "maximum": ROWS_MAX } });
    json!({
        "InferRequest": {
            "type": "object", "required": ["inputs"],
            "properties": {
                "id": { "type": "string", "maxLength": 128 },
                "parameters": { "type": "object", "properties": { "binary_data_output": { "type": "boolean" } } },
                "inputs": { "type": "array", "minItems": 1, "maxItems": COLUMNS_MAX, "items": {
                    "type": "object", "required": ["name", "datatype", "shape"],
                    "properties": {
                        "name": { "type": "string", "maxLength": COLUMN_CHARS_MAX },
                        "datatype": { "type": "string", "enum": ["FP64", "FP32", "INT64", "INT32", "BOOL", "BYTES"] },
                        "shape": tensor_shape,
                        "parameters": { "type": "object", "properties": { "binary_data_size": { "type": "integer", "minimum": 0 } } },
                        "data": { "type": "array", "maxItems": ROWS_MAX }
                    }
                } },
                "outputs": { "type": "array", "items": {
                    "type": "object", "required": ["name"],
                    "properties": {
                        "name": { "const": "churn" },
                        "parameters": { "type": "object", "properties": { "binary_data": { "type": "boolean" } } }
                    }
                } }
            }
        },
        "InferResponse": object(&["model_name", "model_version", "outputs"], json!({
            "model_name": { "const": "churn" }, "model_version": text, "id": text,
            "parameters": { "type": "object" },
            "outputs": { "type": "array", "minItems": 1, "maxItems": 1, "items": {
                "type": "object", "required": ["name", "datatype", "shape"],
                "properties": {
                    "name": { "const": "churn" }, "datatype": { "const": "BYTES" },
                    "shape": { "type": "array", "items": { "type": "integer" } },
                    "data": { "type": "array", "items": churn }
                }
            } }
        }))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::route::{OpenTo, ROUTES};

    #[test]
    fn the_document_has_exactly_the_routes_of_the_table() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let routed: BTreeSet<String> = ROUTES
            .iter()
            .filter(|route| !route.is_console())
            .map(|route| format!("{} {}", route.verb.as_str(), route.path))
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn what_is_open_to_anyone_says_so_and_nothing_else_does() {
        let document = document();
        for route in ROUTES.iter().filter(|route| !route.is_console()) {
            let operation = &document["paths"][route.path][route.verb.as_str().to_lowercase()];
            assert_eq!(operation["security"] == json!([]), route.open_to == OpenTo::Anyone, "{}", route.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(to)) = members.get("$ref") {
                        assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                    }
                    members.values().for_each(|member| walk(member, document));
                }
                Value::Array(elements) => elements.iter().for_each(|element| walk(element, document)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }
}
