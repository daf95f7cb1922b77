//! Which machines' certificates live (T4): a short list of serial numbers, ended at once by a word, whatever TLS says of them.

use sqlx::Row;

use crate::database::{Identity, LIST_ROWS_MAX, check_text, log};
use crate::error::IdentityError;

/// A certificate of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadInfo {
    /// Serial number, hex.
    pub serial: String,
    /// Whose: `component/NAME` or `supplier/NAME`.
    pub name: String,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// When ended.
    pub revoked_at: Option<i64>,
}

impl Identity {
    /// Takes a certificate down that was just made; without it the certificate opens nothing.
    ///
    /// # Errors
    /// [`IdentityError::Text`], or a database error.
    pub async fn keep_workload(&self, serial: &str, name: &str, expires_at: i64, now: i64) -> Result<(), IdentityError> {
        check_text("serial number", serial)?;
        check_text("name of a machine", name)?;
        let mut transaction = self.change().await?;
        sqlx::query("INSERT INTO workload_certificates (serial, name, issued_at, expires_at) VALUES (?, ?, ?, ?)")
            .bind(serial)
            .bind(name)
            .bind(now)
            .bind(expires_at)
            .execute(&mut *transaction)
            .await?;
        log(&mut transaction, now, name, "certificate-issued", serial).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether the certificate with this serial number is this machine's and lives.
    ///
    /// # Errors
    /// A database error.
    pub async fn workload_lives(&self, serial: &str, name: &str, now: i64) -> Result<bool, IdentityError> {
        let row = sqlx::query(
            "SELECT 1 FROM workload_certificates WHERE serial = ? AND name = ? AND expires_at > ? AND revoked_at IS NULL",
        )
        .bind(serial)
        .bind(name)
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        if row.is_some() {
            self.vouched_where("workload_certificates", "serial", serial).await?;
        }
        Ok(row.is_some())
    }

    /// Ends one certificate by its serial number, or all of a machine by its name; says how many.
    ///
    /// # Errors
    /// A database error.
    pub async fn end_workload(&self, serial_or_name: &str, now: i64) -> Result<u64, IdentityError> {
        let mut transaction = self.change().await?;
        let rows = sqlx::query(
            "UPDATE workload_certificates SET revoked_at = ?1 \
             WHERE (serial = ?2 OR name = ?2) AND revoked_at IS NULL AND expires_at > ?1 RETURNING serial, name",
        )
        .bind(now)
        .bind(serial_or_name)
        .fetch_all(&mut *transaction)
        .await?;
        for row in &rows {
            let (serial, name): (String, String) = (row.try_get("serial")?, row.try_get("name")?);
            log(&mut transaction, now, &name, "certificate-ended", &serial).await?;
        }
        transaction.commit().await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// All certificates, newest first, at most [`LIST_ROWS_MAX`].
    ///
    /// # Errors
    /// A database error.
    pub async fn workloads(&self) -> Result<Vec<WorkloadInfo>, IdentityError> {
        let rows = sqlx::query(
            "SELECT serial, name, issued_at, expires_at, revoked_at FROM workload_certificates \
             ORDER BY issued_at DESC, serial LIMIT ?",
        )
        .bind(LIST_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(WorkloadInfo {
                    serial: row.try_get("serial")?,
                    name: row.try_get("name")?,
                    issued_at: row.try_get("issued_at")?,
                    expires_at: row.try_get("expires_at")?,
                    revoked_at: row.try_get("revoked_at")?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOON: i64 = 1_800_000_000;

    #[tokio::test]
    async fn a_certificate_lives_by_the_list_and_ends_by_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault::Vault::create(&dir.path().join("vault")).unwrap();
        let identity = Identity::open(&dir.path().join("control.db"), Arc::new(vault)).await.unwrap();
        for serial in ["4a", "4b", "4c"] {
            identity.keep_workload(serial, "component/monitor", NOON + 60, NOON).await.unwrap();
        }
        let lives = |serial: &'static str, name: &'static str, now| identity.workload_lives(serial, name, now);
        assert!(lives("4a", "component/monitor", NOON + 59).await.unwrap());
        assert!(!lives("4a", "component/monitor", NOON + 60).await.unwrap());
        assert!(!lives("4a", "component/trainer", NOON).await.unwrap());
        assert!(!lives("4d", "component/monitor", NOON).await.unwrap());
        assert_eq!(identity.end_workload("4a", NOON).await.unwrap(), 1);
        assert!(!lives("4a", "component/monitor", NOON).await.unwrap() && lives("4b", "component/monitor", NOON).await.unwrap());
        assert_eq!(identity.end_workload("component/monitor", NOON).await.unwrap(), 2);
        assert_eq!(identity.end_workload("component/monitor", NOON).await.unwrap(), 0);
        assert_eq!(identity.workloads().await.unwrap().len(), 3);
    }
}
