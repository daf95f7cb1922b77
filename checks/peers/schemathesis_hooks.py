"""What schemathesis is told beside the document: rows that the service's model knows, and a check of our own on every answer.

A document cannot say which columns a model has, so random rows are all refused before the model is asked. Where a made-up request
keeps the schema, and PROJECT is set, this puts real customers and rows in, so that answers are judged too. Requests that break the
schema are left as they are.

The check: no answer, in body or headers, may hold a path of a file, the name of a type, a frame of a stack, the words of a fault, or
a number that is no count (T2, T3: class-only answers have no score, in no digits).
"""

import json
import os
import re

import rows as known
import schemathesis
from schemathesis import GenerationMode

PROJECT = os.environ.get("PROJECT", "")
CUSTOMERS = known.customers(PROJECT)[:200] if PROJECT else []
# Set by schemathesis_peer.sh to the columns of the model's metadata.
COLUMNS = json.loads(os.environ.get("COLUMNS", "[]"))
SEEN = os.environ.get("SEEN", "")
LEAKS = {
    "a path of a file": re.compile(
        r"(?<![\w.])/(?:home|root|tmp|usr|etc|var|opt|work|proc|sys|mnt|srv|nix|build|rustc|Users)(?:/|\b)|\b[A-Za-z]:\\|\.(?:rs|toml|db|sqlite|csv|parquet|pem)\b"
    ),
    "the name of a type": re.compile(r"[A-Za-z_]\w*::\w|\b(?:Option|Result|Vec|Box|Arc|Some|None|Err|Ok)\s*[<(]"),
    "a frame of a stack": re.compile(r"stack backtrace|\bat \S+:\d+(?::\d+)?|Traceback|0x[0-9a-f]{6,}", re.IGNORECASE),
    "the words of a fault": re.compile(
        r"panicked|unwrap|expect\(|assertion|RUST_|thread '|invalid type|missing field|expected (?:value|ident)|at line \d+|column \d+|sqlx?\b|serde|tokio|hyper\b|rustls|SELECT |os error",
        re.IGNORECASE,
    ),
}
# Numbers that an answer may have: how long, how many. No key of these runs may be told a decile.
COUNTS = {"shape", "binary_data_size", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties"}
ALLOWED_HEADERS = {
    "content-type", "content-length", "date", "cache-control", "x-content-type-options", "cross-origin-resource-policy",
    "strict-transport-security", "retry-after", "allow", "www-authenticate", "connection", "inference-header-content-length",
    "set-cookie",
}  # fmt: skip
METRIC = re.compile(r"^(?:# .*|\w+(?:\{[^}]*\})? \d+)$")


def numbers(value, name=""):
    """Every number of a document that is not a count."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from numbers(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from numbers(member, name)
    elif isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and name not in COUNTS):
        yield value


def leaks(status, headers, body, path, sent):
    """What an answer gives away, in words; `sent` are texts of the caller's own that may come back."""
    found = []
    strange = {name.lower() for name in headers} - ALLOWED_HEADERS
    if strange:
        found.append(f"headers {sorted(strange)}")
    text = body.decode("utf-8", "replace")
    for own in sorted((own for own in sent if len(own) > 1), key=len, reverse=True):
        text = text.replace(json.dumps(own), '""').replace(json.dumps(own, ensure_ascii=False), '""')
    told = text + "\n" + "\n".join(f"{name}: {', '.join(values)}" for name, values in headers.items())
    if path != "/openapi.json":
        for what, pattern in LEAKS.items():
            match = pattern.search(told)
            if match:
                found.append(f"{what}: {match.group(0)!r}")
    else:
        for what in ("a path of a file", "a frame of a stack"):
            if LEAKS[what].search(told):
                found.append(what)
    if path == "/metrics" and status == 200:
        found += [f"a counter that is none: {line}" for line in text.splitlines() if not METRIC.match(line)]
    elif headers.get("content-type", [""])[0].startswith("application/json"):
        try:
            scores = list(numbers(json.loads(body)))
        except ValueError:
            found.append("a body that is no JSON")
        else:
            found += [f"a number: {score}" for score in scores[:3]]
    if status >= 400 and not refuses(status, path, body):
        found.append("a refusal that tells more than a reference")
    return found


def refuses(status, path, body):
    """Whether a refusal says its reference alone, and to a what-if also the names of columns, which the metadata has."""
    if not body.strip():
        return True
    try:
        told = json.loads(body)
    except ValueError:
        return False
    named = {"missing", "unknown"} if status == 422 and path == "/v1/what-if" else set()
    error = told.pop("error", None) if isinstance(told, dict) else None
    columns = list(told.values()) if isinstance(error, str) and re.fullmatch(r"refused, ref [0-9a-f]{8}", error) else [None]
    known = isinstance(told, dict) and set(told) <= named
    return known and all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in columns)


def proven():
    """The check must be able to fail: what a careless server would say is found, what ours says is not."""
    plain = {"content-type": ["application/json"]}
    for status, body in (
        (200, '{"churn":"yes","probability":0.73,"evidence":"8c21"}'),
        (200, '{"churn":"yes","decile":3,"score":73}'),
        (422, '{"error":"refused, ref 8c21feed","why":"csat_mean"}'),
        (422, '{"error":"refused, ref 8c21feed","missing":["csat_mean"]}'),
        (422, '{"error":"refused, ref 8c21feed: csat_mean"}'),
        (500, "thread 'main' panicked at src/answer.rs:12:5"),
        (400, "invalid type: map, expected a string at line 1 column 12"),
        (200, '{"model":"/home/churn/models/3"}'),
        (200, '{"model":"artifact::model::Model"}'),
        (200, '{"model":"Some(Model)"}'),
        (200, '{"model":"release.toml"}'),
    ):
        assert leaks(status, plain, body.encode(), "/v1/predictions", []), f"not found in {body}"
    assert leaks(200, {**plain, "server": ["x/1.2"]}, b"{}", "/v2", [])
    for status, body in ((200, '{"customer":"a::b","churn":"no","evidence":"8c21"}'), (422, '{"error":"refused, ref 8c21feed"}\n')):
        found = leaks(status, plain, body.encode(), "/v1/predictions", ["a::b"])
        assert not found, (body, found)
    named = b'{"error":"refused, ref 8c21feed","missing":["csat_mean"],"unknown":["a::b"]}'
    assert not leaks(422, plain, named, "/v1/what-if", ["a::b"])
    assert leaks(422, plain, named.replace(b'"csat_mean"', b"3"), "/v1/what-if", ["a::b"])


proven()


def texts(value):
    """The caller's own texts that an answer repeats by design: an id of a request, ids of customers."""
    if isinstance(value, dict):
        yield from (own for own in [value.get("id")] if isinstance(own, str))
        customers = value.get("customers")
        yield from (own for own in customers if isinstance(own, str)) if isinstance(customers, list) else ()
        rows = value.get("rows")
        for row in rows if isinstance(rows, list) else ():
            yield from row if isinstance(row, dict) else ()


@schemathesis.check
def tells_nothing(ctx, response, case):
    sent = list(texts(case.body)) + [str(value) for value in (case.path_parameters or {}).values()]
    path = case.operation.path
    if SEEN:
        with open(SEEN, "a") as seen:
            seen.write(f"{case.operation.method.upper()} {path} {response.status_code}\n")
    found = leaks(response.status_code, dict(response.headers), response.content or b"", path, sent)
    assert not found, f"the answer gives away {found}"


def positive(case):
    return case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE


def pick(case, of):
    """The same choice for the same request, whatever came before."""
    return sum(repr(case.body).encode()) + sum(repr(case.path_parameters).encode()) + of


def tensor(name, values, number):
    data = [float(value) for value in values] if number else values
    return {"name": name, "datatype": "FP64" if number else "BYTES", "shape": [len(values), 1], "data": data}


@schemathesis.hook
def map_case(ctx, case):
    """Puts real customers and rows into two of three requests that keep the schema."""
    if not CUSTOMERS or not positive(case) or pick(case, 0) % 3 == 0:
        return case
    path = case.operation.path
    start, many = pick(case, 0) % 150, 1 + pick(case, 0) % 9
    chosen = CUSTOMERS[start : start + many]
    if path == "/v1/customers/{id}/churn":
        case.path_parameters = {**case.path_parameters, "id": chosen[0]["customer_id"]}
    elif path == "/v1/predictions":
        case.body = {"customers": [row["customer_id"] for row in chosen]}
    elif path == "/v1/what-if":
        case.body = {"rows": [{column["name"]: row[column["name"]] for column in COLUMNS} for row in chosen]}
    elif path.endswith("/infer") and isinstance(case.body, dict):
        tensors = [tensor(column["name"], [row[column["name"]] for row in chosen], column["datatype"] == "FP64") for column in COLUMNS]
        kept = {name: case.body[name] for name in ("id", "parameters", "outputs") if name in case.body}
        case.body = {**kept, "inputs": tensors}
    if "version" in (case.path_parameters or {}) and os.environ.get("VERSION"):
        case.path_parameters = {**case.path_parameters, "version": os.environ["VERSION"]}
    return case
