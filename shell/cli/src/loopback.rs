//! Waits on this machine for the browser that comes back from the identity provider (T1, T6; RFC 8252, section 7.3): one answer, to
//! the state that was sent out, within limits of bytes and time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use identity::oidc::{LOGIN_SECONDS, LoginRequest};
use pipeline::PipelineError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::commands::wrong;

/// Bytes of a request's first lines that are looked at.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// How long one visitor may take to say what he wants.
const VISIT: Duration = Duration::from_secs(5);
const PATH: &str = "/callback";

/// Where the browser is sent back to.
pub(crate) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

/// The provider's answer.
pub(crate) struct Answered {
    pub(crate) code: String,
    pub(crate) issuer: Option<String>,
}

impl Loopback {
    /// Listens on a port of this machine that others cannot reach; port 0 takes a free one.
    pub(crate) async fn listen(port: u16) -> Result<Self, PipelineError> {
        let failed = |error: std::io::Error| wrong(error.to_string(), "choose another port with --port");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// What the provider must know as the address to send people back to.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Waits for the answer to this login. Other visitors are told that there is nothing, and waiting goes on.
    pub(crate) async fn wait(self, request: &LoginRequest) -> Result<Answered, PipelineError> {
        let answer = async {
            loop {
                let Ok((stream, _)) = self.listener.accept().await else { continue };
                if let Ok(Some(answered)) = tokio::time::timeout(VISIT, visit(stream, request)).await {
                    return answered;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(u64::from(LOGIN_SECONDS)), answer).await {
            Ok(answered) => answered.map_err(|error| PipelineError::NotAllowed {
                why: format!("the identity provider answered `{}`", error.escape_debug()),
                help: "begin anew with `stayward login --oidc`".to_owned(),
            }),
            Err(_) => Err(PipelineError::NotAllowed {
                why: format!("nobody came back from the identity provider within `{LOGIN_SECONDS}` seconds"),
                help: "begin anew with `stayward login --oidc`".to_owned(),
            }),
        }
    }
}

/// One visitor; none unless he brings the answer to this login.
async fn visit(mut stream: TcpStream, request: &LoginRequest) -> Option<Result<Answered, String>> {
    let head = head_of(&mut stream).await?;
    let answered = parse(&head, request);
    let (status, words) = match &answered {
        Some(Ok(_)) => ("200 OK", "You may close this page and go back to the terminal."),
        Some(Err(_)) => ("200 OK", "The login was refused; the terminal says more."),
        None => ("404 Not Found", "There is nothing here."),
    };
    let page = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{words}",
        words.len()
    );
    // Whether the browser reads the page changes nothing.
    let _told = stream.write_all(page.as_bytes()).await;
    let _closed = stream.shutdown().await;
    answered
}

async fn head_of(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 2048];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(chunk.get(..read)?);
        if bytes.len() > REQUEST_BYTES_MAX {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Code or error of a request for our path that carries the state.
fn parse(head: &str, request: &LoginRequest) -> Option<Result<Answered, String>> {
    let target = head.lines().next()?.strip_prefix("GET ")?.split(' ').next()?;
    let query = target.strip_prefix(PATH)?.strip_prefix('?')?;
    let field = |name: &str| {
        let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
        let first = found.next().and_then(|(_, value)| decode(value));
        // Twice is none: nobody can slip a second one in.
        if found.next().is_some() { None } else { first }
    };
    if !request.is_answered_by(&field("state")?) {
        return None;
    }
    match (field("code"), field("error")) {
        (Some(code), None) => Some(Ok(Answered { code, issuer: field("iss") })),
        (None, Some(error)) => Some(Err(error.chars().take(200).collect())),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Percent-decodes a value of a query.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let high = digit()?;
                high << 4 | digit()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(query: &str) -> Option<Result<(String, Option<String>), String>> {
        let request = LoginRequest::fresh().unwrap();
        let head = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", query.replace("STATE", request.state()));
        parse(&head, &request).map(|answer| answer.map(|good| (good.code, good.issuer)))
    }

    #[test]
    fn only_the_answer_to_this_login_is_taken() {
        let good = answered("/callback?code=a%2Fb&state=STATE&iss=https%3A%2F%2Fid.example&more=1");
        assert_eq!(good, Some(Ok(("a/b".to_owned(), Some("https://id.example".to_owned())))));
        assert_eq!(answered("/callback?error=access_denied&state=STATE"), Some(Err("access_denied".to_owned())));
        for query in [
            "/callback?code=a&state=x",
            "/callback?code=a",
            "/callback?state=STATE",
            "/callback?code=a&code=b&state=STATE",
            "/callback?code=a&state=STATE&state=STATE",
            "/callback?code=%zz&state=STATE",
            "/callback?code=a&error=b&state=STATE",
            "/favicon.ico",
            "/callbacks?code=a&state=STATE",
        ] {
            assert_eq!(answered(query), None, "{query}");
        }
    }

    #[tokio::test]
    async fn strangers_do_not_end_the_wait() {
        let request = LoginRequest::fresh().unwrap();
        let loopback = Loopback::listen(0).await.unwrap();
        let (address, state) = (loopback.address, request.state().to_owned());
        let browser = tokio::spawn(async move {
            let mut answers = Vec::new();
            for query in ["code=a&state=x".to_owned(), format!("code=right&state={state}")] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(format!("GET /callback?{query} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                answers.push(answer);
            }
            answers
        });
        let uri = loopback.redirect_uri();
        assert!(uri.starts_with("http://127.0.0.1:") && uri.ends_with("/callback"));
        assert_eq!(loopback.wait(&request).await.unwrap().code, "right");
        let answers = browser.await.unwrap();
        assert!(answers[0].starts_with("HTTP/1.1 404") && answers[1].starts_with("HTTP/1.1 200"));
    }
}
