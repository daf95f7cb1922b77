//! Lock files, advisories, reviews and the policy: texts that decide what may be built and what is allowed (T4, T7).

use std::collections::BTreeSet;

use pipeline::Policy;
use supply::{advisories, lockfile, requirements, reviews};

use super::{Target, on_text, told};

const LOCK: &str = r#"version = 4

[[package]]
name = "itoa"
version = "1.0.15"
source = "registry+https://example.com/index"
checksum = "4a5f13b858c8d314ee3e8f639011f7ccefe71f97f96e50151fb991f267928e2c"

[[package]]
name = "own"
version = "0.1.0"
dependencies = ["itoa"]
"#;
const REQUIREMENTS: &str = "# comment\nnumpy==2.4.6 \\\n    --hash=sha256:4a5f13b858c8d314ee3e8f639011f7ccefe71f97f96e50151fb991f267928e2c\n\
six==1.16.0 ; python_version >= \"3.8\" --hash=sha256:4a5f13b858c8d314ee3e8f639011f7ccefe71f97f96e50151fb991f267928e2c\n-e .\nfoo @ https://example.com/f.whl\n";
const ADVISORIES: &str = r#"[{"id":"X-1","summary":"s","affected":[{"package":{"ecosystem":"PyPI","name":"six"},
"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}],"versions":["1.0.0"]}]}]"#;
const REVIEWS: &str = r#"[[review]]
package = "itoa"
version = "1.0.15"
checksum = "4a5f13b858c8d314ee3e8f639011f7ccefe71f97f96e50151fb991f267928e2c"
reviewer = "ann"
date = "2026-11-20"
expires = "2027-11-20"
criteria = "safe to run"
"#;

fn count(length: usize) -> String {
    format!("{} found", length.min(4))
}

pub(super) fn lockfile() -> Target {
    let run = on_text(|text| Ok(told(lockfile::parse(text), |packages| count(packages.len()))));
    Target { name: "lockfile", seeds: vec![LOCK.into()], words: &["[[package]]\n", "name = ", "checksum = ", "version = "], run }
}

pub(super) fn requirements() -> Target {
    let run = on_text(|text| {
        Ok(told(requirements::parse(text), |(found, findings)| {
            let kinds: BTreeSet<String> = findings.iter().map(|finding| format!("{:?}", finding.kind)).collect();
            format!("{} {kinds:?}", count(found.len()))
        }))
    });
    let words: &[&str] = &["--hash=sha256:", "==", " ; ", "\\\n", "-r ", "--index-url ", "@ "];
    Target { name: "requirements", seeds: vec![REQUIREMENTS.into()], words, run }
}

pub(super) fn advisories() -> Target {
    let run = on_text(|text| Ok(told(advisories::parse(text), |found| count(found.len()))));
    let words: &[&str] = &["\"events\":[", "{\"introduced\":\"0\"}", "\"fixed\":", "\"affected\":[", "\"versions\":["];
    Target { name: "advisories", seeds: vec![ADVISORIES.into(), ADVISORIES.trim_matches(['[', ']']).into()], words, run }
}

pub(super) fn reviews() -> Target {
    let run = on_text(|text| Ok(told(reviews::parse(text), |found| count(found.len()))));
    Target { name: "reviews", seeds: vec![REVIEWS.into()], words: &["[[review]]\n", "date = ", "expires = "], run }
}

pub(super) fn policy() -> Target {
    let run = on_text(|text| Ok(told(Policy::parse(text), |_| "a policy".to_owned())));
    let seeds = vec![pipeline::template("demo", "customers.csv", "Churn", false, 0.7).into_bytes()];
    Target { name: "policy", seeds, words: &["nan", "inf", "[train]\n", "[api]\n", "[[feeds]]\n", "= -1"], run }
}
