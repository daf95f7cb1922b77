//! The console over real TLS (T1, T6): two factors, forms that only our own pages can send, and no route for a stranger.

use crate::common::{CODE, Got, LINK, PASSWORD, Started, start};
use server::Limits;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let start = page.find(&format!("name=\"{name}\" value=\"")).unwrap() + name.len() + 15;
    page[start..].split('"').next().unwrap().to_owned()
}

pub(crate) fn cookie(got: &Got, name: &str) -> String {
    let all = got.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let line = all.into_iter().find(|line| line.starts_with(&format!("{name}="))).unwrap();
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(line.contains(part), "{line}");
    }
    line.split(';').next().unwrap().to_owned()
}

pub(crate) async fn login(server: &Started, fields: &str) -> Got {
    let form = server.get("/console/login", &[]).await;
    let (double, csrf) = (cookie(&form, "__Host-stayward-csrf"), field(&form.text(), "csrf"));
    server.post("/console/login", &[FORM, ("cookie", &double)], format!("csrf={csrf}&{fields}")).await
}

fn right() -> String {
    format!("name=ada&password={}&code={CODE}", PASSWORD.replace(' ', "+"))
}

async fn session(server: &Started) -> String {
    let got = login(server, &right()).await;
    assert_eq!((got.status.as_u16(), got.header("location")), (303, "/console"));
    cookie(&got, "__Host-stayward")
}

#[tokio::test]
async fn a_person_comes_in_reads_and_goes() {
    let server = start(Limits::default()).await;
    let session = session(&server).await;
    let with = [("cookie", session.as_str())];
    for path in ["/", "/console", "/console/run", "/console/model", "/console/evidence?id=e7a1", "/console/controls"] {
        let page = server.get(path, &with).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains("ada") && page.text().contains("read at"), "{path}");
        assert_eq!(page.header("content-security-policy"), ::console::CONTENT_SECURITY_POLICY);
        assert_eq!((page.header("cache-control"), page.header("x-content-type-options")), ("no-store", "nosniff"));
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    assert!(server.get("/console/pipeline/fragment", &with).await.text().contains("id=\"live\""));
    assert_eq!(server.get("/console/live.js", &with).await.text(), ::console::SCRIPT);
    assert_eq!(server.get("/console/run?id=forbidden", &with).await.status, 403);
    assert_eq!(server.get("/console/run?id=other", &with).await.status, 404);
    assert_eq!(server.get("/console/nothing", &with).await.status, 404);

    let csrf = field(&server.get("/console", &with).await.text(), "csrf");
    let forged = server.post("/console/logout", &[FORM, with[0]], "csrf=00").await;
    assert_eq!(forged.status, 400);
    let gone = server.post("/console/logout", &[FORM, with[0]], format!("csrf={csrf}")).await;
    assert_eq!((gone.status.as_u16(), gone.header("location")), (303, "/console/login"));
    assert_eq!(server.get("/console", &with).await.status, 303);
}

#[tokio::test]
async fn strict_transport_is_asked_of_a_named_host() {
    let server = start(Limits::default()).await;
    let named = server.get("/console/login", &[("host", "churn.example.org")]).await;
    assert_eq!(named.header("strict-transport-security"), "max-age=63072000");
    assert_eq!(server.get("/console/login", &[]).await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn every_wrong_half_reads_the_same() {
    let server = start(Limits::default()).await;
    let mut pages = Vec::new();
    for fields in [format!("name=ada&password=wrong&code={CODE}"), right().replace(CODE, "000000"), "name=ada".to_owned()] {
        let got = login(&server, &fields).await;
        assert_eq!(got.status, 403);
        let page = got.text();
        let reference = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        pages.push(page.replace(&reference, "REF").replace(&field(&page, "csrf"), "CSRF"));
    }
    assert!(pages.iter().all(|page| page == &pages[0]));
    let locked = login(&server, "name=locked&password=x&code=1").await;
    assert_eq!((locked.status.as_u16(), locked.header("retry-after")), (429, "30"));
}

#[tokio::test]
async fn a_form_that_is_not_ours_is_refused() {
    let server = start(Limits::default()).await;
    let planted =
        server.post("/console/login", &[FORM, ("cookie", "__Host-stayward-csrf=aa.bb")], format!("csrf=aa.bb&{}", right())).await;
    assert_eq!(planted.status, 400);
    let without = server.post("/console/login", &[FORM], right()).await;
    assert_eq!(without.status, 400);
    let form = server.get("/console/login", &[]).await;
    let (double, csrf) = (cookie(&form, "__Host-stayward-csrf"), field(&form.text(), "csrf"));
    let headers = [FORM, ("cookie", double.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(server.post("/console/login", &headers, format!("csrf={csrf}&{}", right())).await.status, 400);
}

#[tokio::test]
async fn a_login_by_the_provider_ends_in_the_browser_that_began_it() {
    let server = start(Limits::default()).await;
    let begun = server.get("/console/login/oidc", &[]).await;
    let url = begun.header("location").to_owned();
    assert!(begun.status == 303 && url.starts_with("https://id.example/authorize?state="), "{url}");
    let line = begun.header("set-cookie").to_owned();
    for part in ["__Host-stayward-oidc=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=600"] {
        assert!(line.contains(part), "{line}");
    }
    let (ticket, state) = (line.split(';').next().unwrap(), url.split('=').next_back().unwrap());
    let back = |query: String, cookie: &str| {
        let (path, cookie) = (format!("/console/login/oidc/callback?{query}"), cookie.to_owned());
        let server = &server;
        async move { server.get(&path, &[("cookie", &cookie)]).await }
    };
    let other = server.get("/console/login/oidc", &[]).await;
    let others = other.header("set-cookie").split(';').next().unwrap().to_owned();
    for (query, cookie) in [
        (format!("code={CODE}&state={state}"), ""),
        (format!("code={CODE}&state={state}"), others.as_str()),
        (format!("code={CODE}&state={state}"), "__Host-stayward-oidc=aa.600.bb"),
        (format!("code={CODE}&state=x"), ticket),
        (format!("code={CODE}"), ticket),
        (format!("code={CODE}&error=access_denied&state={state}"), ticket),
        (format!("state={state}"), ticket),
        (format!("code={CODE}&code={CODE}&state={state}"), ticket),
    ] {
        assert_eq!(back(query.clone(), cookie).await.status, 400, "{query} {cookie}");
    }
    for query in [format!("code=wrong&state={state}"), format!("error=access_denied&state={state}")] {
        let refused = back(query, ticket).await;
        assert!(refused.status == 403 && refused.text().contains("Refused") && !refused.text().contains("access_denied"));
        assert!(refused.headers.get_all("set-cookie").iter().any(|line| line.as_bytes().starts_with(b"__Host-stayward-oidc=;")));
    }
    let got = back(format!("code={CODE}&state={state}&session_state=x&scope=openid"), ticket).await;
    assert!(got.status == 200 && got.text().contains("url=/console\""), "{}", got.text());
    let session = cookie(&got, "__Host-stayward");
    assert_eq!(server.get("/console", &[("cookie", &session)]).await.status, 200);
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_passkey_is_asked_for_and_added_by_our_own_pages_only() {
    let server = start(Limits::default()).await;
    let form = server.get("/console/login", &[]).await;
    assert!(form.text().contains("passkey-enter") && form.text().contains("/console/passkey.js"));
    assert_eq!(server.get("/console/passkey.js", &[]).await.text(), ::console::PASSKEY_SCRIPT);
    let (double, csrf) = (cookie(&form, "__Host-stayward-csrf"), field(&form.text(), "csrf"));
    let with = [JSON, ("cookie", double.as_str())];
    let body = |answer: &str| format!("{{\"csrf\":\"{csrf}\",\"answer\":{{\"id\":\"{answer}\"}}}}");
    let asked = server.post("/console/login/passkey/ask", &with, format!("{{\"csrf\":\"{csrf}\"}}")).await;
    assert_eq!((asked.status.as_u16(), asked.json()["challenge"].as_str()), (200, Some("AAAA")));
    for (headers, sent) in [
        (vec![JSON], body(CODE)),
        (vec![FORM, with[1]], body(CODE)),
        (vec![JSON, with[1], ("sec-fetch-site", "cross-site")], body(CODE)),
        (vec![JSON, with[1]], body(CODE).replace(&csrf, "aa.bb")),
        (vec![JSON, with[1]], "[]".to_owned()),
        (vec![JSON, with[1]], body(&"x".repeat(40_000))),
    ] {
        let got = server.post("/console/login/passkey", &headers, sent.clone()).await;
        assert!(got.status.is_client_error() && got.headers.get("set-cookie").is_none(), "{headers:?}");
    }
    let wrong = server.post("/console/login/passkey", &with, body("x")).await;
    assert!(wrong.status == 403 && wrong.json()["error"].as_str().unwrap().starts_with("refused, ref "));
    let got = server.post("/console/login/passkey", &with, body(CODE)).await;
    assert_eq!((got.status.as_u16(), got.json()["next"].as_str()), (200, Some("/console")));
    let session = cookie(&got, "__Host-stayward");

    let mine = [JSON, ("cookie", session.as_str())];
    let page = server.get("/console/passkeys", &mine).await;
    let csrf = field(&page.text(), "csrf");
    let add = |label: &str, csrf: &str| format!("{{\"csrf\":\"{csrf}\",\"answer\":{{\"label\":\"{label}\"}}}}");
    assert_eq!(server.post("/console/passkeys/ask", &mine, format!("{{\"csrf\":\"{csrf}\"}}")).await.json()["challenge"], "BBBB");
    assert_eq!(server.post("/console/passkeys", &mine, add("good", &csrf)).await.status, 200);
    assert_eq!(server.post("/console/passkeys", &mine, add("bad", &csrf)).await.json()["error"], "not this one");
    assert_eq!(server.post("/console/passkeys", &mine, add("good", "00")).await.status, 400);
    assert_eq!(server.post("/console/passkeys", &[JSON], add("good", &csrf)).await.status, 401);
}

#[tokio::test]
async fn a_link_asks_for_the_code_and_opens_once_it_is_right() {
    let server = start(Limits::default()).await;
    let page = server.get(&format!("/console/link/{LINK}"), &[]).await;
    let (double, csrf) = (cookie(&page, "__Host-stayward-csrf"), field(&page.text(), "csrf"));
    assert!(page.text().contains("ada") && field(&page.text(), "token") == LINK);
    let headers = [FORM, ("cookie", double.as_str())];
    let fields = format!("csrf={csrf}&token={LINK}&code=");
    assert_eq!(server.post("/console/login", &headers, format!("{fields}000000")).await.status, 403);
    let got = server.post("/console/login", &headers, format!("{fields}{CODE}")).await;
    assert_eq!(got.status, 303);
    let session = cookie(&got, "__Host-stayward");
    assert_eq!(server.get("/console", &[("cookie", &session)]).await.status, 200);
    for other in ["other", "%2e%2e", "a%22b"] {
        assert_eq!(server.get(&format!("/console/link/{other}"), &[]).await.status, 404);
    }
}

#[tokio::test]
async fn after_the_login_the_person_is_where_they_wanted_to_be() {
    let server = start(Limits::default()).await;
    let away = server.get("/console/evidence?id=e7%2Fa1", &[]).await;
    let to = away.header("location").to_owned();
    assert_eq!(to, "/console/login?next=%2Fconsole%2Fevidence%3Fid%3De7%252Fa1");
    let form = server.get(&to, &[]).await;
    assert!(form.text().contains("value=\"/console/evidence?id=e7%2Fa1\""));
    let elsewhere = server.get("/console/login?next=https%3A%2F%2Fevil.example%2F", &[]).await;
    assert_eq!(field(&elsewhere.text(), "next"), "/console");
}
