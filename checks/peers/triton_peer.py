"""Holds our Open Inference Protocol against the stock client of Triton: everything below is what an unchanged client does,
over verified TLS, with JSON and with binary tensors.

    python triton_peer.py URL CA KEY [PROJECT]    # in an environment with tritonclient[http] and numpy

Columns and their types are taken from the model's metadata, values from the project's own table where one is given: a real service
refuses rows that no customer could have. Without it, a few values that the fake of shell/server takes. Installs nothing. Leaves with a
failed assertion on the first difference.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import gevent.ssl
import numpy as np
import rows
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

# So many that the model says both.
ROWS = 12
# What a column is sent where no project is given; the fake answers `yes` below 12.
NUMBERS = [3.0, 40.0, 11.0] * 4
LEVELS = ["Month-to-month", "Two year", "One year"] * 4


def context(ca):
    """TLS that trusts this authority and nothing else, and checks the name."""
    return lambda: gevent.ssl.create_default_context(cafile=ca)


class Rows:
    """Values for every column, row by row."""

    def __init__(self, specs, project):
        self.specs = specs
        known = rows.customers(project)[:ROWS] if project else []
        self.rows = [[row[spec["name"]] for spec in specs] for row in known]
        assert not project or len(self.rows) == ROWS, "the project has too few whole rows"

    def values(self, at):
        if self.rows:
            return [row[at] for row in self.rows]
        return LEVELS if self.specs[at]["datatype"] == "BYTES" else NUMBERS

    def whole(self, at):
        """Whether the column can go as a whole number without being another one."""
        return self.specs[at]["datatype"] == "FP64" and all(float(value).is_integer() for value in self.values(at))

    def tensors(self, binary, datatype=None):
        return [self.column(at, binary, datatype) for at in range(len(self.specs))]

    def column(self, at, binary, datatype=None):
        """One input tensor, filled; as `datatype`, if its values can be that."""
        spec = self.specs[at]
        own = spec["datatype"]
        datatype = datatype if datatype and (self.whole(at) or (datatype == "FP32" and own == "FP64")) else own
        kind = {"BYTES": np.object_, "FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "INT32": np.int32}[datatype]
        change = str if datatype == "BYTES" else lambda value: kind(float(value))
        data = np.array([[change(value)] for value in self.values(at)], dtype=kind)
        tensor = http.InferInput(spec["name"], [ROWS, 1], datatype)
        tensor.set_data_from_numpy(data, binary_data=binary)
        return tensor


def classes(result):
    """The answer as text, however it came."""
    values = [value.decode() if isinstance(value, bytes) else value for value in result.as_numpy("churn").tolist()]
    assert len(values) == ROWS and set(values) == {"yes", "no"}, values
    return values


def refused(work):
    """The refusal must be the one that every caller reads, and the client must be able to read it."""
    refused.times += 1
    try:
        work()
    except InferenceServerException as error:
        assert error.message().startswith("refused, ref "), error
        return error.status()
    raise AssertionError("was not refused")


refused.times = 0


def what_if(url, ca, key, asked_about):
    """The same rows by the service's own route: two doors, one answer."""
    named = [dict(zip((spec["name"] for spec in asked_about.specs), values)) for values in zip(*map(asked_about.values, range(len(asked_about.specs))))]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/what-if", data=json.dumps({"rows": named}).encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cafile=ca)) as answer:
        return [row["churn"] for row in json.loads(answer.read())["predictions"]]


def untyped(url, ca, key, tensors):
    """A binary request as clients send it: the length of its JSON part, and no word on what it is."""
    body, length = http.InferenceServerClient.generate_request_body(
        tensors, outputs=[http.InferRequestedOutput("churn", binary_data=False)]
    )
    assert length is not None, "the request is not binary"

    def send(extra):
        headers = {"Authorization": f"Bearer {key}", "Inference-Header-Content-Length": str(length), **extra}
        request = urllib.request.Request(f"{url}/v2/models/churn/infer", data=bytes(body), headers=headers, method="POST")
        # urllib names a form where nothing is said, which would be a lie; so it must be taken away by hand.
        opener = urllib.request.build_opener(NoType(), urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)))
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())["outputs"][0]["data"]
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]

    status, data = send({})
    assert status == 200, (status, data)
    status, told = send({"Content-Type": "text/html"})
    assert status == 415 and told.startswith("refused, ref "), (status, told)
    status, told = send({"Inference-Header-Content-Length": str(length + 10_000_000)})
    assert status == 400 and told.startswith("refused, ref "), (status, told)
    return data


class NoType(urllib.request.BaseHandler):
    """Takes the invented type away again, just before the request is sent."""

    handler_order = 900

    def https_request(self, request):
        if request.get_header("Content-type") == "application/x-www-form-urlencoded":
            request.remove_header("Content-type")
        return request


def main(url, ca, key, project=None):
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

    asked_about = Rows(metadata["inputs"], project)
    answers, asked = set(), 0
    for binary_in in (True, False):
        for outputs in (None, [http.InferRequestedOutput("churn", binary_data=True)], [http.InferRequestedOutput("churn", binary_data=False)]):
            for model_version in ("", version):
                inputs = asked_about.tensors(binary_in)
                asked += 1
                result = client.infer("churn", inputs, model_version=model_version, outputs=outputs, headers=headers(), request_id="7")
                assert result.get_response()["id"] == "7" and result.get_response()["model_version"] == version
                answers.add(tuple(classes(result)))
    assert len(answers) == 1, f"the form of the tensors changes the answer: {answers}"
    for datatype in ("FP32", "INT64", "INT32"):
        assert any(asked_about.whole(at) for at in range(len(asked_about.specs))), "no column is of whole numbers"
        asked += 1
        answers.add(tuple(classes(client.infer("churn", asked_about.tensors(True, datatype), headers=headers()))))
    answers.add(tuple(untyped(url, ca, key, asked_about.tensors(True))))
    answers.add(tuple(what_if(url, ca, key, asked_about)))
    assert len(answers) == 1, f"the type of the tensors changes the answer: {answers}"

    assert refused(lambda: client.get_model_metadata("churn")) == "401"
    assert refused(lambda: client.infer("churn", asked_about.tensors(True))) == "401"
    # A key of the right form that nobody was given, one with a letter changed, one that is none.
    for wrong in ("swk_" + "0" * 16 + "_" + "0" * 56, key[:-1] + ("0" if key[-1] != "0" else "1"), "x"):
        stranger = {"Authorization": f"Bearer {wrong}"}
        assert refused(lambda: client.infer("churn", asked_about.tensors(True), headers=dict(stranger))) == "401"
        assert refused(lambda: client.get_model_metadata("churn", headers=dict(stranger))) == "401"
    assert refused(lambda: client.infer("other", asked_about.tensors(True), headers=headers())) == "404"
    scores = [http.InferRequestedOutput("churn", class_count=2)]
    inputs = asked_about.tensors(True)
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
    print(
        f"tritonclient: {len(metadata['inputs'])} columns, {asked + 2} questions in JSON, binary and four types of number, "
        f"one answer to all ({answers.pop().count('yes')} of {ROWS} yes), {refused.times + 2} requests refused"
    )


if __name__ == "__main__":
    main(*sys.argv[1:5])
