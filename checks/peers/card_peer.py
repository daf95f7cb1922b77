"""Reads the model card of a real project with CycloneDX's own library (T4, T7): the bill of materials keeps to schema 1.6, says what
`model show` says, and a changed one does not pass; the page asks for nothing from outside.

    python card_peer.py STAYWARD PROJECT FOLDER

Leaves with a failed assertion on the first difference.
"""

import base64
import copy
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def ask(stayward: str, project: str, *arguments: str) -> dict:
    command = [stayward, "--project", project, "--output", "json", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def fault(document: dict):
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


class Outside(HTMLParser):
    """Everything by which a page could ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.plots = 0

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.plots += tag == "svg"
        if tag in ("script", "link", "iframe", "object", "embed", "img", "base", "form"):
            self.found.append(tag)
        self.found += [name for name, _ in attributes if name in ("src", "href", "action", "style") or name.startswith("on")]


def main() -> None:
    stayward, project, folder = sys.argv[1:]
    written = ask(stayward, project, "model", "card", "--out", folder)
    document = json.loads(Path(written["bom"]).read_text())
    assert fault(document) is None, fault(document)

    component = document["metadata"]["component"]
    card = component["modelCard"]
    report = ask(stayward, project, "model", "show", written["model"])["report"]
    auc = [m for m in card["quantitativeAnalysis"]["performanceMetrics"] if m["type"] == "ROC AUC" and m["slice"].startswith("vote")]
    assert [m["value"] for m in auc] == [f"{report['members']['vote']['auc']['mean']:.4f}"], auc
    assert [i["format"] for i in card["modelParameters"]["inputs"]] == report["columns"]
    images = card["quantitativeAnalysis"]["graphics"]["collection"]
    assert images and all(base64.b64decode(i["image"]["content"]).startswith(b"<svg") for i in images)
    files = {c["name"] for c in document["components"] if c["type"] == "file"}
    assert {"booster.json", "report.json", "canary.json"} <= files, files
    refs = {c["bom-ref"] for c in document["components"]} | {component["bom-ref"]}
    assert all(ref in refs for of in document["dependencies"] for ref in of["dependsOn"])

    # A judge that takes everything judges nothing.
    refused = 0
    for change in (
        lambda d: d["metadata"]["component"].update(type="model"),
        lambda d: d["metadata"]["component"]["hashes"][0].update(content="123"),
        lambda d: d.update(serialNumber="urn:uuid:1"),
        lambda d: d["metadata"]["component"]["modelCard"].update(surprise=1),
    ):
        changed = copy.deepcopy(document)
        change(changed)
        assert fault(changed) is not None
        refused += 1

    page = Outside()
    page.feed(Path(written["card"]).read_text())
    assert page.plots >= 4 and not page.found, (page.plots, page.found)
    print(f"1 bill of {len(document['components'])} components holds, {refused} changed ones refused; {page.plots} plots, nothing from outside")


if __name__ == "__main__":
    main()
