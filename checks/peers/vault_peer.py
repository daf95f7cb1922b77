"""Keeps users' secrets in a real OpenBao server and in moto's AWS Secrets Manager (T4): put, read, made new, taken back, killed between
any two steps; what others read there without us is what we wrote; and a wrong token, a sealed server, a certificate of another
authority, an answer without end are refused in words that name no value.

    python vault_peer.py STAYWARD PROJECT CREDENTIALS FOLDER [CONTRACT]

STAYWARD is built with the features openbao and aws. CONTRACT is the test program of shell/vault (tests/others.rs): what every store
owes its callers, run against the same two servers. Leaves with a failed assertion on the first difference.
"""

import datetime
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NEEDLE = "a-rather-long-needle"
HOST = "127.0.0.1"
POINTS = ["secret:create", "secret:set", "secret:test", "secret:finish", "secret:logged", "secret:finished"]
WAIT_SECONDS = 60
judged = 0


def ok(condition: bool, what: object = "") -> None:
    global judged
    assert condition, what
    judged += 1


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return taken.getsockname()[1]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """An authority of its own and a server's certificate by it, for this machine's address."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def made(subject: str, key, issuer: str, signer, server: bool):
        builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        builder = builder.issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=2))
        builder = builder.add_extension(x509.BasicConstraints(ca=not server, path_length=None), critical=True)
        if server:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
            builder = builder.add_extension(names, critical=False)
            usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(signer, hashes.SHA256())

    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    ca = folder / f"{name}-ca.pem"
    ca.write_bytes(made(f"{name} authority", authority, f"{name} authority", authority, False).public_bytes(pem))
    both = folder / f"{name}-server.pem"
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both.write_bytes(made("server", server, f"{name} authority", authority, True).public_bytes(pem) + key)
    return ca, both


class Bao:
    """A real server with TLS, storage in memory, one unseal key, a key-value engine, AppRole, and a policy for this project alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca, both = certificate(folder, "bao")
        self.port = free_port()
        self.address = f"https://{HOST}:{self.port}"
        listener = f'listener "tcp" {{ address = "{HOST}:{self.port}" tls_cert_file = "{both}" tls_key_file = "{both}" }}\n'
        storage = 'storage "inmem" {}\n'
        more = f'api_addr = "{self.address}"\n'
        (folder / "bao.hcl").write_text(listener + storage + more)
        log = (folder / "bao.log").open("w")
        command = [shutil.which("bao"), "server", "-config", str(folder / "bao.hcl")]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.token = ""
        began = time.monotonic()
        while True:
            try:
                keys = self.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
                break
            except OSError:
                assert self.process.poll() is None and time.monotonic() - began < WAIT_SECONDS, (folder / "bao.log").read_text()
                time.sleep(0.3)
        self.key, self.token = keys["keys"][0], keys["root_token"]
        self.unseal()
        self.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        rule = 'path "secret/+/stayward/*" { capabilities = ["create", "read", "update", "delete", "list"] }\n'
        rule += 'path "secret/metadata/stayward" { capabilities = ["list"] }\n'
        rule += 'path "secret/metadata/stayward/" { capabilities = ["list"] }\n'
        self.ask("PUT", "sys/policies/acl/stayward", {"policy": rule})
        self.ask("POST", "sys/auth/approle", {"type": "approle"})
        self.ask("POST", "auth/approle/role/stayward", {"token_policies": "stayward", "token_ttl": "10m"})

    def unseal(self) -> None:
        began = time.monotonic()
        self.ask("PUT", "sys/unseal", {"key": self.key})
        # The mounts come a moment after.
        while True:
            try:
                self.ask("GET", "sys/mounts", None)
                return
            except OSError:
                assert time.monotonic() - began < WAIT_SECONDS
                time.sleep(0.3)

    def ask(self, method: str, path: str, body: dict | None) -> dict:
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method)
        request.add_header("X-Vault-Token", self.token)
        data = None if body is None else json.dumps(body).encode()
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(request, data, timeout=30, context=context) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def private(self, name: str, text: str) -> str:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text + "\n")
        return str(path)

    def login(self) -> str:
        """AppRole, as the policy's keys."""
        role = self.ask("GET", "auth/approle/role/stayward/role-id", None)["data"]["role_id"]
        secret = self.ask("POST", "auth/approle/role/stayward/secret-id", {})["data"]["secret_id"]
        files = self.private("role-id", role), self.private("secret-id", secret)
        return f'role_id_file = "{files[0]}"\nsecret_id_file = "{files[1]}"\n'

    def policy(self, login: str, ca: Path | None = None, address: str | None = None) -> str:
        where = f'address = "{address or self.address}"\nca = "{ca or self.ca}"\n'
        return f'\n[vault]\nbackend = "openbao"\n[vault.openbao]\n{where}{login}'


class Project:
    """A project whose secrets lie where the policy says."""

    def __init__(self, stayward: str, folder: Path) -> None:
        self.stayward, self.folder = stayward, folder
        self.ordinary = (folder / "stayward.toml").read_text()
        self.environment = dict(os.environ)

    def keep_in(self, policy: str) -> None:
        (self.folder / "stayward.toml").write_text(self.ordinary + policy)

    def run(self, *arguments: str, crash: str = "") -> subprocess.CompletedProcess:
        environment = {**self.environment, "STAYWARD_CRASH_AT": crash} if crash else self.environment
        command = [self.stayward, "--project", str(self.folder), "--output", "json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        said = done.stdout + done.stderr
        ok(NEEDLE not in said, f"{arguments}: the value is shown")
        return done

    def does(self, *arguments: str) -> dict | list:
        done = self.run(*arguments)
        ok(done.returncode == 0, f"{arguments}: {done.stdout} {done.stderr}")
        return json.loads(done.stdout)

    def refused(self, words: str, *arguments: str) -> None:
        done = self.run(*arguments)
        ok(done.returncode != 0 and words in done.stdout + done.stderr, f"{arguments}: {words}: {done.stdout} {done.stderr}")
        ok('"help":""' not in done.stdout, arguments)

    def value(self, name: str, stage: str = "current") -> str | None:
        path = self.folder.parent / "read-out"
        path.unlink(missing_ok=True)
        done = self.run("vault", "get", name, "--stage", stage, "--file", str(path))
        if done.returncode != 0:
            ok(not path.exists(), "an empty file is left")
            return None
        ok(path.stat().st_mode & 0o777 == 0o600, oct(path.stat().st_mode))
        text = path.read_text()
        path.unlink()
        return text

    def deeds(self) -> list[str]:
        return [one["name"] for one in self.does("evidence", "log", "-n", "2000") if one["kind"] == "secret"]


def lives(project: Project, name: str, theirs) -> None:
    """A secret's life; `theirs` reads the current value by others' client."""
    file = project.folder.parent / "password"
    file.write_text(NEEDLE + "\n")
    done = project.does("vault", "put", name, "--file", str(file))
    ok(theirs(name) == NEEDLE, "their client reads another value")
    ok(project.value(name) == NEEDLE)
    project.refused("exists already", "vault", "put", name, "--file", str(file))
    rotated = project.does("vault", "rotate", name)
    ok(rotated["from"] == "create" and rotated["version"] != done["version"], rotated)
    fresh = project.value(name)
    ok(fresh != NEEDLE and theirs(name) == fresh, "their client does not read the new value")
    ok(project.value(name, "previous") == NEEDLE, "the value before cannot be read")
    project.does("vault", "rotate", name, "--back")
    ok(theirs(name) == NEEDLE and project.value(name, "previous") == fresh)
    token = "f" * 31 + name[-1]
    token = "".join(c if c.isalnum() else "0" for c in token)
    for expected in ("create", "nothing"):
        ok(project.does("vault", "rotate", name, "--token", token)["from"] == expected)
    listed = next(one for one in project.does("vault", "ls") if one["name"] == name)
    ok(listed["version"] == token and set(listed["stages"]) == {"current", "previous"}, listed)
    deeds = [deed for deed in project.deeds() if deed.endswith(f" {name}")]
    ok(deeds[0] == f"put {name}" and deeds.count(f"rotate {name}") == 2 and f"roll-back {name}" in deeds, deeds)
    ok(any(one["name"] == name and one["kind"] == "secret" for one in project.does("vault", "check")))
    for point in POINTS:
        before = theirs(name)
        killed = project.run("vault", "rotate", name, crash=point)
        ok(killed.returncode == -signal.SIGABRT, f"{point}: {killed.stderr}")
        ok((theirs(name) == before) == (point != "secret:finished"), f"{point}: others read what is not finished")
        pending = project.value(name, "pending")
        ok((pending is None) == (point in ("secret:create", "secret:finished")), point)
        project.does("vault", "rotate", name)
        ok(pending is None or theirs(name) == pending, f"{point}: another value than the one that waited")
        ok(project.value(name, "pending") is None)
    # What was begun is dropped.
    project.run("vault", "rotate", name, crash="secret:set")
    before = theirs(name)
    project.does("vault", "rotate", name, "--discard")
    ok(theirs(name) == before and project.value(name, "pending") is None)
    program = ["vault", "exec", "--secret", name, "--", "sh", "-c", f'test "$(cat $CREDENTIALS_DIRECTORY/{name})" = "$0"', before]
    command = [project.stayward, "--project", str(project.folder), *program]
    ok(subprocess.run(command, env=project.environment).returncode == 0, "a program reads another value")
    project.does("evidence", "verify")


def impostor(folder: Path, name: str, answer: bytes, endless: bytes = b"") -> tuple[str, Path]:
    """A server that says the same to everybody."""
    ca, both = certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        while True:
            plain, _ = listener.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as stream:
                    stream.recv(65536)
                    stream.sendall(answer)
                    for _ in range(100 if endless else 0):
                        stream.sendall(endless)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    return f"https://{HOST}:{listener.getsockname()[1]}", ca


def attacked(project: Project, bao: Bao, folder: Path) -> None:
    """What a wrong server or a wrong login gets."""
    project.keep_in(bao.policy(f'token_file = "{bao.private("wrong-token", "s.nobody-gave-this")}"\n'))
    project.refused("does not allow", "vault", "ls")
    project.refused("does not allow", "vault", "put", "other", "--file", str(project.folder.parent / "password"))
    os.chmod(bao.private("open-token", bao.token), 0o644)
    project.keep_in(bao.policy(f'token_file = "{folder}/open-token"\n'))
    project.refused("open to others", "vault", "ls")
    project.keep_in(bao.policy(f'role_id_file = "{folder}/role-id"\nsecret_id_file = "{folder}/wrong-token"\n'))
    project.refused("does not accept the AppRole login", "vault", "ls")
    other, _ = certificate(folder, "other")
    login = bao.login()
    project.keep_in(bao.policy(login, ca=other))
    project.refused("certificate", "vault", "ls")
    megabyte = b" " * 1_000_000
    address, ca = impostor(folder, "endless", b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n", megabyte)
    project.keep_in(bao.policy(f'token_file = "{bao.private("root", bao.token)}"\n', ca=ca, address=address))
    began = time.monotonic()
    project.refused("answered more than", "vault", "ls")
    ok(time.monotonic() - began < 30)
    text = json.dumps({"errors": [f"value {NEEDLE} with {bao.token} is not allowed"]}).encode()
    address, ca = impostor(folder, "talker", b"HTTP/1.1 400 x\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(text), text))
    project.keep_in(bao.policy(f'token_file = "{folder}/root"\n', ca=ca, address=address))
    said = project.run("vault", "ls")
    ok(said.returncode != 0 and bao.token not in said.stdout + said.stderr, "the token is shown")
    project.keep_in(bao.policy(login))
    bao.ask("PUT", "sys/seal", None)
    project.refused("is sealed", "vault", "ls")
    project.refused("is sealed", "vault", "rotate", "db-password")
    # A release cannot know how old secrets are that nobody lists.
    bao.unseal()
    project.does("vault", "ls")


def blind(project: Project, bao: Bao, folder: Path) -> None:
    """A login that may list secrets and read nothing of them: their ages are not known, so the check ends as the gate would."""
    path = "secret/data/stayward/unseen"
    bao.ask("POST", path, {"data": {"value": "x"}})
    rule = 'path "secret/metadata/stayward" { capabilities = ["list"] }\npath "secret/metadata/stayward/" { capabilities = ["list"] }\n'
    bao.ask("PUT", "sys/policies/acl/blind", {"policy": rule})
    token = bao.ask("POST", "auth/token/create", {"policies": ["blind"], "no_default_policy": True})["auth"]["client_token"]
    project.keep_in(bao.policy(f'token_file = "{bao.private("blind-token", token)}"\n'))
    done = project.run("vault", "check")
    ok(done.returncode == 1, f"{done.returncode}: {done.stdout} {done.stderr}")
    unknown = [one for one in json.loads(done.stdout) if one["kind"] == "unknown"]
    ok(len(unknown) == 1 and "does not allow" in unknown[0]["unknown"], done.stdout)
    checks = {one["seen"]: one["ok"] for one in json.loads(project.run("doctor").stdout) if one["check"] == "credentials"}
    ok(any("does not allow" in seen and not good for seen, good in checks.items()), checks)
    bao.ask("DELETE", "secret/metadata/stayward/unseen", None)
    project.keep_in(bao.policy(bao.login()))


def openbao(project: Project, folder: Path, contract: str) -> None:
    bao = Bao(folder)
    try:
        project.keep_in(bao.policy(bao.login()))
        blind(project, bao, folder)

        def theirs(name: str) -> str:
            return bao.ask("GET", f"secret/data/stayward/{name}", None)["data"]["data"]["value"]

        lives(project, "db-password", theirs)
        # A secret that somebody put by hand is read, and made new.
        bao.ask("POST", "secret/data/stayward/by-hand", {"data": {"password": "theirs"}})
        ok(project.value("by-hand") == "theirs")
        project.does("vault", "rotate", "by-hand")
        ok(theirs("by-hand") == project.value("by-hand") != "theirs" and project.value("by-hand", "previous") == "theirs")
        # The policy covers this project's folder alone.
        bao.ask("POST", "secret/data/other/db", {"data": {"value": "x"}})
        attacked(project, bao, folder)
    finally:
        bao.process.terminate()
        bao.process.wait(30)
    if contract:
        development(contract, folder)


def development(contract: str, folder: Path) -> None:
    """The contract of every store, against a server without TLS on this machine."""
    port = free_port()
    log = (folder / "dev.log").open("w")
    command = [shutil.which("bao"), "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root", f"-dev-listen-address={HOST}:{port}"]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    token = folder / "dev-token"
    token.touch(mode=0o600)
    token.write_text("root")
    try:
        began = time.monotonic()
        while socket.socket().connect_ex((HOST, port)) != 0:
            assert time.monotonic() - began < WAIT_SECONDS
            time.sleep(0.3)
        time.sleep(2)
        contracted(contract, {"STAYWARD_OPENBAO": f"http://{HOST}:{port},{token}"})
    finally:
        server.terminate()
        server.wait(30)


def contracted(contract: str, where: dict) -> None:
    done = subprocess.run([contract, "--include-ignored"], capture_output=True, text=True, env={**os.environ, **where})
    ok(done.returncode == 0, done.stdout + done.stderr)


def aws(project: Project, folder: Path, contract: str) -> None:
    port = free_port()
    address = f"http://{HOST}:{port}"
    log = (folder / "moto.log").open("w")
    server = subprocess.Popen([shutil.which("moto_server"), "-H", HOST, "-p", str(port)], stdout=log, stderr=log)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    try:
        began = time.monotonic()
        while socket.socket().connect_ex((HOST, port)) != 0:
            assert time.monotonic() - began < WAIT_SECONDS
            time.sleep(0.3)
        project.keep_in(f'\n[vault]\nbackend = "aws"\n[vault.aws]\nregion = "eu-central-1"\nendpoint = "{address}"\nsts_endpoint = "{address}"\n')
        client = boto3.client(
            "secretsmanager", "eu-central-1", endpoint_url=address, aws_access_key_id="test", aws_secret_access_key="test"
        )

        def theirs(name: str) -> str:
            # AWS takes the current one where no stage is named; moto takes the first.
            return client.get_secret_value(SecretId=f"stayward/{name}", VersionStage="AWSCURRENT")["SecretString"]

        bare = {key: value for key, value in project.environment.items() if not key.startswith("AWS_")}
        project.environment = {**bare, "HOME": str(folder)}
        project.refused("has no credentials", "vault", "ls")
        # By the environment; then by a profile; then by the workload's identity.
        project.environment = {**bare, **keys}
        lives(project, "db-password-2", theirs)
        stages = client.list_secret_version_ids(SecretId="stayward/db-password-2")["Versions"]
        named = sorted(stage for version in stages for stage in version["VersionStages"])
        ok(named == ["AWSCURRENT", "AWSPREVIOUS"], stages)
        (folder / "profile").touch(mode=0o600)
        (folder / "profile").write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
        project.environment = {**bare, "AWS_SHARED_CREDENTIALS_FILE": str(folder / "profile")}
        ok(project.value("db-password-2") == theirs("db-password-2"))
        (folder / "identity").write_text("a.web.token")
        role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/stayward", "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "identity")}
        project.environment = {**bare, **role}
        ok(project.value("db-password-2") == theirs("db-password-2"))
        project.environment = {**bare, **keys}
        if contract:
            contracted(contract, {"STAYWARD_AWS": address, **keys})
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    stayward, project, credentials, folder = sys.argv[1:5]
    contract = sys.argv[5] if len(sys.argv) > 5 else ""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "openbao").mkdir(parents=True)
    (folder / "aws").mkdir()
    shutil.copytree(project, folder / "project", copy_function=shutil.copy2)
    ours = Project(stayward, folder / "project")
    login = [stayward, "--project", str(folder / "project"), "login", "admin", "--credentials", credentials]
    began = time.monotonic()
    # A code is good once: somebody may have used this one.
    while subprocess.run(login, capture_output=True).returncode != 0:
        assert time.monotonic() - began < 70, "nobody can log in"
        time.sleep(2)
    openbao(ours, folder / "openbao", contract)
    aws(ours, folder / "aws", contract)
    ours.keep_in("")
    print(f"{judged} checks, OpenBao and moto, rotations killed at {len(POINTS)} points each")


main()
