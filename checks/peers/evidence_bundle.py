"""Judges a bundle with other people's code: securesystemslib reads the DSSE envelope, in-toto-attestation the statement (T4).

usage: evidence_bundle.py FOLDER, with FOLDER made by `cargo run -p store --example make_log -- FOLDER`
needs: securesystemslib==1.6.0 in-toto-attestation==0.9.3 cryptography==50.0.2
"""

import base64
import copy
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey


def refused(envelope, key):
    try:
        envelope.verify([key], 1)
    except VerificationError:
        return True
    return False


def main(folder):
    bundle = json.loads((folder / "bundle.sigstore.json").read_bytes())
    pem = (folder / "bundle-key.pem").read_bytes()
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert bundle["verificationMaterial"]["publicKey"]["hint"] == hashlib.sha256(pem).hexdigest()

    key = SSlibKey.from_crypto(load_pem_public_key(pem), keyid="any")
    # securesystemslib wants a key id in every signature; DSSE does not, and does not authenticate it.
    wire = copy.deepcopy(bundle["dsseEnvelope"])
    wire["signatures"][0]["keyid"] = "any"
    # from_dict empties what it is given.
    envelope = Envelope.from_dict(copy.deepcopy(wire))
    envelope.verify([key], 1)
    print("securesystemslib: signature accepted")

    changed = copy.deepcopy(wire)
    payload = bytearray(base64.b64decode(changed["payload"]))
    payload[-3] ^= 1
    changed["payload"] = base64.b64encode(payload).decode()
    assert refused(Envelope.from_dict(changed), key)
    retyped = {**wire, "payloadType": "application/json"}
    assert refused(Envelope.from_dict(retyped), key)
    print("securesystemslib: changed payload refused, changed payload type refused")

    message = json_format.Parse(envelope.payload, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    print(f"in-toto-attestation: statement about {message.subject[0].name} is valid, {message.predicate_type}")
    predicate = json_format.MessageToDict(message.predicate)
    # SLSA 1.2 has a list of levels; the published bindings 0.9.3 still have one text there.
    assert isinstance(predicate.pop("verifiedLevels"), list)
    summary = json_format.ParseDict(predicate, vsa_pb2.VerificationSummary(), ignore_unknown_fields=True)
    assert summary.verification_result == "PASSED" and summary.verifier.id
    print("in-toto-attestation: predicate reads as a verification summary")

    canonical = json.dumps(bundle["dsseEnvelope"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    logged = (folder / "entry.txt").read_bytes()
    assert logged == b"sha256:" + hashlib.sha256(canonical).hexdigest().encode()
    print("hashlib: the logged entry is the digest of this envelope")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
