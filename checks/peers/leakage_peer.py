"""Lets SACRO-ML attack the scores of our models: its LiRA must find what ours finds, its report must call the overfitted forest
leaky, and neither it nor its worst-case attack may find more in the guarded ensemble than we say.

    cargo run -p leak --example export_leak -- OUTDIR
    python leakage_peer.py OUTDIR        # in an environment with numpy, pandas, scikit-learn, pyyaml and sacroml

Installs nothing. Leaves with a failed assertion on the first difference. SACRO-ML is used as it is; only what its reports and its
neural networks need (torch, drawings, writers of PDF: gigabytes that judge nothing here) is replaced by empty modules.
"""

import json
import logging
import sys
import types
import warnings
from pathlib import Path


def stand_in(name, **names):
    module = types.ModuleType(name)
    module.__dict__.update(names)
    return sys.modules.setdefault(name, module)


class Nothing:
    """For classes that are only named."""


stand_in("torch.utils.data", DataLoader=Nothing, Dataset=Nothing, TensorDataset=Nothing)
stand_in("torch.nn.functional", softmax=None)
stand_in("torch.nn", functional=sys.modules["torch.nn.functional"], Module=Nothing)
stand_in("torch.cuda")
stand_in("torch.utils", data=sys.modules["torch.utils.data"])
stand_in("torch", cuda=sys.modules["torch.cuda"], nn=sys.modules["torch.nn"], utils=sys.modules["torch.utils"], Tensor=Nothing)
stand_in("pylab")
stand_in("matplotlib.pyplot")
stand_in("matplotlib", pyplot=sys.modules["matplotlib.pyplot"])
stand_in("fpdf", FPDF=Nothing)
stand_in("pypdf", PdfReader=Nothing, PdfWriter=Nothing)

import numpy as np  # noqa: E402
from sacroml import metrics  # noqa: E402
from sacroml.attacks import utils  # noqa: E402
from sacroml.attacks.likelihood_attack import LIRAAttack  # noqa: E402
from sacroml.attacks.worst_case_attack import WorstCaseAttack  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

# We divide by one less than the number of models, and keep spreads of few models from being 0.
RANKS_MIN = 0.97
# The two LiRA differ in that alone; over 20,000 trials an area is known to 0.004.
AUC_TOLERANCE = 0.015
# What a model without memory may show over 20,000 non-members (0.1 % is chance; interval to 0.35 %).
GUARDED_TPR_MAX = 0.005
GUARDED_WORST_CASE_MAX = 0.53
LEAKY_AUC_MIN = 0.75
LEAKY_TPR_MIN = 0.05


def bits(text):
    return np.frombuffer(text.encode(), dtype=np.uint8) == ord("1")


def theirs_of(labels, scores, trained, target):
    """SACRO-ML's LiRA on one of our models, with all others as its shadow models: one score for each row."""
    attack = LIRAAttack(write_report=False, mode="online-carlini")
    rows = len(labels)
    inside, outside = {row: [] for row in range(rows)}, {row: [] for row in range(rows)}
    for model in range(len(scores)):
        if model != target:
            right = np.where(labels == 1, scores[model], 1 - scores[model])
            for row in range(rows):
                (inside if trained[model][row] else outside)[row].append(utils.logit(right[row]))
    answers = np.column_stack([1 - scores[target], scores[target]])
    found, _ = attack._compute_scores(labels, answers, outside, inside)
    return np.array(found)[:, 1]


def judged(folder, name):
    facts = json.loads((folder / f"{name}.json").read_text())
    labels = bits(facts["labels"]).astype(int)
    # Both programs keep away from 0 and 1, theirs by 1e-16: a forest's certainty would be a distance of 37.
    scores = np.clip(np.array(facts["scores"]), facts["clip"], 1 - facts["clip"])
    trained = np.array([bits(text) for text in facts["trained"]])
    own, other, member, worst = [], [], [], []
    for target, signals in enumerate(facts["lira"]):
        found = theirs_of(labels, scores, trained, target)
        ranks = spearmanr(found, signals).statistic
        assert ranks >= RANKS_MIN, f"{name}, target {target}: ranks agree only to {ranks:.3f}"
        own.append(signals), other.append(found), member.append(trained[target])
        answers = np.column_stack([1 - scores[target], scores[target]])
        blind = WorstCaseAttack(write_report=False, n_reps=2, n_dummy_reps=0)
        # It sorts probabilities; the right answer's tells more.
        blind.sort_probs = False
        right = np.where((labels == 1)[:, None], answers[:, ::-1], answers)
        blind.attack_from_preds(right[trained[target]], right[~trained[target]])
        worst += [found["AUC"] for found in blind.attack_metrics]
    own, other, member = np.concatenate(own), np.concatenate(other), np.concatenate(member)
    ours = facts["leak"]["attacks"]["lira"]
    areas = roc_auc_score(member, own), roc_auc_score(member, other)
    assert abs(areas[0] - ours["auc"]) <= 1e-9, f"{name}: our area is {ours['auc']}, theirs of our signals {areas[0]}"
    assert abs(areas[0] - areas[1]) <= AUC_TOLERANCE, f"{name}: {areas}"
    rates = [metrics._tpr_at_fpr(member, signals, fpr=0.1) for signals in (own, other)]
    measured = ours["rates"][0]["measured"]["tpr"]
    assert abs(rates[0] - measured) <= 1e-4, f"{name}: our rate is {measured}, theirs of our signals {rates[0]}"
    print(f"{name}: LiRA's AUC {areas[0]:.3f}, theirs {areas[1]:.3f}; TPR at 0.1 % FPR {measured:.2%}, theirs {rates[1]:.2%};")
    print(f"{name}: their worst-case attack's AUC {np.mean(worst):.3f}; our strongest attack {strongest(facts):.2%}")
    return areas[1], rates[1], float(np.mean(worst)), strongest(facts)


def strongest(facts):
    return max(found["rates"][0]["measured"]["tpr"] for found in facts["leak"]["attacks"].values())


def main():
    folder = Path(sys.argv[1])
    area, _, worst, ours = judged(folder, "leaky")
    assert area >= LEAKY_AUC_MIN and ours >= LEAKY_TPR_MIN and worst > GUARDED_WORST_CASE_MAX, "the leak was not found"
    area, rate, worst, ours = judged(folder, "guarded")
    assert rate <= GUARDED_TPR_MAX and ours <= GUARDED_TPR_MAX, f"the guarded ensemble leaks: {rate}, {ours}"
    assert worst <= GUARDED_WORST_CASE_MAX, f"the guarded ensemble leaks to the worst-case attack: {worst}"
    print("leakage_peer: all agree")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    main()
