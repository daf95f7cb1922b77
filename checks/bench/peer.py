"""The other half of checks/bench: the same rows, the same settings, one thread; prints both halves and their ratio (T5).

usage: peer.py FOLDER RESULTS, with FOLDER written by our half. Needs numpy, scikit-learn and xgboost (or xgboost-cpu).
Appends a file to RESULTS, named by day and machine, with every figure.
"""

import datetime
import json
import os
import re
import resource
import sys
from pathlib import Path

import numpy as np
import xgboost
from sklearn import __version__ as sklearn_version
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

COLUMNS = 30
CENTRES = 8
STARTS = 3
LANDMARKS = 300
SMALL = 20_000
LONG_ENOUGH = 0.5
SINGLE_ROWS = 100


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work):
    start = cpu()
    made = work()
    return made, cpu() - start


def repeated(work):
    calls, start = 0, cpu()
    while cpu() - start < LONG_ENOUGH:
        work()
        calls += 1
    return (cpu() - start) / calls


def member(theirs, name, model, score, train, known, test, truth):
    _, took = timed(lambda: model.fit(train, known))
    theirs[f"{name} fit"] = took, roc_auc_score(truth, score(test))
    print(f"  {name} fit {took:.2f} s", flush=True)
    theirs[f"{name} predict"] = repeated(lambda: score(test)), roc_auc_score(truth, score(test))
    rows = [test[at : at + 1] for at in range(SINGLE_ROWS)]
    first, once = timed(lambda: score(rows[0]))
    rows = rows if once < 0.05 else rows[:3]
    theirs[f"{name} one row"] = repeated(lambda: [score(row) for row in rows]) / len(rows), 0


def tasks(count, train, known, test, truth):
    theirs = {}
    scaler = StandardScaler().fit(train)
    near, far = scaler.transform(train), scaler.transform(test)
    booster = xgboost.XGBClassifier(
        n_estimators=300, max_depth=6, learning_rate=0.05, max_bin=256, tree_method="hist", n_jobs=1
    )
    # In place: without a copy into XGBoost's own matrix.
    member(theirs, "booster", booster, lambda rows: booster.get_booster().inplace_predict(rows, predict_type="margin"), train, known, test, truth)
    trees = 300 if count <= SMALL else 30
    forest = RandomForestClassifier(n_estimators=trees, min_samples_leaf=3, random_state=1, n_jobs=1)
    member(theirs, "forest", forest, lambda rows: forest.predict_proba(rows)[:, 1], train, known, test, truth)

    def machine(name, model):
        # Ours fits the sigmoid on five held-out folds, too.
        whole = CalibratedClassifierCV(model, method="sigmoid", cv=5, ensemble=False)
        member(theirs, name, whole, lambda rows: whole.predict_proba(rows)[:, 1], near, known, far, truth)

    if count <= SMALL:
        machine("rbf", SVC(C=1.0, gamma="scale", cache_size=2_000))
    gamma = 1.0 / (COLUMNS * near.var())
    spanned = make_pipeline(Nystroem(gamma=gamma, n_components=LANDMARKS, random_state=1), LinearSVC(C=1.0, loss="hinge", max_iter=1_000))
    if count <= SMALL:
        machine("nystroem", spanned)
    else:
        # Six fits of this size would take minutes: one, without the sigmoid. Ours takes all six.
        member(theirs, "nystroem", spanned, spanned.decision_function, near, known, far, truth)
    machine("linear", LinearSVC(C=1.0, dual=False))
    means, took = timed(lambda: KMeans(CENTRES, n_init=STARTS, random_state=1).fit(near))
    theirs["k-means fit"] = took, means.inertia_
    return theirs


def machine_model():
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else os.uname().machine


def main(folder, results):
    ours = json.loads((folder / "ours.json").read_text())
    versions = f"xgboost {xgboost.__version__}, scikit-learn {sklearn_version}, numpy {np.__version__}"
    now = datetime.datetime.now(datetime.timezone.utc)
    report = {"date": now.isoformat(timespec="seconds"), "machine": machine_model(), "cores": os.cpu_count(), "load": os.getloadavg()[0],
              "peers": versions, "unit": "CPU seconds, one thread", "sizes": {}}
    print(f"one thread; {versions}; {report['machine']}; load {report['load']:.1f}")
    for size, own in ours.items():
        count, (test_count, _) = int(size), own.pop("test")
        table = np.fromfile(folder / f"rows-{size}.f32", dtype="<f4").reshape(-1, COLUMNS + 1)
        rows, labels = np.ascontiguousarray(table[:, :-1]), table[:, -1].astype(int)
        theirs = tasks(count, rows[:count], labels[:count], rows[count:], labels[count:])
        print(f"\n{count} rows to train, {test_count} to test, {COLUMNS} numbers")
        print(f"{'task':<26}{'ours CPU s':>13}{'theirs CPU s':>14}{'ours/theirs':>13}{'quality ours':>16}{'theirs':>16}")
        kept = report["sizes"][size] = {}
        for name, (seconds, quality) in own.items():
            other, their_quality = theirs.get(name, (None, None))
            ratio = None if not other or seconds < 0.02 and name.endswith(" fit") else seconds / other
            kept[name] = {"ours": seconds, "theirs": other, "ratio": ratio, "quality": quality, "their_quality": their_quality}
            cells = [f"{seconds:>13.6f}", f"{other:>14.6f}" if other else " " * 14, f"{ratio:>13.3f}" if ratio else f"{'-':>13}"]
            print(f"{name:<26}" + "".join(cells) + f"{quality:>16.4f}" + (f"{their_quality:>16.4f}" if other else ""))
    print("\nquality: ROC AUC on the rows to test, for k-means the sum of squared distances")
    results.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9]+", "-", report["machine"]).strip("-").lower()
    (results / f"{now:%Y-%m-%d}-{name}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
