"""Holds our ranking of suspicious labels against cleanlab's, on the very same turned labels of public churn data (T6).

    cargo build -p labelnoise --example label_table
    python labels_peer.py target/debug/examples/label_table WORK [DATA]

DATA, or $STAYWARD_DATA, is the folder of the public data. Our program turns labels around, in three ways and for five seeds, and writes
which rows, its own ranking and its own out-of-fold chances. cleanlab ranks the same labels three times: by XGBoost's chances out of
five folds (its authors' advice), by our chances, and by ours adjusted to the classes (`adjust_pred_probs`). P@k is the share of turned
labels among the first k rows, k being their number. By the mean over seeds ours must not be below the first and the last in any case,
nor by more than one label in a hundred below the second, which has our own chances and is best where labels are wrong at random.
"""

import csv
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import xgboost
from cleanlab.rank import get_label_quality_scores
from sklearn.model_selection import StratifiedKFold, cross_val_predict

# name of our export, file, label, positive level, columns left out
SETS = {
    "telco": ("telco_ibm.csv", "Churn", "Yes", ["customerID"]),
    "mlc": ("mlc_churn.csv", "churn", "yes", []),
}
WAYS = ["random", "hidden", "invented"]
SEEDS = range(5)
# Deviation of a mean of five such shares.
TIE = 0.01


def encoded(path, label, left_out):
    """Numbers as they are, levels as 0 and 1."""
    with open(path, newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = []
    for name in rows[0]:
        if name == label or name in left_out:
            continue
        cells = [row[name].strip() for row in rows]
        try:
            columns.append(np.array([float(cell) if cell else np.nan for cell in cells]))
        except ValueError:
            columns += [np.array([float(cell == level) for cell in cells]) for level in sorted(set(cells))]
    return np.column_stack(columns), rows


def found(scores, turned):
    """P@k of a ranking whose lowest scores are the most suspicious."""
    first = np.argsort(scores, kind="stable")[: int(turned.sum())]
    return float(turned[first].mean())


def pair(chances):
    return np.column_stack([1.0 - chances, chances])


def main():
    program, work = sys.argv[1], Path(sys.argv[2])
    data = Path(sys.argv[3] if len(sys.argv) > 3 else os.environ["STAYWARD_DATA"])
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([program, "--export", str(work)], check=True, env={**os.environ, "STAYWARD_DATA": str(data)})
    print(f"{'set':6} {'turned':9} {'ours':>6} {'cleanlab':>9} {'on ours':>8} {'adjusted':>9}")
    below = []
    for name, (file, label, positive, left_out) in SETS.items():
        values, rows = encoded(data / file, label, left_out)
        truth = np.array([row[label].strip() == positive for row in rows])
        for way in WAYS:
            figures = defaultdict(list)
            for seed in SEEDS:
                with open(work / f"{name}-{way}-{seed}.csv", newline="") as lines:
                    ours = list(csv.DictReader(lines))
                labels = np.array([row["label"] == "1" for row in ours])
                turned = labels != truth
                assert turned.sum() == round(0.05 * len(truth)), "five of a hundred labels are turned around"
                chances = np.array([float(row["chance"]) for row in ours])
                judge = xgboost.XGBClassifier(
                    n_estimators=300, max_depth=4, learning_rate=0.05, subsample=0.9, colsample_bytree=0.8, n_jobs=1, random_state=seed
                )
                folds = StratifiedKFold(5, shuffle=True, random_state=seed)
                theirs = cross_val_predict(judge, values, labels.astype(int), cv=folds, method="predict_proba")
                given = labels.astype(int)
                figures["ours"].append(found(np.array([float(row["rank"]) for row in ours]), turned))
                figures["cleanlab"].append(found(get_label_quality_scores(given, theirs), turned))
                figures["on ours"].append(found(get_label_quality_scores(given, pair(chances)), turned))
                adjusted = get_label_quality_scores(given, pair(chances), adjust_pred_probs=True)
                figures["adjusted"].append(found(adjusted, turned))
            mean = {ranking: float(np.mean(values)) for ranking, values in figures.items()}
            print(
                f"{name:6} {way:9} {mean['ours']:6.3f} {mean['cleanlab']:9.3f} {mean['on ours']:8.3f} {mean['adjusted']:9.3f}"
            )
            if mean["ours"] < max(mean["cleanlab"], mean["adjusted"], mean["on ours"] - TIE):
                below.append(f"{name} {way}")
    assert not below, f"cleanlab ranks better: {below}"
    print(f"{len(SETS) * len(WAYS)} cases of {len(SEEDS)} seeds: our ranking is nowhere below cleanlab's")


main()
