"""The other half of checks/bench: the same rows, the same settings, one thread; prints both halves and their ratio (T5).

usage: peer.py FOLDER, with FOLDER written by our half. Needs numpy, scikit-learn and xgboost (or xgboost-cpu).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import xgboost
from sklearn import __version__ as sklearn_version
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

CENTRES = 8
STARTS = 10
REPEATS = 10


def timed(work):
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


def predicted(model, rows):
    def work():
        for _ in range(REPEATS):
            chances = model.predict_proba(rows)[:, 1]
        return chances

    chances, took = timed(work)
    return chances, took / REPEATS


def main(folder):
    ours = json.loads((folder / "ours.json").read_text())
    count = ours.pop("rows")
    table = np.loadtxt(folder / "rows.csv", delimiter=",")
    rows, labels = table[:, :-1].astype(np.float32), table[:, -1].astype(int)
    train, known, test, truth = rows[:count], labels[:count], rows[count:], labels[count:]
    scaler = StandardScaler().fit(train)
    near, far = scaler.transform(train), scaler.transform(test)
    booster = xgboost.XGBClassifier(
        n_estimators=300, max_depth=4, learning_rate=0.05, subsample=0.9, colsample_bytree=0.8, max_bin=256, tree_method="hist", n_jobs=1
    )
    forest = RandomForestClassifier(n_estimators=300, min_samples_leaf=3, random_state=1, n_jobs=1)
    # Ours fits the sigmoid on held-out folds, too.
    svm = CalibratedClassifierCV(SVC(C=1.0, gamma="scale", cache_size=2_000), method="sigmoid", cv=5, ensemble=False)
    theirs = {}
    for name, model, own, other in [("booster", booster, train, test), ("forest", forest, train, test), ("svm", svm, near, far)]:
        _, fit = timed(lambda: model.fit(own, known))
        chances, predict = predicted(model, other)
        theirs[f"{name} fit"] = fit, roc_auc_score(truth, chances)
        theirs[f"{name} predict"] = predict, roc_auc_score(truth, chances)
    means, took = timed(lambda: KMeans(CENTRES, n_init=STARTS, random_state=1).fit(near))
    theirs["k-means fit"] = took, means.inertia_
    print(f"{count} rows to train, {count} to test, {rows.shape[1]} numbers; one thread; xgboost {xgboost.__version__}, scikit-learn {sklearn_version}")
    print(f"{'task':<18}{'ours CPU s':>12}{'theirs CPU s':>14}{'ours/theirs':>13}{'quality ours':>15} {'theirs':>12}")
    for name, (seconds, quality) in ours.items():
        other, their_quality = theirs[name]
        ratio = f"{seconds / other:.2f}" if seconds >= 0.02 and other > 0 else "too short"
        print(f"{name:<18}{seconds:>12.3f}{other:>14.3f}{ratio:>13}{quality:>15.4f} {their_quality:>12.4f}")
    print("quality: ROC AUC on the rows to test, for k-means the sum of squared distances")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
