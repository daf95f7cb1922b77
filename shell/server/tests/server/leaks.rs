//! Nothing of the inside leaves (T3: restricted debugging info), whatever bytes come: no path, no type, no words of a panic.

use crate::common::{KEY_ALL, Started, start};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use server::Limits;

/// What an answer must not have in it: words of the language, of its libraries and of our files.
const INSIDE: [&str; 20] = [
    "src/",
    ".rs",
    "panicked",
    "unwrap",
    "Result<",
    "Option<",
    "serde",
    "hyper",
    "tokio",
    "rustls",
    "expected `",
    "invalid type",
    "missing field",
    "at line",
    "backtrace",
    "thread '",
    "0x",
    "/home",
    "/root",
    "std::",
];

fn check(answer: &[u8], sent: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    assert!(!head.to_lowercase().contains("\r\nserver:") && !head.to_lowercase().contains("x-powered-by"), "{head}");
    for word in INSIDE {
        assert!(!text.contains(word), "`{word}` in {text} to {}", String::from_utf8_lossy(sent));
    }
    // A refusal has no `/` but in the names of types of bodies.
    if body.starts_with("{\"error\"") {
        assert!(!body.contains('/') && body.len() < 100, "{body}");
    }
}

async fn send(server: &Started, bytes: Vec<u8>) {
    let answer = server.raw("http/1.1", &bytes).await;
    check(&answer, &bytes);
}

fn with_body(path: &str, body: &[u8], header_length: Option<usize>) -> Vec<u8> {
    let length = header_length.map(|length| format!("inference-header-content-length: {length}\r\n")).unwrap_or_default();
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-api-key: {KEY_ALL}\r\ncontent-type: application/json\r\n{length}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test]
async fn malformed_requests_are_told_nothing() {
    let server = start(Limits::default()).await;
    for asked in [
        "GET / HTTP/9.9\r\n\r\n",
        "BLAH\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /v1/customers/panic/churn HTTP/1.1\r\n\r\n",
        "GET http://evil.example/v2 HTTP/1.1\r\nhost: y\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /v1/predictions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /v1/predictions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "GET /v2 HTTP/1.1\r\nbad header\r\n\r\n",
        "GET /v2 HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "TRACE /v2 HTTP/1.1\r\nhost: x\r\nx-api-key: a\r\n\r\n",
    ] {
        let with_key = asked.replacen("\r\n", &format!("\r\nx-api-key: {KEY_ALL}\r\nconnection: close\r\n"), 1);
        send(&server, asked.as_bytes().to_vec()).await;
        send(&server, with_key.into_bytes()).await;
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    send(&server, long.into_bytes()).await;
    let many = format!("GET /v2 HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    send(&server, many.into_bytes()).await;
}

#[tokio::test]
async fn malformed_bodies_are_told_nothing() {
    let server = start(Limits::default()).await;
    for path in ["/v1/predictions", "/v1/what-if", "/v2/models/churn/infer"] {
        for body in [
            "",
            "{",
            "null",
            "[]",
            "\u{feff}{}",
            r#"{"customers":"x"}"#,
            r#"{"customers":[1]}"#,
            r#"{"rows":[[]]}"#,
            r#"{"inputs":[{}]}"#,
            r#"{"inputs":[{"name":"a","datatype":"FP64","shape":[-1],"data":[]}]}"#,
            r#"{"rows":[{"tenure":"NaN"}]}"#,
            r#"{"inputs":[{"name":"tenure","datatype":"BYTES","shape":[1],"data":["../src/lib.rs"]}]}"#,
        ] {
            send(&server, with_body(path, body.as_bytes(), None)).await;
            send(&server, with_body(path, body.as_bytes(), Some(body.len() + 1))).await;
        }
        send(&server, with_body(path, "[".repeat(10_000).as_bytes(), None)).await;
        send(&server, with_body(path, &[0xff; 64], Some(10))).await;
    }
}

/// Arbitrary bytes through the whole way, on one thread that drives a real server.
#[test]
fn hostile_bytes_are_told_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(start(Limits::default()));
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let head = br#"{"inputs":[{"name":"tenure","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":"#;
    let bytes = proptest::collection::vec(any::<u8>(), 0..64);
    runner
        .run(&(bytes, 0_usize..64), |(octets, size)| {
            let mut body = [head.as_slice(), format!("{size}}}}}]}}").as_bytes()].concat();
            let length = body.len();
            body.extend_from_slice(&octets);
            runtime.block_on(send(&server, with_body("/v2/models/churn/infer", &body, Some(length))));
            runtime.block_on(send(&server, octets));
            Ok(())
        })
        .unwrap();
}
