//! What XGBoost and scikit-learn reach on a split by time, over seeds 0 to 4 (`bank_mkt`) or 0 to 5 (`retail_sep`), as
//! `checks/peers/seeds_peer.py` prints it (XGBoost 3.2.0, scikit-learn 1.9.1), so that one run is not taken for a figure (T5).

/// Seeds that a figure of ours on such a split is the mean of: the specification's and those that follow it.
pub(crate) const RUNS: u64 = 12;

/// Data set, model, figure; mean over seeds, deviation over seeds, deviation over draws of the tested rows.
type Held = (&'static str, &'static str, &'static str, f64, f64, f64);

/// All of them.
pub(crate) const HELD: [Held; 40] = [
    ("retail_sep", "xgboost", "auc", 0.74165, 0.00107, 0.00886),
    ("retail_sep", "xgboost", "prauc", 0.59312, 0.00138, 0.01605),
    ("retail_sep", "xgboost", "logloss", 0.58670, 0.00094, 0.00940),
    ("retail_sep", "xgboost", "brier", 0.20284, 0.00044, 0.00370),
    ("retail_sep", "xgboost", "acc", 0.67424, 0.00196, 0.00837),
    ("retail_sep", "svc_rbf", "auc", 0.69437, 0.00178, 0.01044),
    ("retail_sep", "svc_rbf", "prauc", 0.55853, 0.00174, 0.01617),
    ("retail_sep", "svc_rbf", "logloss", 0.61854, 0.00209, 0.00717),
    ("retail_sep", "svc_rbf", "brier", 0.21387, 0.00090, 0.00328),
    ("retail_sep", "svc_rbf", "acc", 0.67791, 0.00106, 0.00883),
    ("retail_sep", "rforest", "auc", 0.74385, 0.00074, 0.00856),
    ("retail_sep", "rforest", "prauc", 0.60184, 0.00208, 0.01622),
    ("retail_sep", "rforest", "logloss", 0.57808, 0.00042, 0.00774),
    ("retail_sep", "rforest", "brier", 0.19947, 0.00024, 0.00320),
    ("retail_sep", "rforest", "acc", 0.68116, 0.00217, 0.00862),
    ("retail_sep", "soft_vote", "auc", 0.74634, 0.00109, 0.00876),
    ("retail_sep", "soft_vote", "prauc", 0.60801, 0.00167, 0.01624),
    ("retail_sep", "soft_vote", "logloss", 0.57996, 0.00102, 0.00716),
    ("retail_sep", "soft_vote", "brier", 0.19891, 0.00045, 0.00312),
    ("retail_sep", "soft_vote", "acc", 0.67935, 0.00134, 0.00826),
    ("bank_mkt", "xgboost", "auc", 0.65291, 0.01452, 0.00642),
    ("bank_mkt", "xgboost", "prauc", 0.45108, 0.01511, 0.01026),
    ("bank_mkt", "xgboost", "logloss", 0.81552, 0.02375, 0.01252),
    ("bank_mkt", "xgboost", "brier", 0.24872, 0.00423, 0.00390),
    ("bank_mkt", "xgboost", "acc", 0.69512, 0.00095, 0.00494),
    ("bank_mkt", "svc_rbf", "auc", 0.70955, 0.00581, 0.00611),
    ("bank_mkt", "svc_rbf", "prauc", 0.48149, 0.01034, 0.01051),
    ("bank_mkt", "svc_rbf", "logloss", 0.77431, 0.01158, 0.01152),
    ("bank_mkt", "svc_rbf", "brier", 0.24994, 0.00297, 0.00394),
    ("bank_mkt", "svc_rbf", "acc", 0.69216, 0.00099, 0.00487),
    ("bank_mkt", "rforest", "auc", 0.74049, 0.00146, 0.00547),
    ("bank_mkt", "rforest", "prauc", 0.54058, 0.00268, 0.01017),
    ("bank_mkt", "rforest", "logloss", 0.61241, 0.00273, 0.00805),
    ("bank_mkt", "rforest", "brier", 0.20776, 0.00099, 0.00300),
    ("bank_mkt", "rforest", "acc", 0.69216, 0.00034, 0.00492),
    ("bank_mkt", "soft_vote", "auc", 0.72979, 0.00324, 0.00552),
    ("bank_mkt", "soft_vote", "prauc", 0.50523, 0.01174, 0.01043),
    ("bank_mkt", "soft_vote", "logloss", 0.69424, 0.00517, 0.00988),
    ("bank_mkt", "soft_vote", "brier", 0.23173, 0.00134, 0.00356),
    ("bank_mkt", "soft_vote", "acc", 0.69175, 0.00011, 0.00489),
];
