"""Holds our learning against its originals: XGBoost must answer our booster.json bit for bit, scikit-learn must agree with our
metrics, support vector machine, K-Means and, within noise, with the quality of every member.

    cargo run -p learn --example export_for_peers -- OUTDIR
    python learn_peer.py OUTDIR        # in an environment with numpy, scikit-learn and xgboost (or xgboost-cpu)

Installs nothing. Leaves with a failed assertion on the first difference.
"""

import csv
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
    silhouette_score,
)
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# Metrics are sums of the same terms; only the order of addition differs.
METRIC_TOLERANCE = 1e-9
# Quality on 4,000 rows has a standard error of about 0.008; the same members on the same rows differ far less.
AUC_TOLERANCE = 0.01
# Both solvers stop at a violation of 1e-3; decision values then agree to a small multiple of it.
DECISION_TOLERANCE = 1e-2


def read(path):
    """Header and rows of numbers; empty cells are missing."""
    with open(path, newline="") as lines:
        header, *rows = list(csv.reader(lines))
    return header, np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])


def check_margins(folder, test, scores):
    booster = xgboost.Booster()
    booster.load_model(folder / "booster.json")
    theirs = booster.inplace_predict(test.astype(np.float32), predict_type="margin", missing=np.nan).astype(np.float32)
    ours = scores[:, 0].astype(np.uint32).view(np.float32)
    differing = int((theirs.view(np.uint32) != ours.view(np.uint32)).sum())
    assert differing == 0, f"{differing} of {len(ours)} margins differ"
    by_matrix = booster.predict(xgboost.DMatrix(test, missing=np.nan), output_margin=True)
    assert (by_matrix.view(np.uint32) == ours.view(np.uint32)).all()
    print(f"margins: {len(ours)} of {len(ours)} equal bit for bit to xgboost {xgboost.__version__}")


def check_metrics(facts, scores, labels):
    for at, member in enumerate(["booster", "svm", "forest", "vote"]):
        own = scores[:, 2 + at]
        theirs = [
            roc_auc_score(labels, own),
            average_precision_score(labels, own),
            log_loss(labels, own),
            brier_score_loss(labels, own),
            accuracy_score(labels, own >= 0.5),
        ]
        worst = np.abs(np.array(theirs) - facts[member]).max()
        assert worst <= METRIC_TOLERANCE, f"{member}: {theirs} against {facts[member]}"
        print(f"metrics of {member}: largest difference {worst:.1e}")


def check_members(facts, train, train_labels, test, labels, scores):
    imputer = SimpleImputer(strategy="median").fit(train)
    filled, filled_test = imputer.transform(train), imputer.transform(test)
    scaler = StandardScaler().fit(filled)
    scaled, scaled_test = scaler.transform(filled), scaler.transform(filled_test)
    machine = SVC(C=1.0, gamma="scale").fit(scaled, train_labels)
    gap = np.abs(machine.decision_function(scaled_test) - scores[:, 1]).max()
    assert gap <= DECISION_TOLERANCE, f"decision values differ by {gap}"
    print(f"support vector machine: decision values differ by at most {gap:.1e}")
    booster = xgboost.XGBClassifier(
        n_estimators=300, max_depth=4, learning_rate=0.05, subsample=0.9, colsample_bytree=0.8, tree_method="hist", n_jobs=2
    ).fit(train, train_labels)
    forest = RandomForestClassifier(n_estimators=300, min_samples_leaf=3, random_state=1, n_jobs=2).fit(filled, train_labels)
    calibrated = CalibratedClassifierCV(SVC(C=1.0, gamma="scale"), method="sigmoid", cv=5, ensemble=False)
    theirs = {
        "booster": booster.predict_proba(test)[:, 1],
        "svm": calibrated.fit(scaled, train_labels).predict_proba(scaled_test)[:, 1],
        "forest": forest.predict_proba(filled_test)[:, 1],
    }
    theirs["vote"] = (theirs["booster"] + theirs["svm"] + theirs["forest"]) / 3
    for member, chances in theirs.items():
        auc, loss = roc_auc_score(labels, chances), log_loss(labels, chances)
        print(f"{member}: AUC {facts[member][0]:.4f}, theirs {auc:.4f}; log loss {facts[member][2]:.4f}, theirs {loss:.4f}")
        assert abs(auc - facts[member][0]) <= AUC_TOLERANCE, member
        assert abs(loss - facts[member][2]) <= AUC_TOLERANCE, member


def check_segments(folder, facts):
    _, rows = read(folder / "points.csv")
    points, four, three = rows[:, :3], rows[:, 3].astype(int), rows[:, 4].astype(int)
    # Our distances are kept in 32 bits.
    assert abs(silhouette_score(points, four) - facts["silhouette"]) <= 1e-6
    assert abs(adjusted_rand_score(four, three) - facts["rand"]) <= METRIC_TOLERANCE
    inertia = KMeans(4, n_init=10, random_state=1).fit(points).inertia_
    assert facts["inertia"] <= inertia * 1.001, f"{facts['inertia']} against {inertia}"
    print(f"segments: silhouette and adjusted Rand index agree; inertia {facts['inertia']:.2f}, theirs {inertia:.2f}")


def main():
    folder = Path(sys.argv[1])
    facts = json.loads((folder / "facts.json").read_text())
    _, train = read(folder / "train.csv")
    _, test = read(folder / "test.csv")
    _, scores = read(folder / "scores.csv")
    labels = test[:, -1].astype(int)
    check_margins(folder, test[:, :-1], scores)
    check_metrics(facts, scores, labels)
    check_members(facts, train[:, :-1], train[:, -1].astype(int), test[:, :-1], labels, scores)
    check_segments(folder, facts)
    print({name: value for name, value in facts.items() if name.endswith("seconds")})
    print("learn_peer: all agree")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
