"""Holds our certificates against Veritas, which searches the same trees for the same attack, and our attacks against XGBoost itself.

    cargo build -p evade --example certify_for_peers
    python certificate_peer.py target/debug/examples/certify_for_peers WORK [DATA]

Models of 80 trees of depth 4, numeric columns scaled to 0..1, which alone an attacker may move, each by at most the radius. DATA, or
$STAYWARD_DATA, is a folder with public churn data; without it only made-up data is judged. Both sides use one thread and are timed
per row: ours with the making of the box, theirs without Python's part, with and without pruning first, whichever is faster for them.
"""

import csv
import gzip
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import veritas
import xgboost
from sklearn.datasets import make_classification
from veritas import Config, HeuristicType, Interval

RADII = [0.02, 0.05, 0.1]
# Rows of one data set; with three radii each the whole comes to about ten thousand verdicts.
ROWS = 500
SECONDS_MAX = 20.0
# Veritas adds leaves in 64 bits, XGBoost in 32: best sums nearer to the threshold than this are decided by rounding.
ROUNDING = 1e-4
# file, label, positive level, columns left out
SETS = [
    ("telco_ibm.csv", "Churn", "Yes", ["customerID"]),
    ("mlc_churn.csv", "churn", "yes", []),
    ("iranian_churn.csv", "Churn", "1", []),
    ("online_shoppers.csv.gz", "Revenue", "1", []),
    ("bank_marketing_macro.csv.gz", "y", "yes", ["duration"]),
]


def number(cell):
    try:
        return float(cell) if cell.strip() else np.nan
    except ValueError:
        return None


def table(path, label, positive, left_out):
    """Encoded columns, which of them are numbers, and labels."""
    opened = gzip.open(path, "rt", newline="") if path.suffix == ".gz" else open(path, newline="")
    with opened as lines:
        rows = list(csv.DictReader(lines))
    labels = np.array([row[label].strip().lower() == positive.lower() for row in rows])
    columns, moves = [], []
    for name in rows[0]:
        if name == label or name in left_out or not name:
            continue
        cells = [row[name] for row in rows]
        numbers = [number(cell) for cell in cells]
        if None not in numbers and len(set(cells)) > 2:
            columns.append(np.array(numbers))
            moves.append(True)
        else:
            for level in sorted(set(cells))[:64]:
                columns.append(np.array([float(cell == level) for cell in cells]))
                moves.append(False)
    return np.column_stack(columns), np.array(moves), labels


def made_up(seed):
    values, labels = make_classification(
        4000, 16, n_informative=10, n_redundant=4, weights=[0.75], class_sep=0.7, flip_y=0.03, random_state=seed
    )
    return values, np.ones(16, dtype=bool), labels == 1


def sets(folder):
    yield "made-up 1", made_up(1)
    yield "made-up 2", made_up(2)
    for file, *rest in SETS:
        if folder and (folder / file).exists():
            yield file.split(".")[0], table(folder / file, *rest)


def box_around(row, moves, radius):
    """The 32-bit values that are at most the radius away. XGBoost reads 32 bits: what only 64-bit values reach is out of reach."""
    ends = []
    for side in (-1.0, 1.0):
        end = np.where(moves, row.astype(np.float64) + side * radius, row).astype(np.float32)
        end = np.nextafter(end, np.float32(side * np.inf))
        for _ in range(3):
            far = np.abs(end.astype(np.float64) - row.astype(np.float64)) > np.where(moves, radius, 0.0)
            end = np.where(far, np.nextafter(end, row), end)
        ends.append(end.astype(np.float64))
    # Their intervals leave the upper end out.
    return [Interval(low, high) for low, high in zip(ends[0], np.nextafter(ends[1], np.inf))]


def theirs(addtree, negated, box, positive, prune):
    """Whether Veritas finds the other answer, its best bound, and seconds."""
    trees = negated if positive else addtree
    config = Config(HeuristicType.MAX_OUTPUT)
    config.stop_when_num_solutions_exceeds = 1
    config.ignore_state_when_worse_than = 0.0
    config.stop_when_optimal = True
    start = time.perf_counter()
    search = config.get_search(trees.prune(box) if prune else trees, box)
    reason = search.step_for(SECONDS_MAX, 100)
    took = time.perf_counter() - start
    outputs = [search.get_solution(at).output for at in range(search.num_solutions())]
    bounds = search.current_bounds()
    best = max(outputs, default=-np.inf)
    if positive:
        return best > 0.0, best if outputs else bounds.best, took, reason
    return best >= 0.0, best if outputs else bounds.best, took, reason


def judge(name, program, work, values, moves, labels):
    """Agreements, differences by rounding, unknowns, and seconds of both sides."""
    assert 0.02 < labels.mean() < 0.98, f"{name}: {labels.mean()} of the labels are positive"
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    values = ((values - low) / np.where(high > low, high - low, 1.0)).astype(np.float32)
    order = np.random.default_rng(7).permutation(len(values))
    train, test = order[: len(order) * 4 // 5], order[len(order) * 4 // 5 :]
    test = test[~np.isnan(values[test]).any(axis=1)][:ROWS]
    weight = float((~labels[train]).sum() / max(labels[train].sum(), 1))
    model = xgboost.XGBClassifier(
        n_estimators=80, max_depth=4, learning_rate=0.1, scale_pos_weight=weight, base_score=0.5, tree_method="hist", n_jobs=1
    ).fit(values[train], labels[train])
    booster = model.get_booster()
    slug = name.replace(" ", "-")
    booster.save_model(work / f"{slug}.json")
    rows = values[test]
    with open(work / f"{slug}.csv", "w") as lines:
        lines.write(",".join("1" if moved else "0" for moved in moves) + "\n")
        lines.writelines(",".join(repr(float(value)) for value in row) + "\n" for row in rows)
    out = work / f"{slug}.out"
    subprocess.run([program, work / f"{slug}.json", work / f"{slug}.csv", out, *map(str, RADII)], check=True)
    ours = [line.rstrip("\n").split(",") for line in open(out)]
    assert len(ours) == len(rows) * len(RADII)

    # Our attacks are XGBoost's own mistakes, inside the box.
    broken = [(float(line[0]), int(line[1]), np.array(line[7:], dtype=np.float32)) for line in ours if line[2] == "broken"]
    margins = booster.predict(xgboost.DMatrix(rows), output_margin=True)
    if broken:
        moved = booster.predict(xgboost.DMatrix(np.array([row for _, _, row in broken])), output_margin=True)
        for (radius, at, row), margin in zip(broken, moved):
            assert (margin >= 0) != (margins[at] >= 0), f"{name}, row {at}: the example does not flip"
            gap = np.abs(row.astype(np.float64) - rows[at].astype(np.float64))
            assert (gap <= radius * moves).all(), f"{name}, row {at}: the example lies outside of the box"

    addtree = veritas.get_addtree(booster, silent=True)
    negated = addtree.negate_leaf_values()
    found = {"same": 0, "rounding": 0, "unknown": 0, "undecided there": 0, "broken": len(broken)}
    times = {prune: [] for prune in (False, True)}
    own = []
    for line in ours:
        radius, at, verdict = float(line[0]), int(line[1]), line[2]
        own.append(int(line[6]) / 1e9)
        box = box_around(rows[at], moves, radius)
        for prune in times:
            flips, bound, took, reason = theirs(addtree, negated, box, margins[at] >= 0, prune)
            times[prune].append(took)
        undecided = not flips and bound > ROUNDING
        if verdict == "unknown":
            found["unknown"] += 1
        elif undecided:
            found["undecided there"] += 1
        elif (verdict == "broken") == flips:
            found["same"] += 1
        else:
            assert abs(bound) <= ROUNDING, f"{name}, row {at}, radius {radius}: we say {verdict}, Veritas {flips} at {bound} ({reason})"
            found["rounding"] += 1
    medians = [statistics.median(each) for each in times.values()]
    print(
        f"{name}: {len(ours)} verdicts {found}; median us a row: ours {statistics.median(own) * 1e6:.1f} (mean "
        f"{statistics.mean(own) * 1e6:.1f}, worst {max(own) * 1e6:.0f}), Veritas {medians[0] * 1e6:.1f}, pruned first "
        f"{medians[1] * 1e6:.1f} (means {statistics.mean(times[False]) * 1e6:.1f}, {statistics.mean(times[True]) * 1e6:.1f})",
        flush=True,
    )
    return found, own, times


def main():
    program, work = sys.argv[1], Path(sys.argv[2])
    given = sys.argv[3] if len(sys.argv) > 3 else os.environ.get("STAYWARD_DATA", "")
    folder = Path(given) if given else None
    if folder is None or not folder.is_dir():
        print("no public data: only made-up data is judged")
    work.mkdir(parents=True, exist_ok=True)
    total, own, their = {}, [], {False: [], True: []}
    for name, (values, moves, labels) in sets(folder):
        found, mine, times = judge(name, program, work, values, moves, labels)
        for key, count in found.items():
            total[key] = total.get(key, 0) + count
        own += mine
        for prune in their:
            their[prune] += times[prune]
    assert total["unknown"] == 0, f"{total['unknown']} rows were not decided"
    assert total["same"] >= len(own) * 0.999, total
    ours, fastest = statistics.median(own) * 1e6, min(statistics.median(each) for each in their.values()) * 1e6
    assert ours <= fastest, f"{ours} microseconds a row, Veritas {fastest}"
    print(
        f"certificate_peer: {total['same']} of {len(own)} verdicts as Veritas's, {total['rounding']} decided by rounding, "
        f"{total['undecided there']} not decided by it; median microseconds a row: {ours:.1f}, Veritas {fastest:.1f}"
    )


if __name__ == "__main__":
    main()
