"""Says how far XGBoost's and scikit-learn's own figures move where a split by time leaves one fold, whose deviation nobody can read off:
with their seeds and draws, and with the rows that happen to be tested. `quality_table` holds ours against both (T5).

    python seeds_peer.py DATA SEEDS [PROGRAM]    # in an environment with numpy, scikit-learn and xgboost (or xgboost-cpu)

DATA is the folder of the public data. The protocol is that of `baselines.csv`: one-hot and medians of the training rows, columns in
the file's order, 8,000 rows drawn for the support vector machine, no tuning. Prints mean and deviation over the seeds 0, 1, .. and the
deviation over draws of the tested rows, as `quality_table` holds them. PROGRAM, where it is given, is `quality_table`: the means that
it holds must lie within three deviations of the mean of so few seeds. Installs nothing; leaves with a failed assertion.
"""

import csv
import gzip
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SVM_ROWS = 8_000
# Draws of tested rows: a deviation is then known to 5 of 100.
DRAWS = 200
# What our table holds is from at least so many seeds.
HELD_SEEDS = 5
METRICS = {
    "auc": roc_auc_score,
    "prauc": average_precision_score,
    "logloss": log_loss,
    "brier": brier_score_loss,
    "acc": lambda truth, chance: accuracy_score(truth, chance >= 0.5),
}


def read(path):
    with gzip.open(path, "rt", newline="") as lines:
        return list(csv.DictReader(lines))


def encoded(rows, train, drop):
    """Numbers as they are, levels of training rows as 0 and 1."""
    columns = []
    for name in rows[0]:
        if name in drop:
            continue
        cells = [row[name] for row in rows]
        try:
            columns.append(np.array([float(cell) if cell else np.nan for cell in cells]))
        except ValueError:
            known = sorted({cell for cell, trained in zip(cells, train, strict=True) if trained and cell})
            columns += [np.array([float(cell == level) for cell in cells]) for level in known]
    return np.column_stack(columns)


def bank(data):
    rows = read(data / "bank_marketing_macro.csv.gz")
    train = np.arange(len(rows)) < int(len(rows) * 0.8)
    return rows, np.array([row["y"] == "yes" for row in rows]), train, ~train, {"duration", "y"}


def retail(data):
    rows = read(data / "online_retail_snapshots.csv.gz")
    months = np.array([int(row["cutoff"][5:7]) for row in rows])
    truth = np.array([row["churn"] == "1" for row in rows])
    return rows, truth, months <= 6, months >= 9, {"CustomerID", "cutoff", "future_spend_90d", "churn"}


def members(raw, truth, train, test, seed):
    """Chances of the test rows, by member."""
    medians = np.nanmedian(raw[train], axis=0)
    filled = np.where(np.isnan(raw), medians, raw)
    scaler = StandardScaler().fit(filled[train])
    drawn = np.random.RandomState(seed).permutation(np.flatnonzero(train))[:SVM_ROWS]
    booster = xgboost.XGBClassifier(
        n_estimators=300, max_depth=4, learning_rate=0.05, subsample=0.9, colsample_bytree=0.8, random_state=seed, n_jobs=2
    ).fit(raw[train], truth[train])
    forest = RandomForestClassifier(n_estimators=300, min_samples_leaf=3, random_state=seed, n_jobs=2)
    machine = CalibratedClassifierCV(SVC(C=1.0, gamma="scale", cache_size=1_000), method="sigmoid", cv=5, ensemble=False)
    out = {
        "xgboost": booster.predict_proba(raw[test])[:, 1],
        "svc_rbf": machine.fit(scaler.transform(filled[drawn]), truth[drawn]).predict_proba(scaler.transform(filled[test]))[:, 1],
        "rforest": forest.fit(filled[train], truth[train]).predict_proba(filled[test])[:, 1],
    }
    return {**out, "soft_vote": sum(out.values()) / 3}


def over_rows(measure, truth, chances):
    """Deviation over draws of tested rows."""
    random = np.random.RandomState(1)
    draws = (random.randint(len(truth), size=len(truth)) for _ in range(DRAWS))
    return np.std([measure(truth[draw], chances[draw]) for draw in draws])


def held(program):
    """Mean and deviation over seeds as our program has them, by data, model and figure."""
    lines = subprocess.run([program, "--held"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {tuple(line.split()[:3]): [float(number) for number in line.split()[3:5]] for line in lines}


def main():
    data, seeds = Path(sys.argv[1]), int(sys.argv[2])
    ours = held(sys.argv[3]) if len(sys.argv) > 3 else {}
    judged = 0
    for name, case in [("retail_sep", retail), ("bank_mkt", bank)]:
        rows, truth, train, test, drop = case(data)
        raw = encoded(rows, train, drop)
        runs = [members(raw, truth, train, test, seed) for seed in range(seeds)]
        for model in runs[0]:
            for figure, measure in METRICS.items():
                values = np.array([measure(truth[test], run[model]) for run in runs])
                seed_sd = values.std(ddof=1) if seeds > 1 else 0.0
                row_sd = over_rows(measure, truth[test], runs[0][model])
                print(f'("{name}", "{model}", "{figure}", {values.mean():.5f}, {seed_sd:.5f}, {row_sd:.5f}),', flush=True)
                if ours:
                    mean, sd = ours[name, model, figure]
                    error = 3 * sd * (1 / seeds + 1 / HELD_SEEDS) ** 0.5 + 1e-5
                    assert abs(values.mean() - mean) <= error, f"{name} {model} {figure}: {mean} is held, {values.mean()} was seen"
                    judged += 1
    print(f"seeds_peer: {judged} of {judged} figures that we hold are those of {seeds} seeds")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
