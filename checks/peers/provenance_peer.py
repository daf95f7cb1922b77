"""minisign, ssh-keygen, GnuPG and coreutils sign; our reader must accept it. What is damaged, they judge beside us (T1).

usage: provenance_peer.py VERIFY_WITH FOLDER [DAMAGES]: the built example of engines/provenance, a folder to work in, and how many damaged
copies of each signature both are asked about.

Their yes to what they signed must be ours. Of a damaged signature we may refuse more than they do, never less.
"""

import base64
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEED = 20261123


def run(*command, stdin=None, check=True):
    """Runs a program; its exit code, or an exception with what it said."""
    done = subprocess.run([str(word) for word in command], stdin=stdin, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
    return done


class Judge:
    """Our example beside their programs."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.asked = self.stricter = 0
        # A socket's path has 108 bytes at most, so GnuPG's home does not lie in the folder.
        self.home = tempfile.mkdtemp()
        os.chmod(self.home, 0o700)

    def ours(self, *words):
        done = run(self.program, *words, check=False)
        if done.returncode not in (0, 1) or not done.stdout.startswith(("accepted: ", "refused: ")):
            raise SystemExit(f"verify_with {words}: {done.returncode} {done.stdout}{done.stderr}")
        self.asked += 1
        return done.returncode == 0, done.stdout.strip()

    def accepted(self, *words):
        good, said = self.ours(*words)
        assert good, f"{words}: {said}"

    def refused(self, why, *words):
        good, said = self.ours(*words)
        assert not good and why in said, f"{words}: {said}, not {why}"

    def gpg(self, *words, check=True, when=None):
        clock = ["--faked-system-time", f"{when}!"] if when else []
        usual = ["--homedir", self.home, "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]
        return run("gpg", *usual, *clock, *words, check=check)

    def beside(self, scheme, key, signature, message, theirs, damages, draw):
        """Damaged copies of a signature: what we accept, they accept."""
        good = signature.read_bytes()
        damaged = signature.with_name(signature.name + ".damaged")
        for _ in range(damages):
            at, change = draw.randrange(len(good)), draw.randrange(1, 256)
            damaged.write_bytes(good[:at] + bytes([good[at] ^ change]) + good[at + 1 :])
            mine, said = self.ours(scheme, key, damaged, message)
            if mine:
                assert theirs(damaged), f"{scheme}: {damaged} at {at} xor {change}: they refuse, we say {said}"
            elif theirs(damaged):
                self.stricter += 1


def minisign(judge, message, other, damages, draw):
    key, secret = judge.folder / "minisign.pub", judge.folder / "minisign.key"
    run("minisign", "-G", "-W", "-f", "-p", key, "-s", secret)
    for name, options in (("hashed", []), ("legacy", ["-l"]), ("comment", ["-t", "delivery 7 of acme"])):
        signature = judge.folder / f"{name}.minisig"
        run("minisign", "-S", *options, "-s", secret, "-m", message, "-x", signature)
        judge.accepted("minisign", key, signature, message)
        judge.refused("does not hold", "minisign", key, signature, other)

        def theirs(signature):
            return run("minisign", "-V", "-p", key, "-m", message, "-x", signature, check=False).returncode == 0

        assert theirs(signature)
        judge.beside("minisign", key, signature, message, theirs, damages, draw)


def ssh(judge, message, other, damages, draw):
    for kind, bits in (("ed25519", []), ("ecdsa", ["-b", "256"])):
        secret = judge.folder / f"ssh-{kind}"
        run("ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", "acme", "-f", secret)
        key = secret.with_suffix(".pub")
        allowed = judge.folder / f"allowed-{kind}"
        allowed.write_text(f'acme namespaces="stayward-feed,file",valid-after="20200101Z",valid-before="20990101Z" {key.read_text()}')
        late = judge.folder / f"late-{kind}"
        late.write_text(f'acme valid-before="20200101Z" {key.read_text()}')
        for namespace, hash_name in (("stayward-feed", "sha512"), ("file", "sha256"), ("git", "sha512")):
            signature = judge.folder / f"{kind}-{namespace}.sig"
            with message.open("rb") as stdin:
                made = run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-O", f"hashalg={hash_name}", "-f", secret, stdin=stdin)
            signature.write_text(made.stdout)

            def theirs(signature, allowed=allowed, namespace=namespace):
                with message.open("rb") as stdin:
                    words = ("-Y", "verify", "-f", allowed, "-I", "acme", "-n", namespace, "-s", signature)
                    return run("ssh-keygen", *words, stdin=stdin, check=False).returncode == 0

            if namespace == "git":
                judge.refused("namespace", "ssh", key, signature, message)
                continue
            for public in (key, allowed):
                judge.accepted("ssh", public, signature, message)
            judge.refused("expired", "ssh", late, signature, message)
            judge.refused("does not hold", "ssh", key, signature, other)
            assert theirs(signature) and not theirs(signature, late)
            judge.beside("ssh", allowed, signature, message, theirs, damages, draw)


def openpgp(judge, message, other, damages, draw):
    for kind, usage in (("ed25519", "sign"), ("nistp256", "sign"), ("rsa2048", "sign"), ("rsa3072", "sign"), ("ed25519", "subkey")):
        name = f"{kind}-{usage}"
        judge.gpg("--quick-generate-key", name, kind, "cert" if usage == "subkey" else "sign", "2y", when="20260101T000000")
        listed = judge.gpg("--with-colons", "--list-keys", f"={name}").stdout.splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
        if usage == "subkey":
            judge.gpg("--quick-add-key", fingerprint, "ed25519", "sign", "1y", when="20260101T000000")
            judge.gpg("--quick-add-key", fingerprint, "cv25519", "encr", "1y", when="20260101T000000")
        key = judge.folder / f"{name}.pub"
        key.write_text(judge.gpg("--armor", "--export", fingerprint).stdout)
        for armor, hash_name in (("--armor", "SHA256"), ("--no-armor", "SHA512")):
            signature = judge.folder / f"{name}-{hash_name}.asc"
            words = ("--digest-algo", hash_name, armor, "-u", fingerprint, "--yes", "-o", signature, "--detach-sign", message)
            judge.gpg(*words, when="20260601T000000")
            judge.accepted("openpgp", key, signature, message)
            judge.refused("does not hold", "openpgp", key, signature, other)
            years_later = 1_893_456_000
            judge.refused("expired", "openpgp", key, signature, message, years_later)
            years_before = 1_577_836_800
            judge.refused("not valid yet", "openpgp", key, signature, message, years_before)

            def theirs(signature):
                return judge.gpg("--verify", signature, message, check=False, when="20261123T000000").returncode == 0

            assert theirs(signature)
            judge.beside("openpgp", key, signature, message, theirs, damages, draw)
        if name == "rsa2048-sign":
            weak = judge.folder / f"{name}-sha1.asc"
            words = ("--digest-algo", "SHA1", "--armor", "-u", fingerprint, "--yes", "-o", weak, "--detach-sign", message)
            judge.gpg(*words, when="20260601T000000")
            judge.refused("SHA-1", "openpgp", key, weak, message)
        # Revoked by its owner: GnuPG wrote the revocation with the key.
        revocation = (Path(judge.home) / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
        (judge.folder / "revocation").write_text(revocation)
        judge.gpg("--import", judge.folder / "revocation")
        revoked = judge.folder / f"{name}-revoked.pub"
        revoked.write_text(judge.gpg("--armor", "--export", fingerprint).stdout)
        judge.refused("revoked", "openpgp", revoked, signature, message)


def lists(judge, message, other):
    made = judge.folder / "SHA256SUMS"
    for program, options in (("sha256sum", []), ("sha256sum", ["--binary"]), ("sha256sum", ["--tag"]), ("sha512sum", []), ("sha512sum", ["--tag"])):
        done = subprocess.run([program, *options, message.name, other.name], cwd=judge.folder, capture_output=True, text=True, check=True)
        made.write_text(done.stdout)
        judge.accepted("checksums", made, message.name, message)
        judge.refused("another SHA", "checksums", made, message.name, other)
        judge.refused("does not name", "checksums", made, "third", message)
    (judge.folder / "back\\slash").write_text("x")
    done = subprocess.run(["sha256sum", "back\\slash"], cwd=judge.folder, capture_output=True, text=True, check=True)
    made.write_text(done.stdout)
    judge.refused("neither form", "checksums", made, "back\\slash", message)
    for name in ("sha256", "sha512"):
        digest = base64.b64encode(hashlib.new(name, message.read_bytes()).digest()).decode()
        field = f"sha-{name[3:]}=:{digest}:"
        judge.accepted("http-digest", field, message)
        judge.accepted("http-digest", f"md5=:AAAA:;x, {field}", message)
        judge.refused("another SHA", "http-digest", field, other)


def main():
    program, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    damages = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began, draw = time.monotonic(), random.Random(SEED)
    message, other = folder.resolve() / "market.csv", folder.resolve() / "other.csv"
    message.write_bytes(b"week,price\n" + bytes(draw.randrange(256) for _ in range(5000)))
    other.write_bytes(message.read_bytes() + b"\n")
    judge = Judge(program, folder.resolve())
    try:
        minisign(judge, message, other, damages, draw)
        ssh(judge, message, other, damages, draw)
        openpgp(judge, message, other, damages, draw)
        lists(judge, message, other)
    finally:
        run("gpgconf", "--homedir", judge.home, "--kill", "all", check=False)
        shutil.rmtree(judge.home, ignore_errors=True)
    took = time.monotonic() - began
    print(f"{judge.asked} questions, we refused {judge.stricter} damaged signatures that they accept, never the other way; {took:.1f} s")


if __name__ == "__main__":
    main()
