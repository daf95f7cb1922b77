"""The other half of checks/bench: the same rows, the same settings, one thread; prints both halves and their ratio (T5).

usage: peer.py FOLDER RESULTS [large], with FOLDER written by our half. Needs numpy, scikit-learn and xgboost (or xgboost-cpu).
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
# Rows that the exact machine is timed at; above, its time is extrapolated.
EXACT_ROWS = (7_000, 14_000, 28_000)
EXACT_TEST = 10_000
# As checks/bench/src/large.rs.
LARGE_TREES = 20
LARGE_FOREST_TREES = 3
LARGE_SUBSAMPLE = 0.2


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
    # The whole vote beside its three members' sum.
    for part in ["predict", "one row"]:
        members = [theirs.get(f"{name} {part}") for name in ["booster", "forest", "rbf"]]
        if all(members):
            theirs[f"ensemble {part}"] = theirs[f"ensemble, fewer vectors: {part}"] = sum(took for took, _ in members), 0
    means, took = timed(lambda: KMeans(CENTRES, n_init=STARTS, random_state=1).fit(near))
    theirs["k-means fit"] = took, means.inertia_
    return theirs


def exact(count, near, known, far, truth, kept):
    """Times the exact machine at sizes that it can do, and says what the trend would ask for the size at hand."""
    print("\nexact machine (SVC) without its sigmoid, at fewer rows")
    times = []
    for rows in EXACT_ROWS:
        machine = SVC(C=1.0, gamma="scale", cache_size=2_000)
        _, took = timed(lambda: machine.fit(near[:rows], known[:rows]))
        auc = roc_auc_score(truth[:EXACT_TEST], machine.decision_function(far[:EXACT_TEST]))
        times.append(took)
        kept[f"SVC fit, {rows} rows"] = {"theirs": took, "their_quality": auc, "test_rows": EXACT_TEST}
        print(f"  {rows:>7} rows {took:>10.2f} s   AUC {auc:.4f} on {EXACT_TEST} rows", flush=True)
    power, start = np.polyfit(np.log(EXACT_ROWS), np.log(times), 1)
    guess = float(np.exp(start + power * np.log(count)))
    # Ours fits the plane six times: one is a sixth at least, since the landmarks' places are made once.
    ours = kept["nystroem fit"]["ours"]
    kept["SVC fit, extrapolated"] = {"rows": count, "power": power, "theirs": guess, "theirs/ours": guess / ours}
    print(f"  {count:>7} rows {guess:>10.0f} s   extrapolated, not measured: time grows with the power {power:.2f} of the rows;")
    print(f"          our landmarks took {ours:.2f} s with six fits, the sigmoid's among them: {guess / ours:.0f} times less")


def peak_of(work):
    """Outcome, CPU seconds and the peak of this process's memory in GiB."""
    Path("/proc/self/clear_refs").write_text("5")
    made, took = timed(work)
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return made, took, int(found.group(1)) / 2**20


def large(folder, results, report):
    own = json.loads((folder / "large.json").read_text())
    count, test_count, columns = own.pop("rows")
    table = np.fromfile(folder / "rows-large.f32", dtype="<f4").reshape(-1, columns + 1)
    rows, labels = np.ascontiguousarray(table[:count, :-1]), table[:count, -1].astype(np.int8)
    test, truth = np.ascontiguousarray(table[count:, :-1]), table[count:, -1].astype(np.int8)
    del table
    theirs = {}
    booster = xgboost.XGBClassifier(
        n_estimators=LARGE_TREES, max_depth=6, learning_rate=0.05, max_bin=256, tree_method="hist", n_jobs=1
    )
    _, took, peak = peak_of(lambda: booster.fit(rows, labels))
    theirs["booster fit"] = took, roc_auc_score(truth, booster.predict_proba(test)[:, 1]), peak
    print("  xgboost", theirs["booster fit"], flush=True)
    means, took, peak = peak_of(lambda: KMeans(CENTRES, n_init=1, random_state=1).fit(rows))
    theirs["k-means fit"] = took, float(means.inertia_), peak
    print("  KMeans", theirs["k-means fit"], flush=True)
    forest = RandomForestClassifier(
        n_estimators=LARGE_FOREST_TREES, min_samples_leaf=3, max_samples=LARGE_SUBSAMPLE, random_state=1, n_jobs=1
    )
    _, took, peak = peak_of(lambda: forest.fit(rows, labels))
    theirs["forest fit"] = took, roc_auc_score(truth, forest.predict_proba(test)[:, 1]), peak
    print(f"\n{count} rows to train, {test_count} to test, {columns} numbers; peaks of the processes, rows included")
    print(f"{'task':<14}{'ours CPU s':>12}{'theirs':>10}{'ratio':>8}{'ours GiB':>10}{'theirs':>8}{'quality ours':>16}{'theirs':>16}")
    kept = report["sizes"][str(count)] = {}
    for name, (seconds, quality, peak) in own.items():
        other, their_quality, their_peak = theirs[name]
        kept[name] = {"ours": seconds, "theirs": other, "ratio": seconds / other, "quality": quality, "their_quality": their_quality,
                      "peak_gib": peak, "their_peak_gib": their_peak}
        print(f"{name:<14}{seconds:>12.2f}{other:>10.2f}{seconds / other:>8.3f}{peak:>10.2f}{their_peak:>8.2f}{quality:>16.4f}{their_quality:>16.4f}")
    keep(results, report, "-large")


def keep(results, report, suffix=""):
    results.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9]+", "-", report["machine"]).strip("-").lower()
    (results / f"{report['date'][:10]}-{name}{suffix}.json").write_text(json.dumps(report, indent=1) + "\n")


def machine_model():
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else os.uname().machine


def main(folder, results, is_large):
    versions = f"xgboost {xgboost.__version__}, scikit-learn {sklearn_version}, numpy {np.__version__}"
    now = datetime.datetime.now(datetime.timezone.utc)
    report = {"date": now.isoformat(timespec="seconds"), "machine": machine_model(), "cores": os.cpu_count(), "load": os.getloadavg()[0],
              "peers": versions, "unit": "CPU seconds, one thread", "sizes": {}}
    print(f"one thread; {versions}; {report['machine']}; load {report['load']:.1f}")
    if is_large:
        return large(folder, results, report)
    ours = json.loads((folder / "ours.json").read_text())
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
        if count > SMALL:
            scaler = StandardScaler().fit(rows[:count])
            near, far = scaler.transform(rows[:count]), scaler.transform(rows[count:])
            exact(count, near, labels[:count], far, labels[count:], kept)
    print("\nquality: ROC AUC on the rows to test, for k-means the sum of squared distances")
    keep(results, report)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), "large" in sys.argv[3:])
