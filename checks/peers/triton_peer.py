"""Holds our Open Inference Protocol against the stock client of Triton: everything below is what an unchanged client does,
over verified TLS, with JSON and with binary tensors.

    cargo run -p server --example fake -- 8443 DIR
    python triton_peer.py https://localhost:8443 DIR/tls/ca.pem swk_all    # in an environment with tritonclient[http] and numpy

Works against a real service, too: columns are taken from the model's metadata. Installs nothing. Leaves with a failed assertion
on the first difference.
"""

import sys
from urllib.parse import urlsplit

import gevent.ssl
import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

ROWS = 3
# What a column is sent where nothing better is known; the fake answers `yes` below 12.
NUMBERS = [3.0, 40.0, 11.5]
LEVELS = ["Month-to-month", "Two year", "One year"]


def context(ca):
    """TLS that trusts this authority and nothing else, and checks the name."""
    return lambda: gevent.ssl.create_default_context(cafile=ca)


def column(spec, binary, datatype=None):
    """One input tensor, filled."""
    datatype = datatype or spec["datatype"]
    if datatype == "BYTES":
        data = np.array([[level] for level in LEVELS], dtype=np.object_)
    else:
        kind = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "INT32": np.int32}[datatype]
        data = np.array([[number] for number in NUMBERS], dtype=kind)
    tensor = http.InferInput(spec["name"], [ROWS, 1], datatype)
    tensor.set_data_from_numpy(data, binary_data=binary)
    return tensor


def classes(result):
    """The answer as text, however it came."""
    values = [value.decode() if isinstance(value, bytes) else value for value in result.as_numpy("churn").tolist()]
    assert len(values) == ROWS and set(values) <= {"yes", "no"}, values
    return values


def refused(work):
    """The refusal must be the one that every caller reads, and the client must be able to read it."""
    try:
        work()
    except InferenceServerException as error:
        assert error.message().startswith("refused, ref "), error
        return error.status()
    raise AssertionError("was not refused")


def main(url, ca, key):
    client = http.InferenceServerClient(
        urlsplit(url).netloc, ssl=True, ssl_options={}, ssl_context_factory=context(ca), network_timeout=20
    )

    # A fresh one for each call: the client writes the length of the JSON part into the caller's own dictionary, and would send it
    # again with the next request, where it is wrong.
    def headers():
        return {"Authorization": f"Bearer {key}"}

    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("churn")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("churn", headers=headers())
    version = metadata["versions"][0]
    assert metadata["outputs"] == [{"name": "churn", "datatype": "BYTES", "shape": [-1]}]
    assert client.is_model_ready("churn", version, headers=headers())

    answers = set()
    for binary_in in (True, False):
        for outputs in (None, [http.InferRequestedOutput("churn", binary_data=True)], [http.InferRequestedOutput("churn", binary_data=False)]):
            for model_version in ("", version):
                inputs = [column(spec, binary_in) for spec in metadata["inputs"]]
                result = client.infer("churn", inputs, model_version=model_version, outputs=outputs, headers=headers(), request_id="7")
                assert result.get_response()["id"] == "7" and result.get_response()["model_version"] == version
                answers.add(tuple(classes(result)))
    assert len(answers) == 1, f"the form of the tensors changes the answer: {answers}"
    numbers = [spec for spec in metadata["inputs"] if spec["datatype"] == "FP64"]
    for datatype in ("FP32", "INT64", "INT32"):
        inputs = [column(spec, True, datatype if spec in numbers else None) for spec in metadata["inputs"]]
        classes(client.infer("churn", inputs, headers=headers()))

    assert refused(lambda: client.get_model_metadata("churn")) == "401"
    assert refused(lambda: client.infer("churn", [column(metadata["inputs"][0], True)])) == "401"
    assert refused(lambda: client.infer("other", [column(metadata["inputs"][0], True)], headers=headers())) == "404"
    scores = [http.InferRequestedOutput("churn", class_count=2)]
    inputs = [column(spec, True) for spec in metadata["inputs"]]
    assert refused(lambda: client.infer("churn", inputs, outputs=scores, headers=headers())) == "400"
    assert refused(lambda: client.infer("churn", inputs, headers=headers(), request_compression_algorithm="gzip")) == "415"
    assert refused(lambda: client.get_model_repository_index(headers=headers())) in {"404", "405"}
    assert refused(lambda: client.unload_model("churn", headers=headers())) == "404"
    assert refused(lambda: client.get_inference_statistics("churn", headers=headers())) == "404"
    client.close()

    try:
        stranger = http.InferenceServerClient(urlsplit(url).netloc, ssl=True, ssl_context_factory=gevent.ssl.create_default_context)
        stranger.is_server_live()
    except Exception as error:  # noqa: BLE001 - any failure of the handshake will do
        assert "certificate" in str(error).lower(), error
    else:
        raise AssertionError("a client that does not know the authority came through")
    print(f"tritonclient agrees: {len(metadata['inputs'])} columns, answers {answers.pop()}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
