//! Segments follow the last version, new customers move them within a printed bound, and what cannot be compared is refused (T1).

use crate::world::{World, customers, text};

const CUSTOMERS: u64 = 700;
const NEW: u64 = 70;

#[test]
fn new_customers_move_segments_within_the_bound_and_a_lost_history_is_refused() {
    let world = World::of(&customers(CUSTOMERS));
    let first = world.stayward(&["run", "--to", "segmentation"]);
    assert!(first.status.success(), "{}", text(&first));
    assert!(!text(&first).contains("sorted as before to"), "{}", text(&first));

    std::fs::write(world.path("customers.csv"), customers(CUSTOMERS + NEW)).unwrap();
    let second = world.stayward(&["run", "--to", "segmentation"]);
    assert!(second.status.success(), "{}", text(&second));
    let said = text(&second);
    assert!(said.contains("sorted as before to"), "{said}");
    let bound = said.split("move a centre by at most ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let bound: f64 = bound.parse().unwrap();
    assert!(bound > 0.0 && bound < 1.0, "{said}");

    // Other columns cannot be what they were: the policy changed, so nothing says which change is honest.
    let policy = world.project().join("stayward.toml");
    let whole = std::fs::read_to_string(&policy).unwrap();
    let other = whole.replace("k_max = 6\n", "k_max = 6\ncolumns = [\"usage_trend\", \"recency_days\"]\n");
    assert_ne!(whole, other);
    std::fs::write(&policy, &other).unwrap();
    let jumped = world.stayward(&["run", "--to", "segmentation"]);
    assert_eq!(jumped.status.code(), Some(1), "{}", text(&jumped));
    assert!(text(&jumped).contains("segment-continuity"), "{}", text(&jumped));

    std::fs::write(&policy, other.replace("k_max = 6\n", "k_max = 6\ncontinuity = \"renew\"\n")).unwrap();
    let renewed = world.stayward(&["run", "--to", "segmentation"]);
    assert!(renewed.status.success(), "{}", text(&renewed));
}
