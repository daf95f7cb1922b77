"""Judges both signatures of a head of the log with Python's cryptography: Ed25519, and the ML-DSA-44 cosignature, whose message
is rebuilt here from c2sp.org/tlog-cosignature (T4, T6).

usage: evidence_checkpoint.py FOLDER, with FOLDER made by `cargo run -p store --example make_log -- FOLDER`
needs: cryptography==50.0.2
"""

import base64
import hashlib
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey


def read_key(path):
    name, key_id, key = path.read_text().strip().split("+", 2)
    raw = base64.b64decode(key, validate=True)
    assert hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == key_id
    return name, bytes.fromhex(key_id), raw[0], raw[1:]


def cosigned_message(name, timestamp, origin, size, root):
    def short(text):
        return bytes([len(text)]) + text

    return b"subtree/v1\n\0" + short(name) + struct.pack(">Q", timestamp) + short(origin) + struct.pack(">QQ", 0, size) + root


def holds(key, signature, message):
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def main(folder):
    text, lines = (folder / "log" / "checkpoint").read_text().rsplit("\n\n", 1)
    text += "\n"
    origin, size, root = text.splitlines()
    signatures = {}
    for line in lines.splitlines():
        dash, name, encoded = line.split(" ")
        assert dash == "\u2014"
        raw = base64.b64decode(encoded, validate=True)
        signatures[(name, raw[:4])] = raw[4:]

    name, key_id, kind, raw = read_key(folder / "log-key.txt")
    assert kind == 0x01
    key = Ed25519PublicKey.from_public_bytes(raw)
    assert holds(key, signatures[(name, key_id)], text.encode())
    assert not holds(key, signatures[(name, key_id)], text.replace(f"\n{size}\n", f"\n{size}0\n").encode())
    print("cryptography: Ed25519 signature accepted, changed size refused")

    name, key_id, kind, raw = read_key(folder / "log-key-ml-dsa.txt")
    assert kind == 0x06 and len(raw) == 1312
    key = MLDSA44PublicKey.from_public_bytes(raw)
    signature = signatures[(name, key_id)]
    (timestamp,) = struct.unpack(">Q", signature[:8])
    parts = (name.encode(), timestamp, origin.encode(), int(size), base64.b64decode(root))
    assert len(signature) == 8 + 2420 and holds(key, signature[8:], cosigned_message(*parts))
    for place, other in [(0, b"other"), (1, timestamp + 1), (2, b"other"), (3, int(size) + 1), (4, bytes(32))]:
        changed = list(parts)
        changed[place] = other
        assert not holds(key, signature[8:], cosigned_message(*changed))
    print("cryptography: ML-DSA-44 cosignature accepted; changed name, time, origin, size, root refused")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
