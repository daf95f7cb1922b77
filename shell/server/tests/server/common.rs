//! A running server and a client that trusts its authority and nothing else.

#[path = "../../examples/fake/service.rs"]
pub(crate) mod service;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use server::workload::{IssuedWorkload, WorkloadAuthority, WorkloadName};
use server::{Clients, Config, Limits, Running, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use service::*;

/// Both versions.
pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A running server.
pub(crate) struct Started {
    pub(crate) running: Running,
    pub(crate) fake: Fake,
    pub(crate) folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Exactly the one shape that a refusal has.
    pub(crate) fn is_refusal(&self) -> bool {
        let body = self.json();
        let mut members = body.as_object().unwrap().clone();
        // A what-if that does not fit is told the names of columns.
        let named = |value: Option<serde_json::Value>| value.is_none_or(|value| value.is_array());
        let columns = self.status == 422 || !["missing", "unknown"].iter().any(|name| members.contains_key(*name));
        let columns = columns && named(members.remove("missing")) && named(members.remove("unknown"));
        let reference =
            members.get("error").and_then(|error| error.as_str()).and_then(|error| error.strip_prefix("refused, ref "));
        self.header("content-type") == "application/json"
            && self.text().ends_with('\n')
            && columns
            && members.len() == 1
            && reference.is_some_and(|reference| !reference.is_empty() && reference.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

pub(crate) async fn start(limits: Limits) -> Started {
    start_as(|config| Config { limits, ..config }).await
}

pub(crate) async fn start_as(change: impl FnOnce(Config) -> Config) -> Started {
    let folder = tempfile::tempdir().unwrap();
    let config = change(Config::own(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), folder.path(), None));
    let fake = Fake::default();
    let running = Server::start(config, fake.clone(), fake.clone()).await.unwrap();
    Started { running, fake, folder }
}

/// A server that asks for clients' certificates, and the authority that makes them.
pub(crate) async fn start_asking(limits: Limits) -> (Started, WorkloadAuthority, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let authority = WorkloadAuthority::open(folder.path(), SystemTime::now()).unwrap();
    let clients = Clients::Asked { authority: authority.certificate().to_owned(), trust_domain: "localhost".to_owned() };
    (start_as(|config| Config { clients, limits, ..config }).await, authority, folder)
}

/// A certificate for an hour.
pub(crate) fn issue(authority: &WorkloadAuthority, name: &str) -> IssuedWorkload {
    let name = match name.split_once('/').unwrap() {
        ("component", name) => WorkloadName::Component(identity::Component::parse(name).unwrap()),
        (_, name) => WorkloadName::Supplier(name.to_owned()),
    };
    authority.issue(&name, "localhost", Duration::from_secs(3600), SystemTime::now()).unwrap()
}

pub(crate) fn connector_by(folder: &Path, issued: Option<&IssuedWorkload>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("tls/ca.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(VERSIONS)
        .unwrap()
        .with_root_certificates(roots);
    let config = match issued {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap()).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

pub(crate) fn connector(folder: &Path, versions: &[&'static SupportedProtocolVersion], protocol: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("tls/ca.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsConnector::from(Arc::new(config))
}

impl Started {
    pub(crate) async fn stream(&self, protocol: &str) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.running.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        connector(self.folder.path(), VERSIONS, protocol).connect(name, tcp).await.unwrap()
    }

    /// Sends one request over HTTP/1.1 on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Got {
        let io = TokioIo::new(self.stream("http/1.1").await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        drop(sender);
        driver.abort();
        Got { status: head.status, headers: head.headers, body }
    }

    /// The same, with a client's certificate where there is one.
    pub(crate) async fn send_by(&self, issued: Option<&IssuedWorkload>, request: Request<Full<Bytes>>) -> Got {
        let tcp = TcpStream::connect(self.running.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector_by(self.folder.path(), issued).connect(name, tcp).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        drop(sender);
        driver.abort();
        Got { status: head.status, headers: head.headers, body }
    }

    /// Sends one request over HTTP/2.
    pub(crate) async fn send_h2(&self, request: Request<Full<Bytes>>) -> Got {
        let io = TokioIo::new(self.stream("h2").await);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        drop(sender);
        driver.abort();
        Got { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.send(request("GET", path, headers, Bytes::new())).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Got {
        self.send(request("POST", path, headers, body.into())).await
    }

    /// Sends raw bytes inside TLS and reads until the server closes or falls silent for a moment.
    pub(crate) async fn raw(&self, protocol: &str, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream(protocol).await;
        let _sent = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let mut buffer = [0_u8; 4096];
        while let Ok(Ok(count @ 1..)) =
            tokio::time::timeout(std::time::Duration::from_millis(300), stream.read(&mut buffer)).await
        {
            answer.extend_from_slice(&buffer[..count]);
        }
        answer
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") && !path.starts_with("http") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body)).unwrap()
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
