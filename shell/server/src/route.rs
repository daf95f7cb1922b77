//! The route table (T2, T3): what is not in it is not found. There is no normalising of paths, so there is nothing to disagree about.

use console::path;
use hyper::Method;
use identity::Right;

use crate::config::Serves;

/// A method that some route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// GET; routes open to anyone take HEAD, too.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
}

impl Verb {
    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenTo {
    /// Everybody.
    Anyone,
    /// Keys with this right.
    Key(Right),
    /// People with a session.
    Session,
    /// Suppliers by a certificate for their own feeds, and components that may hand in feeds.
    Deliverer,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Method.
    pub verb: Verb,
    /// Path; a part in braces takes any one part.
    pub path: &'static str,
    /// Who may use it.
    pub open_to: OpenTo,
    pub(crate) endpoint: Endpoint,
}

/// Where a route leads. A new one stands here, in [`ROUTES`], and in the one `match` of those who answer its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Churn,
    Predictions,
    WhatIf,
    FeedFile,
    LabelProposal,
    OpenApi,
    Jwks,
    Metrics,
    Infer,
    Look(Look),
    Entry(Entry),
    Page(Page),
}

/// Health and metadata of the Open Inference Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Live,
    Ready,
    ServerMetadata,
    ModelMetadata,
    ModelReady,
}

/// What of the console needs no session, or looks at the session by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Style,
    Icon,
    LoginForm,
    Login,
    Link,
    Provider,
    ProviderBack,
    PasskeyLoginAsk,
    PasskeyLogin,
    PasskeyScript,
    Passkeys,
    PasskeyAdd,
    PasskeyAsk,
    Logout,
}

/// What of the console is for a person with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Script,
    Pipeline,
    Fragment,
    Run,
    Model,
    Evidence,
    Controls,
}

const fn get(path: &'static str, open_to: OpenTo, endpoint: Endpoint) -> Route {
    Route { verb: Verb::Get, path, open_to, endpoint }
}

const fn post(path: &'static str, open_to: OpenTo, endpoint: Endpoint) -> Route {
    Route { verb: Verb::Post, path, open_to, endpoint }
}

const fn put(path: &'static str, open_to: OpenTo, endpoint: Endpoint) -> Route {
    Route { verb: Verb::Put, path, open_to, endpoint }
}

const WHAT_IF: OpenTo = OpenTo::Key(Right::WhatIf);

/// Every route of the server.
pub const ROUTES: [Route; 40] = [
    get("/v1/customers/{id}/churn", OpenTo::Key(Right::Ask), Endpoint::Churn),
    post("/v1/predictions", OpenTo::Key(Right::Ask), Endpoint::Predictions),
    post("/v1/what-if", WHAT_IF, Endpoint::WhatIf),
    post("/v1/labels/proposals", OpenTo::Session, Endpoint::LabelProposal),
    put("/v1/feeds/{feed}/{name}", OpenTo::Deliverer, Endpoint::FeedFile),
    get("/v2", OpenTo::Anyone, Endpoint::Look(Look::ServerMetadata)),
    get("/v2/health/live", OpenTo::Anyone, Endpoint::Look(Look::Live)),
    get("/v2/health/ready", OpenTo::Anyone, Endpoint::Look(Look::Ready)),
    get("/v2/models/churn", WHAT_IF, Endpoint::Look(Look::ModelMetadata)),
    get("/v2/models/churn/ready", OpenTo::Anyone, Endpoint::Look(Look::ModelReady)),
    post("/v2/models/churn/infer", WHAT_IF, Endpoint::Infer),
    get("/v2/models/churn/versions/{version}", WHAT_IF, Endpoint::Look(Look::ModelMetadata)),
    get("/v2/models/churn/versions/{version}/ready", WHAT_IF, Endpoint::Look(Look::ModelReady)),
    post("/v2/models/churn/versions/{version}/infer", WHAT_IF, Endpoint::Infer),
    get("/openapi.json", OpenTo::Anyone, Endpoint::OpenApi),
    get("/.well-known/jwks.json", OpenTo::Anyone, Endpoint::Jwks),
    get("/metrics", OpenTo::Key(Right::Metrics), Endpoint::Metrics),
    get(path::STYLE, OpenTo::Anyone, Endpoint::Entry(Entry::Style)),
    get(path::ICON, OpenTo::Anyone, Endpoint::Entry(Entry::Icon)),
    get(path::SCRIPT, OpenTo::Session, Endpoint::Page(Page::Script)),
    get(path::LOGIN, OpenTo::Anyone, Endpoint::Entry(Entry::LoginForm)),
    post(path::LOGIN, OpenTo::Anyone, Endpoint::Entry(Entry::Login)),
    get("/console/link/{token}", OpenTo::Anyone, Endpoint::Entry(Entry::Link)),
    get(path::PROVIDER, OpenTo::Anyone, Endpoint::Entry(Entry::Provider)),
    get(path::PROVIDER_BACK, OpenTo::Anyone, Endpoint::Entry(Entry::ProviderBack)),
    post(path::PASSKEY_LOGIN_ASK, OpenTo::Anyone, Endpoint::Entry(Entry::PasskeyLoginAsk)),
    post(path::PASSKEY_LOGIN, OpenTo::Anyone, Endpoint::Entry(Entry::PasskeyLogin)),
    get(path::PASSKEY_SCRIPT, OpenTo::Anyone, Endpoint::Entry(Entry::PasskeyScript)),
    get(path::PASSKEYS, OpenTo::Session, Endpoint::Entry(Entry::Passkeys)),
    post(path::PASSKEYS, OpenTo::Session, Endpoint::Entry(Entry::PasskeyAdd)),
    post(path::PASSKEY_ASK, OpenTo::Session, Endpoint::Entry(Entry::PasskeyAsk)),
    post(path::LOGOUT, OpenTo::Session, Endpoint::Entry(Entry::Logout)),
    get(path::PIPELINE, OpenTo::Session, Endpoint::Page(Page::Pipeline)),
    get(path::FRAGMENT, OpenTo::Session, Endpoint::Page(Page::Fragment)),
    get(path::RUN, OpenTo::Session, Endpoint::Page(Page::Run)),
    get(path::MODEL, OpenTo::Session, Endpoint::Page(Page::Model)),
    get(path::EVIDENCE, OpenTo::Session, Endpoint::Page(Page::Evidence)),
    get(path::CONTROLS, OpenTo::Session, Endpoint::Page(Page::Controls)),
    // A person who types only the name of the server lands on the console.
    get("/", OpenTo::Session, Endpoint::Page(Page::Pipeline)),
    get("/console/", OpenTo::Session, Endpoint::Page(Page::Pipeline)),
];

impl Route {
    /// Whether the route belongs to the console.
    pub fn is_console(&self) -> bool {
        is_console(self.path)
    }
}

/// Whether a path is a page's, also where there is no such page.
pub(crate) fn is_console(path: &str) -> bool {
    path == "/" || path.strip_prefix(path::PIPELINE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The parts of a path that braces took, in order; no route has more than two.
pub(crate) type Taken<'p> = [Option<&'p str>; 2];

/// What a request's path and method lead to.
#[derive(Debug)]
pub(crate) enum Found<'p> {
    /// A route, and the parts of the path that its braces took, still encoded.
    Route(&'static Route, Taken<'p>),
    /// The path is there for other methods.
    OtherMethod(String),
    Nowhere,
}

/// Looks a request up.
pub(crate) fn find<'p>(method: &Method, path: &'p str, serves: Serves) -> Found<'p> {
    let mut allowed: Vec<&'static str> = Vec::new();
    for route in ROUTES.iter().filter(|route| served(route, serves)) {
        let Some(taken) = matches(route.path, path) else { continue };
        let head = route.verb == Verb::Get && route.open_to == OpenTo::Anyone;
        if method.as_str() == route.verb.as_str() || (head && method == Method::HEAD) {
            return Found::Route(route, taken);
        }
        allowed.push(route.verb.as_str());
        if head {
            allowed.push("HEAD");
        }
    }
    if allowed.is_empty() { Found::Nowhere } else { Found::OtherMethod(allowed.join(", ")) }
}

fn served(route: &Route, serves: Serves) -> bool {
    match serves {
        Serves::Everything => true,
        Serves::Api => !route.is_console(),
        Serves::Console => route.is_console(),
    }
}

/// Whether the path fits, and what the braces took; a part in braces takes at least one byte.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<Taken<'p>> {
    let (mut parts, mut taken) = (path.split('/'), Taken::default());
    let mut places = taken.iter_mut();
    for expected in pattern.split('/') {
        let part = parts.next()?;
        if expected.starts_with('{') {
            if part.is_empty() {
                return None;
            }
            *places.next()? = Some(part);
        } else if part != expected {
            return None;
        }
    }
    parts.next().is_none().then_some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str, serves: Serves) -> String {
        match find(method, path, serves) {
            Found::Route(route, taken) => {
                format!("{:?} {}", route.endpoint, taken.iter().flatten().copied().collect::<Vec<_>>().join(" "))
            }
            Found::OtherMethod(allow) => format!("405 {allow}"),
            Found::Nowhere => "404".to_owned(),
        }
    }

    #[test]
    fn paths_lead_where_they_should() {
        let case = |method: Method, path: &str| found(&method, path, Serves::Everything);
        assert_eq!(case(Method::GET, "/v1/customers/7590%2Fa/churn"), "Churn 7590%2Fa");
        assert_eq!(case(Method::GET, "/v2/models/churn/versions/1f/ready"), "Look(ModelReady) 1f");
        assert_eq!(case(Method::PUT, "/v1/feeds/market/week-7.csv"), "FeedFile market week-7.csv");
        assert_eq!(case(Method::HEAD, "/v2/health/live"), "Look(Live) ");
        assert_eq!(case(Method::GET, "/console"), "Page(Pipeline) ");
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        let case = |path: &str| found(&Method::GET, path, Serves::Everything);
        for path in [
            "/v1/customers//churn",
            "/v1/customers/7/churn/",
            "//v1/predictions",
            "/v2/repository/index",
            "/v2/models/other",
            "/v2/",
            "/v2/models/churn/stats",
            "/v1/../metrics",
            "/v1/feeds/market/",
            "/v1/feeds//week.csv",
            "/v1/feeds/market/a/b",
            "*",
            "",
        ] {
            assert_eq!(case(path), "404", "{path}");
        }
    }

    #[test]
    fn another_method_is_told_which_there_are() {
        assert_eq!(found(&Method::DELETE, "/console/login", Serves::Everything), "405 GET, HEAD, POST");
        assert_eq!(found(&Method::HEAD, "/v1/customers/7/churn", Serves::Everything), "405 GET");
    }

    #[test]
    fn what_is_not_served_here_is_not_found() {
        assert_eq!(found(&Method::GET, "/console", Serves::Api), "404");
        assert_eq!(found(&Method::GET, "/metrics", Serves::Console), "404");
    }

    #[test]
    fn console_paths_are_told_from_others() {
        assert!(is_console("/console") && is_console("/console/x") && is_console("/"));
        assert!(!is_console("/consoles") && !is_console("/v2"));
    }
}
