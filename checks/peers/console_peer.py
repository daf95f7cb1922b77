"""Walks through the console of a real service as people do, in an unchanged Chromium: in by password and one-time code, through every
page and every link, out again; then the ways that must stay shut (T1, T3, T6).

    python console_peer.py URL CA CREDENTIALS STAYWARD PROJECT SCREENSHOTS [PAGES_MAX]

CREDENTIALS is the file that `stayward demo` writes. Drives the system's own Chromium; fetches no browser. Leaves with a failed
assertion on the first difference.
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import sync_playwright

STEP_SECONDS = 30
# A code that is about to end may be over when the form arrives.
SPARE_SECONDS = 4
PAGES_MAX = 400
GUESSES_MAX = 12
WIDTHS = {"wide": 1280, "middle": 820, "narrow": 390}
NAVIGATION = ["/console", "/console/run", "/console/model", "/console/evidence", "/console/controls"]
HEADERS = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
}
# Says aloud what the page's policy stops, so that it is counted like any error of the page.
WATCH = "document.addEventListener('securitypolicyviolation', e => console.error('policy stopped ' + e.violatedDirective + ' ' + e.blockedURI))"
# Texts that are wider than the page, or that are cut off where nothing lets a reader see the rest.
LAYOUT = """() => {
    const wrong = [], root = document.scrollingElement;
    if (root.scrollWidth > innerWidth + 1) wrong.push(`the page is ${root.scrollWidth} wide in a window of ${innerWidth}`);
    for (const one of document.querySelectorAll('body *')) {
        const style = getComputedStyle(one);
        const cut = (style.overflowX === 'hidden' && one.scrollWidth > one.clientWidth + 1) || (style.overflowY === 'hidden' && one.scrollHeight > one.clientHeight + 1);
        if (cut && one.clientWidth > 1 && one.textContent.trim() && !(one instanceof SVGElement)) wrong.push(`cut off: ${one.tagName} ${one.textContent.trim().slice(0, 60)}`);
    }
    for (const drawing of document.querySelectorAll('svg')) {
        const texts = [...drawing.querySelectorAll('text')].filter(one => one.getClientRects().length).map(one => [one, one.getBoundingClientRect()]);
        const frame = drawing.getBoundingClientRect();
        for (const [one, box] of texts) {
            if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.bottom > frame.bottom + 2 || box.top < frame.top - 2) wrong.push(`outside of its drawing: ${one.textContent}`);
        }
        for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
            const [a, b] = [texts[i][1], texts[j][1]];
            const over = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
            if (over[0] > 3 && over[1] > 4) wrong.push(`texts over each other: ${texts[i][0].textContent} / ${texts[j][0].textContent}`);
        }
    }
    return wrong;
}"""


class Codes:
    """One-time codes (RFC 6238) of a person; never the same one twice unless asked for."""

    def __init__(self, account, since):
        fields = parse_qs(urlsplit(account["otpauth_url"]).query)
        self.digits = int(fields.get("digits", ["6"])[0])
        self.period = int(fields.get("period", [str(STEP_SECONDS)])[0])
        self.algorithm = fields.get("algorithm", ["SHA1"])[0].lower()
        secret = account["totp_secret"]
        self.secret = base64.b32decode(secret + "=" * (-len(secret) % 8))
        # The demo logged its people in, too.
        self.used = int(since // self.period)

    def at(self, step):
        mac = hmac.new(self.secret, struct.pack(">Q", step), self.algorithm).digest()
        start = mac[-1] & 15
        number = struct.unpack(">I", mac[start : start + 4])[0] & 0x7FFFFFFF
        return str(number % 10**self.digits).zfill(self.digits)

    def fresh(self):
        """The code of the moment, once there is one that was not used and that lasts long enough."""
        while True:
            step, since = divmod(time.time(), self.period)
            if int(step) > self.used and since < self.period - SPARE_SECONDS:
                self.used = int(step)
                return self.at(self.used)
            time.sleep(0.5)

    def wrong(self):
        """Six digits that are no code of these minutes."""
        step = int(time.time() // self.period)
        near = {self.at(step + offset) for offset in range(-10, 11)}
        return next(text for text in (str(number).zfill(self.digits) for number in range(10**self.digits)) if text not in near)


def key_of(url, ca):
    """What Chromium shall accept: the key of the one certificate that Python's TLS verified against the project's authority."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 10) as plain:
        with ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname=parts.hostname) as secured:
            certificate = x509.load_der_x509_certificate(secured.getpeercert(True))
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()


class Walk:
    """A browser with empty pockets, and all that it complained about."""

    def __init__(self, browser, url, **options):
        self.url = url
        self.complaints = []
        self.requests = 0
        self.context = browser.new_context(**options)
        self.context.add_init_script(WATCH)
        self.context.on("request", self.requested)
        self.context.on("console", self.said)
        self.context.on("weberror", lambda error: self.complaints.append(f"script: {error.error}"))
        self.page = self.context.new_page()

    def requested(self, request):
        self.requests += 1
        if not request.url.startswith(self.url + "/"):
            self.complaints.append(f"a request to another host: {request.url}")

    def said(self, message):
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type} on {message.page.url if message.page else '?'}: {message.text}")

    def quiet(self, doing):
        assert not self.complaints, f"{doing}: {self.complaints}"

    def expect_refusal(self, status):
        """A page that is refused is an error to the browser; that one complaint is struck out, all others stay."""
        told = f"the server responded with a status of {status}"
        found = next((at for at, complaint in enumerate(self.complaints) if told in complaint), None)
        if found is not None:
            del self.complaints[found]

    def go(self, path, status=200):
        answer = self.page.goto(urljoin(self.url, path))
        assert answer.status == status, f"{path}: {answer.status}"
        for name, value in HEADERS.items():
            assert value in (answer.header_value(name) or ""), f"{path}: header {name} is {answer.header_value(name)}"
        if status >= 400:
            self.expect_refusal(status)
        self.quiet(path)
        return answer

    def sign_in(self, name, password, code):
        """Fills the form in; the status of the answer to it."""
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        return self.send(code)

    def send(self, code):
        self.page.fill("#code", code)
        with self.page.expect_response(lambda answer: answer.request.method == "POST") as sent:
            self.page.click("button[type=submit]")
        self.page.wait_for_load_state()
        status = sent.value.status
        if status >= 400:
            self.expect_refusal(status)
        return status

    def session(self):
        return next((cookie for cookie in self.context.cookies() if cookie["name"] == "__Host-stayward"), None)

    def links(self):
        """Paths on this server that the page leads to; a link to a part of the page must find it."""
        paths = set()
        for href in self.page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))"):
            target = urlsplit(urljoin(self.page.url, href))
            assert f"{target.scheme}://{target.netloc}" == self.url, f"{self.page.url} leads away to {href}"
            path = target.path + (f"?{target.query}" if target.query else "")
            if target.fragment and href.startswith("#"):
                found = self.page.evaluate("id => document.getElementById(id) !== null", target.fragment)
                assert found, f"{self.page.url}: nothing is at #{target.fragment}"
            paths.add(path)
        return paths

    def layout(self):
        return [f"{self.page.url}: {wrong}" for wrong in self.page.evaluate(LAYOUT)]


def entry(browser, url, person, codes, shots):
    """The ways in that must stay shut, then the one that is open. Returns the walk with a live session."""
    walk = Walk(browser, url)
    walk.page.goto(url + "/console/model")
    assert urlsplit(walk.page.url).path == "/console/login", walk.page.url
    walk.page.screenshot(path=shots / "login.png", full_page=True)
    name, password = person["name"], person["password"]

    def told():
        return walk.page.inner_text("[role=alert]").split(", ref")[0], walk.page.locator("#password").input_value()

    assert walk.sign_in(name, password, codes.wrong()) == 403 and walk.session() is None
    wrong_code = told()
    assert wrong_code == ("Refused", ""), wrong_code
    walk.page.screenshot(path=shots / "login-refused.png", full_page=True)
    code = codes.fresh()
    assert walk.sign_in(name, password + "x", code) == 403 and walk.session() is None
    assert told() == wrong_code, "a wrong password reads otherwise than a wrong code"
    assert walk.sign_in("nobody-at-all", password, code) == 403 and told() == wrong_code
    walk.quiet("refused logins")

    # The form remembers where the person wanted to go.
    walk.page.goto(url + "/console/model")
    assert walk.sign_in(name, password, code) == 303
    assert urlsplit(walk.page.url).path == "/console/model", walk.page.url
    cookie = walk.session()
    assert cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/", cookie
    assert walk.page.evaluate("document.cookie") == "", "a script can read a cookie"
    walk.quiet("login")

    replay = Walk(browser, url)
    replay.go("/console/login")
    assert replay.sign_in(name, password, code) == 403 and replay.session() is None, "a code was good twice"
    replay.context.close()
    return walk


def pages(walk, shots, pages_max):
    """Every page that links lead to, breadth first. Each answers, keeps the policy and stays in its frame."""
    layout = []
    for path in NAVIGATION:
        walk.go(path)
        name = path.rsplit("/", 1)[-1].replace("console", "pipeline")
        for size, width in WIDTHS.items():
            walk.page.set_viewport_size({"width": width, "height": 900})
            walk.page.screenshot(path=shots / f"{name}-{size}.png", full_page=True)
            layout += walk.layout()
        walk.page.set_viewport_size({"width": WIDTHS["wide"], "height": 900})
    seen, waiting, longest = set(), list(NAVIGATION), 0
    while waiting and len(seen) < pages_max:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        walk.go(path)
        assert walk.page.locator("h1").count() == 1 and walk.page.title().endswith("Stayward"), path
        layout += walk.layout()
        waiting += sorted(walk.links() - seen)
        links = walk.page.locator(".chain > .link").count()
        if links > longest:
            longest = links
            walk.page.screenshot(path=shots / "evidence-chain.png", full_page=True)
    for page in NAVIGATION[1:4]:
        assert any(path.startswith(page + "?id=") for path in seen) or page == NAVIGATION[2], f"no link leads to a page {page}?id="
    walk.go("/console/run?id=no-such-run", 404)
    walk.go("/console/evidence?id=00000000")
    walk.go("/console/no-such-page", 404)
    walk.page.screenshot(path=shots / "not-found.png", full_page=True)
    walk.page.emulate_media(color_scheme="dark")
    walk.go("/console")
    walk.page.screenshot(path=shots / "pipeline-dark.png", full_page=True)
    walk.page.emulate_media(color_scheme="light")
    assert not layout, "\n".join(dict.fromkeys(layout))
    return len(seen), len(set(waiting) - seen), longest


def live(walk):
    """The script of the Pipeline page asks again, and a click pauses it."""
    walk.go("/console")
    with walk.page.expect_response(lambda answer: answer.url.endswith("/console/pipeline/fragment")) as asked:
        pass
    assert asked.value.status == 200
    walk.page.get_by_role("button", name="Pause live updates").click()
    assert walk.page.locator(".live-bar [role=status]").inner_text() == "paused"
    walk.quiet("live updates")


def policy_bites(walk):
    """The judge must be able to fail: what the policy forbids is tried, and must be heard of."""
    walk.go("/console")
    for what in (
        "const image = new Image(); image.src = 'https://elsewhere.invalid/x.png'; document.body.append(image)",
        "const style = document.createElement('style'); style.textContent = 'body { color: red }'; document.head.append(style)",
    ):
        walk.page.evaluate(f"() => {{ {what} }}")
        walk.page.wait_for_timeout(300)
        assert any("policy stopped" in complaint for complaint in walk.complaints), f"nobody heard of: {what}"
        walk.complaints.clear()


def by_hand(url, ca, method, path, headers, body=None):
    """A request without a browser."""
    import http.client

    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=ssl.create_default_context(cafile=ca))
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("location", ""), text


def shut(url, ca, walk):
    """Without the cookie, or with a made-up one, there is nothing; the cookie alone sends no form."""
    cookie = f"__Host-stayward={walk.session()['value']}"
    forged = "__Host-stayward=" + "A" * len(walk.session()["value"])
    assert by_hand(url, ca, "GET", "/console/run", {"cookie": cookie})[0] == 200
    for headers in ({}, {"cookie": forged}, {"cookie": f"{cookie}; {forged}"}):
        for path in NAVIGATION:
            status, location, text = by_hand(url, ca, "GET", path, headers)
            assert status == 303 and location.startswith("/console/login") and text == "", (path, headers, status, location)
        for path in ("/console/pipeline/fragment", "/console/live.js"):
            assert by_hand(url, ca, "GET", path, headers)[0] == 401, path
        assert by_hand(url, ca, "GET", "/console/no-such-page", headers)[:2] == (303, "/console/login")
    form = {"cookie": cookie, "content-type": "application/x-www-form-urlencoded"}
    assert by_hand(url, ca, "POST", "/console/logout", form, "csrf=00")[0] == 400
    csrf = walk.page.locator("form.who input[name=csrf]").get_attribute("value")
    assert by_hand(url, ca, "POST", "/console/logout", {**form, "sec-fetch-site": "cross-site"}, f"csrf={csrf}")[0] == 400
    assert by_hand(url, ca, "POST", "/console/login", {"content-type": form["content-type"]}, "csrf=0.0&name=ada")[0] == 400
    assert by_hand(url, ca, "GET", "/console/run", {"cookie": cookie})[0] == 200, "a form that was refused ended the session"


def leave(url, ca, walk):
    """After the sign-out the cookie is worth nothing, here and in other hands."""
    walk.go("/console")
    old = walk.session()["value"]
    walk.page.click("form.who button")
    walk.page.wait_for_url("**/console/login")
    assert walk.session() is None
    status, location, _ = by_hand(url, ca, "GET", "/console", {"cookie": f"__Host-stayward={old}"})
    assert (status, location.split("?")[0]) == (303, "/console/login"), "the old cookie still opens the console"
    walk.page.go_back()
    walk.page.wait_for_load_state()
    assert urlsplit(walk.page.url).path == "/console/login", "the back button shows a page after the sign-out"
    walk.quiet("sign-out")


def since(project):
    """When the project was made; codes of earlier moments may be used up."""
    return (Path(project) / "stayward.toml").stat().st_mtime


def by_link(browser, url, stayward, project, accounts, shots):
    """A one-time link needs the code, too, and is good once."""
    person = accounts["cleo"]
    command = [stayward, "--project", project, "--quiet", "user", "link", person["name"], "--url", url]
    link = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    path = link.removeprefix(url)
    walk = Walk(browser, url)
    walk.go(path)
    assert person["name"] in walk.page.inner_text("main")
    walk.page.screenshot(path=shots / "link.png", full_page=True)
    assert walk.send(Codes(person, since(project)).fresh()) == 303 and walk.session(), "the link did not let the person in"
    # A role that may read less meets refusals as pages, not as faults.
    for page in NAVIGATION:
        answer = walk.page.goto(url + page)
        assert answer.status in {200, 403}, (page, answer.status)
        if answer.status == 403:
            walk.expect_refusal(403)
            walk.page.screenshot(path=shots / "not-allowed.png", full_page=True)
    walk.quiet("another role")
    walk.context.clear_cookies()
    walk.go(path, 404)
    walk.page.screenshot(path=shots / "link-used.png", full_page=True)
    walk.context.close()


def guessing(browser, url, person, project):
    """Wrong codes are soon not even looked at, and then a right one is not either."""
    walk = Walk(browser, url)
    walk.go("/console/login")
    codes = Codes(person, since(project))
    for guesses in range(1, GUESSES_MAX + 1):
        status = walk.sign_in(person["name"], person["password"], codes.wrong())
        assert status in {403, 429}, status
        if status == 429:
            break
    else:
        raise AssertionError(f"{GUESSES_MAX} wrong codes were all looked at")
    walk.go("/console/login")
    assert walk.sign_in(person["name"], person["password"], codes.fresh()) == 429 and walk.session() is None
    walk.quiet("guessing")
    walk.context.close()
    return guesses


def main(url, ca, credentials, stayward, project, shots, pages_max=PAGES_MAX):
    shots = Path(shots)
    shutil.rmtree(shots, ignore_errors=True)
    shots.mkdir(parents=True)
    accounts = {account["name"]: account for account in json.loads(Path(credentials).read_text())}
    began = time.monotonic()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "there is no chromium"
    arguments = [
        f"--ignore-certificate-errors-spki-list={key_of(url, ca)}",
        # No name but our own can be looked up, whatever the browser itself would like to fetch.
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=arguments)
        version = browser.version
        person = accounts["ada"]
        walk = entry(browser, url, person, Codes(person, since(project)), shots)
        many, left, longest = pages(walk, shots, int(pages_max))
        live(walk)
        policy_bites(walk)
        shut(url, ca, walk)
        leave(url, ca, walk)
        by_link(browser, url, stayward, project, accounts, shots)
        guesses = guessing(browser, url, accounts["tara"], project)
        requests = walk.requests
        browser.close()
    print(
        f"Chromium {version}: {many} pages ({left} more links not followed), longest chain {longest} links, {requests} requests, "
        f"none to another host, no error, no breach of the policy, guessing stopped after {guesses}, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main(*sys.argv[1:8])
