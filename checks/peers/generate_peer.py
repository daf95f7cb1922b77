#!/usr/bin/env python3
"""Checks with another program's learner that the synthetic world is as hard as it promises (data for every other measurement).

Trains XGBoost on 50,000 rows of the snapshot joined with the feed's lowest competitor price, and asks for a cross-validated AUC
between target - 0.015 and target; then freezes a model and understates the competitors' prices.
Needs: pip install xgboost scikit-learn pandas.   Usage: generate_peer.py PATH/TO/examples/table [rows] [seed]"""
import io
import subprocess
import sys

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.metrics import roc_auc_score
from xgboost import XGBClassifier

PROFILES = {"telco-like": 0.854, "bank-like": 0.872, "noisy-retail": 0.752}
MONTH = 30
TOLERANCE = 0.015


def table(program, name, profile, rows, seed):
    """One table as a frame, from the example program's CSV."""
    done = subprocess.run([program, name, str(MONTH), str(rows), str(seed), profile], check=True, capture_output=True)
    return pd.read_csv(io.BytesIO(done.stdout))


def lowest_prices(feed, cutoff):
    """The lowest valid price per region in the last week that ended by the cutoff."""
    ended = pd.to_datetime(feed.week_start) + pd.Timedelta(days=6) <= pd.to_datetime(cutoff)
    week = feed[ended].week_start.max()
    last = feed[feed.week_start == week].sort_values("revision").groupby(["region", "competitor"]).tail(1)
    return last.groupby("region").price.min().rename("market_low")


def columns(snapshot, lows):
    """Numbers only: categories one-hot, and the price gap as the pipeline derives it."""
    joined = snapshot.join(lows, on="region")
    own = joined.monthly_charge * (1 - joined.discount_pct / 100)
    joined["price_gap"] = np.log(own) - np.log(joined.market_low) - 0.13 * (joined.products - 1) - 0.22 * joined.fibre
    out = pd.get_dummies(joined.drop(columns=["customer_id", "cutoff"]), columns=["region", "acquisition_channel", "contract"])
    return out.astype(float)


def model():
    return XGBClassifier(n_estimators=300, max_depth=4, learning_rate=0.05, subsample=0.9, colsample_bytree=0.8, n_jobs=1, random_state=1)


def main():
    program = sys.argv[1]
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    failed = False
    for profile, target in PROFILES.items():
        snapshot, labels = table(program, "snapshot", profile, rows, seed), table(program, "labels", profile, rows, seed)
        truth = table(program, "truth", profile, rows, seed)
        assert (snapshot.customer_id == labels.customer_id).all()
        feed = table(program, "market_feed", profile, rows, seed)
        lows = lowest_prices(feed, snapshot.cutoff[0])
        data, churned = columns(snapshot, lows), labels.churned
        folds = StratifiedKFold(5, shuffle=True, random_state=20261122)
        chance = cross_val_predict(model(), data, churned, cv=folds, method="predict_proba")[:, 1]
        auc, best = roc_auc_score(churned, chance), roc_auc_score(churned, truth.score)
        good = target - TOLERANCE <= auc <= target
        failed |= not good
        print(f"{profile}: rate {churned.mean():.4f}  XGBoost AUC {auc:.4f}  true score's AUC {best:.4f}  target {target}  {'ok' if good else 'OUTSIDE'}")
        half = rows // 2
        frozen = model().fit(data[:half], churned[:half])
        honest = frozen.predict_proba(data[half:])[:, 1]
        for share in (0.02, 0.05, 0.10, 0.20):
            hostile = frozen.predict_proba(columns(snapshot, lows * (1 - share))[half:])[:, 1]
            flips, loss = np.mean((honest > 0.5) != (hostile > 0.5)), roc_auc_score(churned[half:], honest) - roc_auc_score(churned[half:], hostile)
            print(f"  prices understated by {share:.0%}: mean score {honest.mean():.3f} -> {hostile.mean():.3f}, decisions flipped {flips:.1%}, AUC lost {loss:.4f}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
