//! One crypto backend and one TLS, in what is really built: a lock file also lists optional packages that nobody builds (T7).

use crate::repository::output;

/// Packages that would be a second crypto backend or a second TLS.
const BANNED: &[&str] = &["boring-sys", "native-tls", "openssl", "openssl-sys", "ring", "schannel", "security-framework"];
/// Built for every program of ours, on this machine's platform; shows that the list is not empty.
const BACKEND: &str = "aws-lc-rs";

fn banned(listed: &str) -> Vec<&str> {
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| BANNED.contains(name)).collect()
}

#[test]
fn there_is_one_crypto_backend() {
    let arguments =
        ["tree", "--offline", "--locked", "--workspace", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"];
    let listed = String::from_utf8(output(env!("CARGO"), &arguments)).unwrap();
    assert!(listed.lines().any(|line| line.starts_with(BACKEND)), "cargo tree does not list {BACKEND}");
    assert_eq!(
        banned(&listed),
        Vec::<&str>::new(),
        "crypto comes from {BACKEND} and TLS from rustls alone: switch the feature off"
    );
}

#[test]
fn a_second_backend_is_seen() {
    assert_eq!(banned("aws-lc-rs v1.19.0\nring v0.17.14\n"), ["ring"]);
}
