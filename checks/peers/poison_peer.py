"""Holds what we see of poisoned deliveries against what other people's detectors see of the same ones (T1).

    cargo run -p poison --example make_cases -- CASES
    cargo run -p screen --example screen_table -- --json OURS      # or `poison_table` of poison, for the row tests alone
    python poison_peer.py CASES OURS [WORD...]   # in an environment with numpy, pandas, scikit-learn, pyod, cleanlab, xgboost

Peers, all fitted on the trusted half: PyOD's IsolationForest, ECOD, LOF and kNN on standardised numbers and levels as 0 and 1, the
label among them; cleanlab's label quality under XGBoost's chances; and a classifier that tells the delivery from the history out of
fold (C2ST, XGBoost). Judged are rows, by the area under the ROC curve of touched rows against the others of their delivery, and
deliveries, by the part with an alarm where 1 in 100 honest ones of the same size has one: a peer's alarm is the larger of two counts
(rows beyond the 99th percentile of honest rows; mean score), each with the limit that honest deliveries set, whichever serves it
better for the class. OURS is a file of JSON lines {dataset, class, share, seed, auroc, alarm, verdict}. WORDs choose data sets or classes.

Prints a line per data set and class: ours, the best peer, who it is. Fails where ours is below the best peer by more than the noise of
the runs (two standard errors of both sides, and a hundredth) and does not stand in KNOWN; and where ours alarms at honest deliveries
more often than it may.
"""

import json
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

# One honest delivery in a hundred may alarm; so many set the limit.
FALSE_ALARMS = 0.01
HONEST = 200
# The classifier is trained anew for each delivery.
HONEST_C2ST = 60
# Trusted rows that neighbours are looked for among.
NEIGHBOUR_ROWS = 5_000
LEVELS_MAX = 50
SEED = 20261122
SLACK = 0.01
# Where ours is known to be short on `telco` and `mlc_churn`: said at the end, and no failure. This list may only shrink. One score of
# a row for all kinds of poison ranks turned labels and patterns behind what looks at labels alone, or at the delivery itself.
KNOWN = {
    "rows": {"flip-random", "flip-boundary", "flip-segment", "backdoor-dirty", "backdoor-clean"},
    "alarms": {"flip-random", "flip-boundary", "flip-segment"},
}


def read(path):
    return pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)


class Encoding:
    """Numbers standardised by the history, medians for missing ones, frequent levels as 0 and 1; identifier and time are left out."""

    def __init__(self, history, roles):
        self.label, self.columns = roles["label"], []
        for name in history.columns:
            if name in (roles["id"], roles["time"]):
                continue
            column = history[name]
            if pd.api.types.is_numeric_dtype(column):
                self.columns.append((name, (column.median(), column.mean(), column.std() or 1.0)))
            else:
                self.columns.append((name, list(column.value_counts().index[:LEVELS_MAX])))
        words = history[self.label].astype(str).str.lower()
        self.positive = next((word for word in ("1", "yes", "true", "y") if (words == word).any()), words.value_counts().index[-1])

    def rows(self, table, label=True):
        out = []
        for name, what in self.columns:
            if name == self.label and not label:
                continue
            if isinstance(what, tuple):
                median, mean, deviation = what
                number = pd.to_numeric(table[name], errors="coerce").replace([np.inf, -np.inf], np.nan).fillna(median)
                out.append(((number - mean) / deviation).to_numpy(float))
            else:
                text = table[name].astype(str).to_numpy()
                out += [(text == str(level)).astype(float) for level in what]
        return np.column_stack(out)

    def labels(self, table):
        return (table[self.label].astype(str).str.lower() == self.positive).to_numpy(int)


def booster(seed, trees=100, depth=3):
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=trees, max_depth=depth, learning_rate=0.1, subsample=0.9, colsample_bytree=0.8, n_jobs=1, max_bin=64, random_state=seed
    )


class Peers:
    """Row scores of each peer, larger for stranger rows."""

    def __init__(self, history, encoding):
        from pyod.models.ecod import ECOD
        from pyod.models.iforest import IForest
        from pyod.models.knn import KNN
        from pyod.models.lof import LOF

        self.encoding, self.random = encoding, np.random.RandomState(SEED)
        rows = encoding.rows(history)
        few = rows[self.random.permutation(len(rows))[:NEIGHBOUR_ROWS]]
        self.detectors = {
            "iforest": IForest(n_estimators=200, random_state=SEED).fit(rows),
            "ecod": ECOD().fit(few),
            "lof": LOF(n_neighbors=20, novelty=True).fit(few),
            "knn": KNN(n_neighbors=10, method="mean").fit(few),
        }
        self.chances = booster(SEED).fit(encoding.rows(history, label=False), encoding.labels(history))
        self.history = rows

    def scores(self, batch):
        from cleanlab.rank import get_label_quality_scores

        rows = self.encoding.rows(batch)
        out = {name: detector.decision_function(rows) for name, detector in self.detectors.items()}
        chances = self.chances.predict_proba(self.encoding.rows(batch, label=False))
        labels = self.encoding.labels(batch)
        out["cleanlab"] = -get_label_quality_scores(labels, chances, method="self_confidence")
        return out

    def c2st(self, batch, seed):
        """Chances of each row to be of the delivery, out of fold, against as many rows of the history; and their AUC."""
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold

        random = np.random.RandomState(seed)
        rows = self.encoding.rows(batch)
        known = self.history[random.permutation(len(self.history))[: len(rows)]]
        both, which = np.vstack([known, rows]), np.repeat([0, 1], [len(known), len(rows)])
        chances = np.zeros(len(both))
        for train, test in StratifiedKFold(3, shuffle=True, random_state=seed).split(both, which):
            chances[test] = booster(seed, 40).fit(both[train], which[train]).predict_proba(both[test])[:, 1]
        return chances[len(known) :], roc_auc_score(which, chances)


class Alarms:
    """Limits that honest deliveries set."""

    def __init__(self, peers, pool, rows):
        random = np.random.RandomState(SEED + 1)
        self.peers, self.honest = peers, peers.scores(pool)
        self.edges = {name: np.quantile(scores, 0.99) for name, scores in self.honest.items()}
        draws = [random.permutation(len(pool))[:rows] for _ in range(HONEST)]
        known = defaultdict(list)
        for draw in draws:
            for key, value in self.counts({name: scores[draw] for name, scores in self.honest.items()}).items():
                known[key].append(value)
        for at, draw in enumerate(draws[:HONEST_C2ST]):
            known["c2st", "auc"].append(peers.c2st(pool.iloc[draw], at)[1])
        self.limits = {key: np.quantile(values, 1 - FALSE_ALARMS, method="higher") for key, values in known.items()}

    def counts(self, scores):
        out = {}
        for name, values in scores.items():
            out[name, "beyond"] = (values > self.edges[name]).mean()
            out[name, "mean"] = values.mean()
        return out

    def judge(self, batch, pool_rows, touched, seed):
        """Row scores by peer, and alarms by peer and count. Rows that nobody touched are those of the pool, scored before."""
        scores = {name: values[pool_rows] for name, values in self.honest.items()}
        if touched:
            for name, values in self.peers.scores(batch.iloc[touched]).items():
                scores[name][touched] = values
        counts = self.counts(scores)
        scores["c2st"], counts["c2st", "auc"] = self.peers.c2st(batch, 10_000 + seed)
        return scores, {key: value > self.limits[key] for key, value in counts.items()}


def auroc(scores, touched):
    bad = np.zeros(len(scores), bool)
    bad[touched] = True
    ranks = pd.Series(scores).rank().to_numpy()
    pairs = bad.sum() * (~bad).sum()
    return (ranks[bad].sum() - bad.sum() * (bad.sum() + 1) / 2) / pairs if pairs else np.nan


def judged(folder, chosen):
    """Figures of peers: {(class, share): {"rows": {peer: [..]}, "alarms": {(peer, count): [..]}}}."""
    roles = json.loads((folder / "roles.json").read_text())
    made = {}
    out = defaultdict(lambda: {"rows": defaultdict(list), "alarms": defaultdict(list)})
    for path in sorted(folder.glob("*/*/truth.json")):
        case = json.loads(path.read_text())
        if chosen and case["class"] not in chosen:
            continue
        home = path.parent.parent if (path.parent.parent / "history.csv").exists() else folder
        # Files whose columns or bytes are broken are no matter of rows.
        touched = case["truth"].get("rows")
        if touched is None and case["truth"]["hostile"] != "nothing":
            continue
        batch = read(path.parent / "batch.csv") if case["class"] not in BYTES else None
        if batch is None:
            continue
        if home not in made:
            history = read(home / "history.csv")
            encoding = Encoding(history, roles)
            made[home] = Alarms(Peers(history, encoding), read(home / "pool.csv"), len(batch))
        scores, alarms = made[home].judge(batch, case["pool_rows"], touched, case["seed"])
        figures = out[case["class"], case["share"]]
        for peer, values in scores.items():
            if touched:
                figures["rows"][peer].append(auroc(values, touched))
        for key, alarm in alarms.items():
            figures["alarms"][key].append(alarm)
    return out


BYTES = {"conflict-marks", "broken-quotes", "nul-bytes", "invalid-utf8", "truncated", "embedded-newlines"}


def mean(values):
    """Mean and standard error; of alarms, the error of a share of so few."""
    values = np.asarray(values, float)
    if not len(values):
        return np.nan, 0.0
    if set(values) <= {0.0, 1.0}:
        # Agresti and Coull (1998): two successes and two failures more, so that none of six has an error too.
        share = (values.sum() + 2) / (len(values) + 4)
        return values.mean(), np.sqrt(share * (1 - share) / (len(values) + 4))
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0


def best(figures):
    """Name, mean and error of the peer with the largest mean."""
    ranked = [(*mean(values), name if isinstance(name, str) else name[0]) for name, values in figures.items()]
    value, error, name = max(ranked, key=lambda one: one[0]) if ranked else (np.nan, 0.0, "-")
    return value, error, name if value > 0 else "-"


def ours(path):
    out = defaultdict(lambda: {"rows": [], "alarms": []})
    for line in Path(path).read_text().splitlines():
        case = json.loads(line)
        figures = out[case["dataset"], case["class"], case["share"]]
        # A later delivery may differ from history honestly: people may be asked, but it may not be refused.
        seen = case["verdict"] == "refuse" if case["class"] == "control-later" else case["alarm"]
        figures["alarms"].append(bool(seen))
        if case.get("auroc") is not None:
            figures["rows"].append(case["auroc"])
    return out


def compare(name, cls, share, figures, own):
    """Prints a line; the figures that are short of the best peer."""
    short, cells = [], []
    for what, peers in (("rows", figures["rows"]), ("alarms", figures["alarms"])):
        theirs, error, who = best(peers)
        mine, own_error = mean(own[what])
        bad = mine < theirs - 2 * np.hypot(error, own_error) - SLACK
        if cls.startswith("control"):
            # Nothing is to be seen there, and who alarms at everything sees everything.
            bad = what == "alarms" and mine > FALSE_ALARMS + 2 * own_error
            who, theirs = "limit", FALSE_ALARMS
        known = cls in KNOWN[what]
        short += [(known, f"{name} {cls} {share}: {what} {mine:.3f}, {who} {theirs:.3f}")] if bad else []
        cells.append(f"{mine:>6.3f} {theirs:>6.3f} {who:<9}{('known' if known else 'short') if bad else '':<6}")
    print(f"{name:<15} {cls:<25} {share:>5}  " + " ".join(cells), flush=True)
    return short


def main():
    cases, chosen = Path(sys.argv[1]), set(sys.argv[3:])
    folders = sorted(path.parent for path in cases.glob("*/roles.json"))
    if not folders:
        print("poison_peer: no public data, nothing was judged")
        return
    wanted = [folder for folder in folders if folder.name in chosen] or folders
    chosen -= {folder.name for folder in folders}
    own = ours(sys.argv[2])
    print(f"{'data set':<15} {'class':<25} {'share':>5}  rows: ours, best peer         alarms: ours, best peer")
    short, lines, missing = [], 0, 0
    for folder in wanted:
        for (cls, share), figures in sorted(judged(folder, chosen).items()):
            key = (folder.name, cls, share)
            missing += key not in own
            if key in own:
                short += compare(*key, figures, own[key])
                lines += 1
    print(*(("known: " if known else "SHORT: ") + line for known, line in short), sep="\n")
    new = sum(not known for known, _ in short)
    assert not missing, f"{missing} kinds of cases have no figures of ours"
    assert not new, f"poison_peer: {new} figures of {2 * lines} are short of the best peer, and {len(short) - new} known ones"
    print(f"poison_peer: of {2 * lines} figures of poison, {len(short)} known ones are short of the best peer and no other")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
