//! The interface for applications, over real TLS (T2, T3): what is answered, and that every refusal has one shape.

use crate::common::{JSON, KEY_ALL, KEY_ASK, Started, request, start, start_as};
use artifact::{Asking, Granularity};
use hyper::body::Bytes;
use serde_json::json;
use server::{Config, Limits, Serves};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ALL: (&str, &str) = ("x-api-key", KEY_ALL);
const ASK: (&str, &str) = ("x-api-key", KEY_ASK);

/// Status, method, path, headers, body.
type Case<'c> = (u16, &'c str, &'c str, Vec<(&'c str, &'c str)>, &'c str);

async fn ordinary() -> Started {
    start(Limits::default()).await
}

#[tokio::test]
async fn a_customer_is_answered_yes_or_no() {
    let server = ordinary().await;
    let got = server.get("/v1/customers/7590/churn", &[("authorization", "Bearer swk_ask")]).await;
    assert_eq!((got.status.as_u16(), got.json()), (200, json!({"customer": "7590", "churn": "yes", "evidence": "e7a1"})));
    let got = server.get("/v1/customers/a%2Fb%20c/churn", &[ASK]).await;
    assert_eq!(got.json(), json!({"customer": "a/b c", "churn": "no", "evidence": "e7a1"}));
}

#[tokio::test]
async fn a_decile_only_where_wished_and_allowed() {
    let server = ordinary().await;
    let got = server.get("/v1/customers/7590/churn?granularity=decile", &[ALL]).await;
    assert_eq!(got.json(), json!({"customer": "7590", "decile": 9, "evidence": "e7a1"}));
    let got = server.get("/v1/customers/7590/churn?granularity=decile", &[ASK]).await;
    assert_eq!(got.json(), json!({"customer": "7590", "churn": "yes", "evidence": "e7a1"}));
    assert_eq!(server.fake.calls.lock().unwrap()[0].granularity, Some(Granularity::Decile));
    // The service tells a decile that nobody wished for: it does not leave.
    let got = server.get("/v1/customers/fine/churn", &[ALL]).await;
    assert_eq!((got.status.as_u16(), got.is_refusal()), (500, true));
}

#[tokio::test]
async fn many_customers_are_answered_in_order() {
    let server = ordinary().await;
    let got = server.post("/v1/predictions", &[ASK, JSON], r#"{"customers":["1","22"]}"#).await;
    let rows = json!([{"customer": "1", "churn": "no"}, {"customer": "22", "churn": "yes"}]);
    assert_eq!(got.json(), json!({"predictions": rows, "model": "churn", "version": "1f2e3d", "evidence": "e7a1"}));
}

#[tokio::test]
async fn a_what_if_is_answered_by_row() {
    let server = ordinary().await;
    let got = server.post("/v1/what-if", &[ALL, JSON], r#"{"rows":[{"tenure":3,"contract":null},{"tenure":"40"}]}"#).await;
    assert_eq!(got.json()["predictions"], json!([{"churn": "yes"}, {"churn": "no"}]));
    let call = server.fake.calls.lock().unwrap()[0].clone();
    assert_eq!((call.asking, call.rows[0]["contract"].clone()), (Some(Asking::WhatIf), None));
}

#[tokio::test]
async fn every_refusal_has_one_shape() {
    let limits = Limits { body_bytes_max: 2000, request_seconds: 1, body_seconds: 1, ..Limits::default() };
    let server = start(limits).await;
    let long = format!("{{\"customers\":[\"{}\"]}}", "x".repeat(3000));
    let cases: Vec<Case> = vec![
        (400, "POST", "/v1/predictions", vec![ASK, JSON], "{"),
        (400, "POST", "/v1/predictions", vec![ASK, JSON], r#"{"customers":[]}"#),
        (400, "POST", "/v1/predictions", vec![ASK, JSON], r#"{"customers":["\u0000"]}"#),
        (400, "GET", "/v1/customers/%ff/churn", vec![ASK], ""),
        (400, "GET", "/v1/customers/1/churn?debug=1", vec![ASK], ""),
        (401, "GET", "/v1/customers/1/churn", vec![ASK, ("authorization", "Bearer other")], ""),
        (401, "GET", "/v1/customers/1/churn", vec![], ""),
        (401, "GET", "/v1/customers/1/churn", vec![("x-api-key", "swk_wrong")], ""),
        (401, "POST", "/v1/predictions", vec![JSON], "{"),
        (401, "GET", "/metrics", vec![], ""),
        (403, "GET", "/metrics", vec![ASK], ""),
        (403, "POST", "/v1/what-if", vec![ASK, JSON], r#"{"rows":[{}]}"#),
        (403, "GET", "/v2/models/churn", vec![ASK], ""),
        (403, "GET", "/v1/customers/unknown/churn", vec![ASK], ""),
        (404, "GET", "/v1/customers//churn", vec![ASK], ""),
        (404, "GET", "/v2/repository/index", vec![ALL], ""),
        (404, "GET", "/v2/models/churn/versions/other", vec![ALL], ""),
        (405, "DELETE", "/v1/predictions", vec![ASK], ""),
        (413, "POST", "/v1/predictions", vec![ASK, JSON], &long),
        (415, "POST", "/v1/predictions", vec![ASK], "{}"),
        (415, "POST", "/v2/models/churn/infer", vec![ALL, ("content-encoding", "gzip")], "{}"),
        (422, "POST", "/v1/what-if", vec![ALL, JSON], r#"{"rows":[{"strange":1}]}"#),
        (429, "GET", "/v1/customers/many/churn", vec![ASK], ""),
        (500, "GET", "/v1/customers/panic/churn", vec![ASK], ""),
        (503, "GET", "/v1/customers/down/churn", vec![ASK], ""),
        (503, "GET", "/v1/customers/slow/churn", vec![ASK], ""),
    ];
    for (status, method, path, headers, body) in cases {
        let got = server.send(request(method, path, &headers, Bytes::from(body.to_owned()))).await;
        assert_eq!((got.status.as_u16(), got.is_refusal()), (status, true), "{method} {path}: {got:?}");
        assert_eq!(got.headers.contains_key("retry-after"), matches!(status, 429 | 503), "{path}");
        assert_eq!(got.headers.contains_key("www-authenticate"), status == 401, "{path}");
        assert_eq!(got.header("cache-control"), "no-store");
    }
    let got = server.get("/v1/customers/many/churn", &[ASK]).await;
    assert_eq!(got.header("retry-after"), "7");
    let got = server.send(request("PUT", "/v2", &[], Bytes::new())).await;
    assert_eq!(got.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn what_a_stranger_sends_is_not_read() {
    let server = ordinary().await;
    // The length says 100 bytes, none come: an answer shows that nobody waited for them.
    let asked =
        b"POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let answer = server.raw("http/1.1", asked).await;
    assert!(answer.starts_with(b"HTTP/1.1 401 "), "{}", String::from_utf8_lossy(&answer));
    let call = server.fake.calls.lock().unwrap()[0].clone();
    assert!(call.customers.is_empty() && call.key.is_none());
}

#[tokio::test]
async fn a_refusal_reaches_a_caller_who_is_still_sending() {
    let server = ordinary().await;
    let mut stream = server.stream("http/1.1").await;
    let head =
        "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0_u8; 2048];
    let count = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..count].starts_with(b"HTTP/1.1 401 "));
    // The rest is thrown away, and the same connection goes on.
    stream.write_all(&[b'x'; 200_000]).await.unwrap();
    stream.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let count = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..count].starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn the_operator_finds_why_under_the_reference() {
    let server = ordinary().await;
    let got = server.post("/v1/predictions", &[ASK, JSON], "{").await;
    let notes = server.fake.notes.lock().unwrap().clone();
    assert_eq!(notes.len(), 1);
    assert_eq!(got.json()["error"], format!("refused, ref {}", notes[0].reference));
    assert!(notes[0].why.contains("line 1 column 1"), "{notes:?}");
    assert_eq!(notes[0].reference.len(), 8);
    // Of what the pipeline refused, its own reference.
    let got = server.get("/v1/customers/unknown/churn", &[ASK]).await;
    assert_eq!(got.json()["error"], "refused, ref 8c21");
    let notes = server.fake.notes.lock().unwrap().clone();
    assert_eq!((notes.len(), notes[1].reference.as_str(), notes[1].status), (2, "8c21", got.status.as_u16()));
}

#[tokio::test]
async fn a_what_if_that_does_not_fit_is_told_which_columns() {
    let server = ordinary().await;
    let got = server.post("/v1/what-if", &[ALL, JSON], r#"{"rows":[{"tenure":3,"tenurs":4}]}"#).await;
    assert!(got.status == 422 && got.is_refusal(), "{}", got.text());
    assert_eq!(got.json()["unknown"], serde_json::json!(["tenurs"]));
    let got = server.post("/v1/what-if", &[ASK, JSON], r#"{"rows":[{"tenurs":4}]}"#).await;
    assert!(got.status == 403 && got.json().as_object().unwrap().len() == 1, "{}", got.text());
}

#[tokio::test]
async fn strangers_from_one_address_are_stopped_and_others_there_are_not() {
    let server = start(Limits { strangers_per_minute_max: 3, ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(server.get("/v1/customers/1/churn", &[]).await.status, 401);
    }
    let asked = server.fake.calls.lock().unwrap().len();
    let got = server.get("/v1/customers/1/churn", &[]).await;
    // A minute may have begun anew between the calls; then the fourth is the first.
    if got.status == 429 {
        assert!(got.is_refusal() && got.header("retry-after").parse::<u32>().unwrap() <= 60);
        assert_eq!(server.fake.calls.lock().unwrap().len(), asked);
    } else {
        assert_eq!(got.status, 401);
    }
    assert_eq!(server.get("/v1/customers/22/churn", &[ASK]).await.status, 200);
}

#[tokio::test]
async fn metadata_tells_callers_what_they_may_know() {
    let server = ordinary().await;
    assert_eq!(server.get("/v2", &[]).await.json()["name"], "churn");
    assert_eq!(server.get("/v2/health/live", &[]).await.json(), json!({"live": true}));
    assert_eq!(server.get("/v2/models/churn/ready", &[]).await.json(), json!({"name": "churn", "ready": true}));
    let model = server.get("/v2/models/churn/versions/1f2e3d", &[ALL]).await.json();
    assert_eq!(
        model["inputs"][0],
        json!({"name": "tenure", "datatype": "FP64", "shape": [-1, 1], "parameters": {"optional": true}})
    );
    let head = server.send(request("HEAD", "/v2/health/ready", &[], Bytes::new())).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test]
async fn tensors_are_answered_as_they_were_sent() {
    let server = ordinary().await;
    let body = r#"{"id":"a1","inputs":[{"name":"tenure","datatype":"INT32","shape":[2,1],"data":[3,40]}]}"#;
    let got = server.post("/v2/models/churn/infer", &[ALL], body).await.json();
    assert_eq!(got["outputs"], json!([{"name": "churn", "datatype": "BYTES", "shape": [2], "data": ["yes", "no"]}]));
    assert_eq!((got["id"].clone(), got["model_version"].clone()), (json!("a1"), json!("1f2e3d")));

    let head = r#"{"parameters":{"binary_data_output":true},"inputs":[{"name":"tenure","datatype":"FP64","shape":[2],"parameters":{"binary_data_size":16}}]}"#;
    let mut body = head.as_bytes().to_vec();
    body.extend([3_f64, 40_f64].iter().flat_map(|value| value.to_le_bytes()));
    let length = head.len().to_string();
    let got = server.post("/v2/models/churn/infer", &[ALL, ("Inference-Header-Content-Length", &length)], body).await;
    let split: usize = got.header("inference-header-content-length").parse().unwrap();
    assert_eq!(&got.body[split..], b"\x03\0\0\0yes\x02\0\0\0no");
    assert_eq!(got.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn counters_and_document_are_served() {
    let server = ordinary().await;
    let metrics = server.get("/metrics", &[ALL]).await;
    assert!(metrics.text().contains("stayward_answers_total 42\n"));
    let document = server.get("/openapi.json", &[]).await;
    assert_eq!(document.json(), server::openapi_document());
}

#[tokio::test]
async fn the_api_can_be_served_without_the_console() {
    let server = start_as(|config| Config { serves: Serves::Api, ..config }).await;
    let got = server.get("/console/login", &[]).await;
    assert_eq!((got.status.as_u16(), got.is_refusal()), (404, true));
}

#[tokio::test]
async fn a_component_reads_metrics_by_its_token() {
    let server = start(Limits { strangers_per_minute_max: 5, ..Limits::default() }).await;
    assert_eq!(server.get("/metrics", &[("authorization", "Bearer swc_monitor")]).await.status, 200);
    for token in ["swc_other", "a.b.c"] {
        let got = server.get("/metrics", &[("authorization", &format!("Bearer {token}"))]).await;
        assert!(got.status == 401 && got.is_refusal(), "{token}");
    }
    let two = server.get("/metrics", &[("authorization", "Bearer swc_monitor"), ("x-api-key", "x")]).await;
    assert_eq!(two.status, 401);
    // Nothing else takes it.
    assert_eq!(server.get("/v1/customers/7/churn", &[("authorization", "Bearer swc_monitor")]).await.status, 401);
    let keys = server.get("/.well-known/jwks.json", &[]).await;
    assert!(keys.status == 200 && keys.json()["keys"].is_array());
    for _ in 0..5 {
        server.get("/metrics", &[("authorization", "Bearer a.b.c")]).await;
    }
    assert_eq!(server.get("/metrics", &[("authorization", "Bearer swc_monitor")]).await.status, 429);
}
