//! Suppliers of third-party feeds (T1): whose signature counts, from when to when, and the last number accepted of each feed.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use provenance::{PublicKey, Scheme};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::database::{Identity, LIST_ROWS_MAX, check_name, is_duplicate, log};
use crate::error::IdentityError;

/// Bytes of a PEM text at most; a P-256 key has 178.
pub const PEM_BYTES_MAX: usize = 1024;
/// Life of a supplier's key at most: two years and a day.
pub const SUPPLIER_KEY_SECONDS_MAX: i64 = 731 * 24 * 3600;
/// Bytes of a key of another scheme at most: it is in the archive of every delivery.
pub const SIGNER_KEY_BYTES_MAX: usize = 16 * 1024;
/// A P-256 SubjectPublicKeyInfo in DER with an uncompressed point (RFC 5480).
const P256_SPKI_BYTES: usize = 91;

/// A supplier's registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupplierKey {
    /// First 32 hex digits of the SHA-256 of the key's SubjectPublicKeyInfo, or of its scheme and fingerprint.
    pub id: String,
    /// Whose.
    pub supplier: String,
    /// The program that signs with it; none for an ECDSA P-256 key.
    pub scheme: Option<Scheme>,
    /// ECDSA P-256, SubjectPublicKeyInfo; or what the scheme writes.
    pub public_key_pem: String,
    /// Valid from, Unix seconds.
    pub not_before: i64,
    /// Valid until, Unix seconds, exclusive.
    pub expires_at: i64,
    /// When revoked.
    pub revoked_at: Option<i64>,
    /// Whether the supplier was switched off.
    pub supplier_disabled: bool,
}

impl SupplierKey {
    /// Whether a signature by this key counts at `now`.
    #[must_use]
    pub fn is_trusted(&self, now: i64) -> bool {
        !self.supplier_disabled && self.revoked_at.is_none() && (self.not_before..self.expires_at).contains(&now)
    }

    /// The key as DER SubjectPublicKeyInfo, as signature checks take it.
    ///
    /// # Errors
    /// [`IdentityError::PublicKey`] when the database was edited.
    pub fn spki_der(&self) -> Result<Vec<u8>, IdentityError> {
        parse_p256_pem(&self.public_key_pem)
    }
}

/// What taking a feed's number did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The number before, if any.
    pub previous: Option<u64>,
    /// The number now.
    pub accepted: u64,
}

impl Advance {
    /// How many numbers were left out: a held-back feed is for people to ask about.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.previous.map_or(0, |previous| self.accepted.saturating_sub(previous).saturating_sub(1))
    }
}

impl Identity {
    /// Registers a supplier.
    ///
    /// # Errors
    /// [`IdentityError::Name`], [`IdentityError::Exists`].
    pub async fn create_supplier(&self, name: &str, now: i64) -> Result<(), IdentityError> {
        check_name(name)?;
        let mut transaction = self.change().await?;
        let insert = sqlx::query("INSERT INTO suppliers (name, created_at) VALUES (?, ?)").bind(name).bind(now);
        let inserted = insert.execute(&mut *transaction).await;
        if inserted.as_ref().is_err_and(is_duplicate) {
            return Err(IdentityError::Exists { what: "supplier", name: name.to_owned() });
        }
        inserted?;
        log(&mut transaction, now, name, "supplier-created", "").await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Switches a supplier off: none of its keys counts any more.
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub async fn disable_supplier(&self, name: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.change().await?;
        let update =
            sqlx::query("UPDATE suppliers SET disabled_at = ? WHERE name = ? AND disabled_at IS NULL").bind(now).bind(name);
        if update.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(missing("supplier", name));
        }
        log(&mut transaction, now, name, "supplier-disabled", "").await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Registers a supplier's key, valid from `not_before` until `expires_at` (Unix seconds); answers its id.
    ///
    /// # Errors
    /// [`IdentityError::PublicKey`], [`IdentityError::Range`], [`IdentityError::Missing`], [`IdentityError::Exists`].
    pub async fn add_supplier_key(
        &self,
        supplier: &str,
        public_key_pem: &str,
        not_before: i64,
        expires_at: i64,
        now: i64,
    ) -> Result<String, IdentityError> {
        let id = key_id(&parse_p256_pem(public_key_pem)?);
        let key = Registered { id, supplier, scheme: None, text: public_key_pem, not_before, expires_at };
        let mut transaction = self.change().await?;
        key.insert(&mut transaction, now).await?;
        transaction.commit().await?;
        Ok(key.id)
    }

    /// Registers a key that signs with another program, valid from `not_before` until `expires_at` (Unix seconds); answers its id. A newer
    /// text of a registered key (prolonged by its owner, or with a revocation) takes the older one's place, unless it was revoked here.
    ///
    /// # Errors
    /// [`IdentityError::SignerKey`], [`IdentityError::Range`], [`IdentityError::Missing`], [`IdentityError::Exists`] if the key is
    /// another supplier's or was revoked.
    pub async fn add_signer_key(
        &self,
        supplier: &str,
        (scheme, text): (Scheme, &str),
        not_before: i64,
        expires_at: i64,
        now: i64,
    ) -> Result<String, IdentityError> {
        let (what, max) = ("the supplier's key", SIGNER_KEY_BYTES_MAX);
        if text.len() > max {
            return Err(IdentityError::SignerKey(provenance::Refusal::Oversized { what, bytes: text.len(), max }));
        }
        let fingerprint = PublicKey::parse(scheme, text).map_err(IdentityError::SignerKey)?.fingerprint();
        let id = key_id(format!("{scheme} {fingerprint}").as_bytes());
        let key = Registered { id, supplier, scheme: Some(scheme), text, not_before, expires_at };
        let mut transaction = self.change().await?;
        if !key.renew(&mut transaction, now).await? {
            key.insert(&mut transaction, now).await?;
        }
        transaction.commit().await?;
        Ok(key.id)
    }

    /// Ends a supplier's key at once.
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub async fn revoke_supplier_key(&self, id: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.change().await?;
        let row = sqlx::query("UPDATE supplier_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING supplier")
            .bind(now)
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or_else(|| missing("supplier key", id))?;
        log(&mut transaction, now, row.try_get("supplier")?, "supplier-key-revoked", id).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// One key, trusted or not; see [`SupplierKey::is_trusted`].
    ///
    /// # Errors
    /// A database error.
    pub async fn supplier_key(&self, id: &str) -> Result<Option<SupplierKey>, IdentityError> {
        let row = sqlx::query(
            "SELECT supplier_keys.*, disabled_at FROM supplier_keys JOIN suppliers ON suppliers.name = supplier WHERE id = ?",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(supplier_key).transpose()
    }

    /// All keys, by supplier and start.
    ///
    /// # Errors
    /// A database error.
    pub async fn supplier_keys(&self) -> Result<Vec<SupplierKey>, IdentityError> {
        let rows = sqlx::query(
            "SELECT supplier_keys.*, disabled_at FROM supplier_keys JOIN suppliers ON suppliers.name = supplier \
             ORDER BY supplier, not_before, id LIMIT ?",
        )
        .bind(LIST_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(supplier_key).collect()
    }

    /// The last number accepted of a feed.
    ///
    /// # Errors
    /// A database error.
    pub async fn last_sequence(&self, supplier: &str, feed: &str) -> Result<Option<u64>, IdentityError> {
        let row = sqlx::query("SELECT last_sequence FROM feed_sequences WHERE supplier = ? AND feed = ?")
            .bind(supplier)
            .bind(feed)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(last_number).transpose()
    }

    /// Takes a feed's number: of many at the same time exactly one gets it, and no number is taken twice or after a larger one.
    ///
    /// # Errors
    /// [`IdentityError::Replay`], [`IdentityError::Missing`] without an active supplier, [`IdentityError::Range`] above 2^63 - 1.
    pub async fn advance_sequence(&self, supplier: &str, feed: &str, sequence: u64, now: i64) -> Result<Advance, IdentityError> {
        check_name(feed)?;
        let number =
            i64::try_from(sequence).map_err(|_| IdentityError::Range { what: "number of the feed", min: 0, max: i64::MAX })?;
        let mut transaction = self.begin().await?;
        let active = sqlx::query("SELECT 1 FROM suppliers WHERE name = ? AND disabled_at IS NULL").bind(supplier);
        if active.fetch_optional(&mut *transaction).await?.is_none() {
            return Err(missing("supplier", supplier));
        }
        let row = sqlx::query("SELECT last_sequence FROM feed_sequences WHERE supplier = ? AND feed = ?")
            .bind(supplier)
            .bind(feed)
            .fetch_optional(&mut *transaction)
            .await?;
        let previous = row.as_ref().map(last_number).transpose()?;
        if let Some(last) = previous.filter(|last| *last >= sequence) {
            let (supplier, feed) = (supplier.to_owned(), feed.to_owned());
            return Err(IdentityError::Replay { supplier, feed, offered: sequence, last });
        }
        sqlx::query(
            "INSERT INTO feed_sequences (supplier, feed, last_sequence, accepted_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (supplier, feed) DO UPDATE SET last_sequence = excluded.last_sequence, accepted_at = excluded.accepted_at",
        )
        .bind(supplier)
        .bind(feed)
        .bind(number)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        log(&mut transaction, now, supplier, "feed-number-accepted", &format!("{feed} {sequence}")).await?;
        transaction.commit().await?;
        Ok(Advance { previous, accepted: sequence })
    }
}

/// A key that is written down.
struct Registered<'a> {
    id: String,
    supplier: &'a str,
    scheme: Option<Scheme>,
    text: &'a str,
    not_before: i64,
    expires_at: i64,
}

impl Registered<'_> {
    async fn insert(&self, transaction: &mut SqliteConnection, now: i64) -> Result<(), IdentityError> {
        self.check(&mut *transaction).await?;
        let insert = sqlx::query(
            "INSERT INTO supplier_keys (id, supplier, public_key_pem, not_before, expires_at, scheme) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&self.id)
        .bind(self.supplier)
        .bind(self.text)
        .bind(self.not_before)
        .bind(self.expires_at)
        .bind(self.scheme.map(Scheme::name));
        let inserted = insert.execute(&mut *transaction).await;
        if inserted.as_ref().is_err_and(is_duplicate) {
            return Err(IdentityError::Exists { what: "supplier key", name: self.id.clone() });
        }
        inserted?;
        log(transaction, now, self.supplier, "supplier-key-added", &self.id).await
    }

    /// Replaces the text and the time of a key that this supplier has already; whether there was one.
    async fn renew(&self, transaction: &mut SqliteConnection, now: i64) -> Result<bool, IdentityError> {
        self.check(&mut *transaction).await?;
        let update = sqlx::query(
            "UPDATE supplier_keys SET public_key_pem = ?, not_before = ?, expires_at = ? \
             WHERE id = ? AND supplier = ? AND revoked_at IS NULL",
        )
        .bind(self.text)
        .bind(self.not_before)
        .bind(self.expires_at)
        .bind(&self.id)
        .bind(self.supplier);
        let renewed = update.execute(&mut *transaction).await?.rows_affected() > 0;
        if renewed {
            log(transaction, now, self.supplier, "supplier-key-renewed", &self.id).await?;
        }
        Ok(renewed)
    }

    async fn check(&self, transaction: &mut SqliteConnection) -> Result<(), IdentityError> {
        let life = self.expires_at.saturating_sub(self.not_before);
        if !(1..=SUPPLIER_KEY_SECONDS_MAX).contains(&life) {
            return Err(IdentityError::Range { what: "life of the key in seconds", min: 1, max: SUPPLIER_KEY_SECONDS_MAX });
        }
        let active = sqlx::query("SELECT 1 FROM suppliers WHERE name = ? AND disabled_at IS NULL").bind(self.supplier);
        if active.fetch_optional(&mut *transaction).await?.is_none() {
            return Err(missing("supplier", self.supplier));
        }
        Ok(())
    }
}

fn missing(what: &'static str, name: &str) -> IdentityError {
    IdentityError::Missing { what, name: name.chars().take(64).collect() }
}

fn last_number(row: &SqliteRow) -> Result<u64, IdentityError> {
    u64::try_from(row.try_get::<i64, _>("last_sequence")?).map_err(|_| IdentityError::Corrupt("a negative feed number"))
}

fn supplier_key(row: &SqliteRow) -> Result<SupplierKey, IdentityError> {
    let scheme = row.try_get::<Option<String>, _>("scheme")?;
    let known = |name: &String| Scheme::ALL.into_iter().find(|scheme| scheme.name() == name);
    let scheme =
        scheme.as_ref().map(|name| known(name).ok_or(IdentityError::Corrupt("a scheme that nobody knows"))).transpose()?;
    Ok(SupplierKey {
        id: row.try_get("id")?,
        supplier: row.try_get("supplier")?,
        scheme,
        public_key_pem: row.try_get("public_key_pem")?,
        not_before: row.try_get("not_before")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        supplier_disabled: row.try_get::<Option<i64>, _>("disabled_at")?.is_some(),
    })
}

fn key_id(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref().get(..16).unwrap_or_default())
}

/// Reads a P-256 public key in PEM (RFC 7468, label `PUBLIC KEY`); the point must lie on the curve.
///
/// # Errors
/// [`IdentityError::PublicKey`].
pub fn parse_p256_pem(pem: &str) -> Result<Vec<u8>, IdentityError> {
    if pem.len() > PEM_BYTES_MAX {
        return Err(IdentityError::PublicKey);
    }
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .ok_or(IdentityError::PublicKey)?;
    let packed: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let der = BASE64.decode(packed.as_bytes()).map_err(|_| IdentityError::PublicKey)?;
    if der.len() != P256_SPKI_BYTES || ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &der).is_err() {
        return Err(IdentityError::PublicKey);
    }
    Ok(der)
}

/// Writes a DER SubjectPublicKeyInfo as PEM.
#[must_use]
pub fn public_key_pem(spki_der: &[u8]) -> String {
    let packed = BASE64.encode(spki_der);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in packed.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
    use proptest::prelude::*;

    fn der(pair: &EcdsaKeyPair) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    #[test]
    fn a_p256_key_reads_back_and_others_are_refused() {
        let spki = der(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap());
        let pem = public_key_pem(&spki);
        assert_eq!(parse_p256_pem(&pem).unwrap(), spki);
        assert_eq!(parse_p256_pem(&pem.replace('\n', "\r\n")).unwrap(), spki);
        let other = public_key_pem(&der(&EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap()));
        assert!(matches!(parse_p256_pem(&other), Err(IdentityError::PublicKey)));
        let mut off_curve = spki;
        off_curve[60] ^= 1;
        assert!(matches!(parse_p256_pem(&public_key_pem(&off_curve)), Err(IdentityError::PublicKey)));
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_key(text in "\\PC{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(parse_p256_pem(&text).is_err());
            prop_assert!(parse_p256_pem(&public_key_pem(&bytes)).is_err());
        }
    }
}
