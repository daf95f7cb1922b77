//! How far an input must be moved until the model errs, proven and tried (T5): exact certificates for additive trees, and attackers
//! that keep to what an outsider can do.
//!
//! Everything here is pure and repeatable: seeds and budgets come as arguments. Knows nothing of customers.

pub mod attack;
pub mod certify;
pub mod nearest;
pub mod region;
pub mod space;
pub mod summary;
pub mod tradeoff;
pub mod trees;

pub use attack::{Attacked, Campaign, Evasion, Knowledge, Tally, campaign};
pub use certify::{Certificate, Counts, Verdict, Worst, certify, certify_rows, worst};
pub use nearest::{Nearest, nearest};
pub use region::Region;
pub use space::{Cell, Moves, Reach, Relation, Rule, Space, cells};
pub use summary::{Certified, certified};
pub use tradeoff::{Plan, Point, TradeoffError, choose, curve, point};
pub use trees::{EvadeError, Node, Sum, Trees};
