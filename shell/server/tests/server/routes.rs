//! Every route, and what each kind of caller gets there (T1, T2, T3, T6). A new route changes the golden file; whoever reviews it sees
//! how. Nothing outside of the file is served: the list is the table that the server routes by.

use std::fmt::Write;

use crate::common::{CODE, KEY_ALL, KEY_ASK, Started, issue, request, start_asking};
use crate::console::{cookie, login};
use hyper::body::Bytes;
use server::workload::IssuedWorkload;
use server::{Limits, OpenTo, ROUTES, Route, Verb};

/// Why a route is for everybody.
const PUBLIC: [(&str, &str); 15] = [
    ("/v2", "names the protocol, nothing of the model"),
    ("/v2/health/live", "load balancers have no key"),
    ("/v2/health/ready", "load balancers have no key"),
    ("/v2/models/churn/ready", "load balancers have no key"),
    ("/openapi.json", "the same for every service of this program"),
    ("/.well-known/jwks.json", "public keys"),
    ("/console/style.css", "the login has it"),
    ("/console/icon.svg", "the login has it"),
    ("/console/passkey.js", "the login has it"),
    ("/console/login", "the way in"),
    ("/console/link/{token}", "the way in: the token is looked up"),
    ("/console/login/oidc", "the way in"),
    ("/console/login/oidc/callback", "the way in: the answer is checked"),
    ("/console/login/passkey/ask", "the way in"),
    ("/console/login/passkey", "the way in: the answer is checked"),
];

/// A caller, by what it shows.
struct Caller<'c> {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    certificate: Option<&'c IssuedWorkload>,
}

async fn status(server: &Started, caller: &Caller<'_>, verb: Verb, path: &str) -> (u16, String) {
    let headers: Vec<(&str, &str)> = caller.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let got = server.send_by(caller.certificate, request(verb.as_str(), path, &headers, Bytes::new())).await;
    // What is drawn anew for each login is left out.
    (got.status.as_u16(), got.header("location").split("state=").next().unwrap().to_owned())
}

fn who(open_to: OpenTo) -> String {
    match open_to {
        OpenTo::Anyone => "anyone".to_owned(),
        OpenTo::Key(right) => format!("key:{}", right.as_str()),
        OpenTo::Session => "session".to_owned(),
        OpenTo::Deliverer => "deliverer".to_owned(),
    }
}

#[tokio::test]
async fn every_route_and_what_each_caller_gets_there() {
    let patient = Limits { strangers_per_minute_max: 1_000_000, ..Limits::default() };
    let (server, authority, _folder) = start_asking(patient).await;
    let entered = login(&server, &format!("name=ada&password=correct+horse&code={CODE}")).await;
    let session = cookie(&entered, "__Host-stayward");
    let acme = issue(&authority, "supplier/acme");
    let (trainer, mallory) = (issue(&authority, "component/trainer"), issue(&authority, "supplier/mallory"));
    let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
    let callers = [
        Caller { name: "nothing", headers: Vec::new(), certificate: None },
        // A key of another kind, and one with all rights that keys can have.
        Caller { name: "key:ask", headers: bearer(KEY_ASK), certificate: None },
        Caller { name: "key:all", headers: bearer(KEY_ALL), certificate: None },
        Caller { name: "cookie", headers: vec![("cookie", session)], certificate: None },
        // As the service sees it: a token that is over, revoked or made up.
        Caller { name: "no-token", headers: bearer("swc_over"), certificate: None },
        Caller { name: "trainer", headers: Vec::new(), certificate: Some(&trainer) },
        // The feed's own supplier gets as far as the form: this request says no digest.
        Caller { name: "acme", headers: Vec::new(), certificate: Some(&acme) },
        Caller { name: "mallory", headers: Vec::new(), certificate: Some(&mallory) },
    ];
    let mut table = String::from("method path who-may");
    callers.iter().for_each(|caller| write!(table, " {}", caller.name).unwrap());
    table.push('\n');
    for Route { verb, path, open_to, .. } in &ROUTES {
        let taken = [("{id}", "7590"), ("{version}", "1f2e3d"), ("{token}", "x"), ("{feed}", "market"), ("{name}", "a.csv")];
        let taken = taken.iter().fold((*path).to_owned(), |path, (brace, part)| path.replace(brace, part));
        write!(table, "{} {path} {}", verb.as_str(), who(*open_to)).unwrap();
        let mut to = String::new();
        for caller in &callers {
            let (status, location) = status(&server, caller, *verb, &taken).await;
            let may = match open_to {
                OpenTo::Anyone => true,
                OpenTo::Key(right) => caller.name == "key:all" || caller.name == format!("key:{}", right.as_str()),
                OpenTo::Session => caller.name == "cookie",
                OpenTo::Deliverer => false,
            };
            assert!(may || !(200..300).contains(&status), "{path} lets `{}` in: {status}", caller.name);
            write!(table, " {status}").unwrap();
            if caller.name == "nothing" {
                to = location;
            }
        }
        let why = PUBLIC.iter().find(|(known, _)| known == path).map(|(_, why)| *why);
        assert_eq!(why.is_some(), *open_to == OpenTo::Anyone, "{path} is public without a reason, or has one and is not");
        let why = why.map(|why| format!(" # {why}")).unwrap_or_default();
        let to = if to.is_empty() { to } else { format!(" -> {to}") };
        writeln!(table, "{why}{to}").unwrap();
    }
    if std::env::var_os("STAYWARD_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/routes.golden"), &table).unwrap();
    }
    assert_eq!(table, include_str!("routes.golden"), "if this is meant, run it with STAYWARD_BLESS=1 and look at what changed");
}
