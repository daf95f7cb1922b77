//! The profile says what is there, whatever the size of batches.

use super::*;
use crate::csv::{Limits, Options, read};

fn of(text: &str, batch_records: usize) -> Profile {
    let options = Options { limits: Limits { batch_records, ..Limits::default() }, ..Options::default() };
    profile(&read(text.as_bytes(), &options).unwrap().batches, Decimal::Point).unwrap()
}

#[test]
fn counts_moments_and_levels() {
    let profile = of("id,n,c,t\na,1,x,2020-01-01\nb,2,y,2020-01-03\nc, ,x,2020-01-02\nd,4,x,\n", 2);
    assert_eq!(profile.rows, 4);
    let n = profile.column("n").unwrap();
    let numbers = n.numbers.as_ref().unwrap();
    assert_eq!((n.missing, n.distinct, numbers.count, numbers.whole, numbers.min, numbers.max), (1, 3, 3, true, 1.0, 4.0));
    assert!((numbers.mean - 7.0 / 3.0).abs() < 1e-12 && (numbers.sd - (7.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    assert_eq!(numbers.quantiles[3], 2.0);
    assert_eq!(profile.column("c").unwrap().levels, [("x".to_owned(), 3), ("y".to_owned(), 1)]);
    let time = profile.column("t").unwrap().time.as_ref().unwrap();
    assert_eq!((time.format.as_str(), time.max - time.min), ("%Y-%m-%d", 2 * 86_400));
    assert_eq!(profile.column("id").unwrap().distinct, 4);
}

#[test]
fn many_rows_keep_the_sample_bounded_and_the_size_of_batches_does_not_show() {
    let rows = SAMPLE_ROWS_MAX * 2 + 17;
    let text: String = std::iter::once("n,m\n".to_owned()).chain((0..rows).map(|n| format!("{n},{}\n", n % 1_500))).collect();
    let (one, two) = (of(&text, 8_192), of(&text, 1_000_000));
    assert!(one.sample_rows <= SAMPLE_ROWS_MAX && one.sample_rows > SAMPLE_ROWS_MAX / 3);
    assert_eq!(one, two);
    let n = one.column("n").unwrap();
    let estimate = n.distinct as f64 / rows as f64;
    assert!(!n.distinct_exact && (estimate - 1.0).abs() < 0.03, "{estimate}");
    assert_eq!((one.column("m").unwrap().distinct, one.column("m").unwrap().levels.len()), (1_500, 0));
    let median = n.numbers.as_ref().unwrap().quantiles[3] / rows as f64;
    assert!((median - 0.5).abs() < 0.01, "{median}");
}
