//! Guessing is slowed down (T1, T6): each attempt is booked before it is judged, so that many at once count as many.

use sqlx::Row;

use crate::database::{Identity, log};
use crate::error::IdentityError;

/// Wrong attempts in a row that cost nothing: people mistype.
pub const FREE_FAILURES: i64 = 5;
/// Delay after the first attempt beyond; doubles with each further one.
pub const FIRST_LOCK_SECONDS: i64 = 30;
/// Longest delay: an hour leaves 24 guesses a day, and bounds what a stranger can lock out by guessing on purpose.
pub const LOCK_SECONDS_MAX: i64 = 3600;
/// After so long without attempts the count starts anew.
const FORGET_SECONDS: i64 = 24 * 3600;
/// Names that are remembered at most; the longest untouched go first. Guesses on made-up names must not fill the disk.
const BUCKETS_MAX: i64 = 10_000;

/// Seconds that the name is locked after so many wrong attempts in a row.
#[must_use]
pub const fn lock_seconds(failures: i64) -> i64 {
    if failures < FREE_FAILURES {
        return 0;
    }
    let doublings = failures - FREE_FAILURES;
    if doublings >= 7 {
        return LOCK_SECONDS_MAX;
    }
    let seconds = FIRST_LOCK_SECONDS << doublings;
    if seconds > LOCK_SECONDS_MAX { LOCK_SECONDS_MAX } else { seconds }
}

/// What is guessed at: logins and step-ups are counted apart, so that a stranger's guesses do not stop people at work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guess {
    Login,
    StepUp,
}

impl Guess {
    const fn event(self) -> &'static str {
        match self {
            Self::Login => "login-attempt",
            Self::StepUp => "step-up-attempt",
        }
    }
}

pub(crate) fn bucket(guess: Guess, name: &str) -> String {
    format!("{}|{name}", guess.event())
}

impl Identity {
    /// Books an attempt as wrong; a right one is struck out afterwards by deleting the bucket.
    pub(crate) async fn book_attempt(&self, guess: Guess, name: &str, now: i64) -> Result<(), IdentityError> {
        let bucket = bucket(guess, name);
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT failures, last_at, locked_until FROM attempts WHERE bucket = ?")
            .bind(&bucket)
            .fetch_optional(&mut *transaction)
            .await?;
        let mut failures = 0_i64;
        if let Some(row) = row {
            let locked_until: i64 = row.try_get("locked_until")?;
            if locked_until > now {
                return Err(IdentityError::LockedOut { seconds: locked_until.saturating_sub(now) });
            }
            if now.saturating_sub(row.try_get::<i64, _>("last_at")?) < FORGET_SECONDS {
                failures = row.try_get("failures")?;
            }
        }
        failures = failures.saturating_add(1);
        let locked_until = now.saturating_add(lock_seconds(failures));
        sqlx::query(
            "INSERT INTO attempts (bucket, failures, last_at, locked_until) VALUES (?, ?, ?, ?) \
             ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at, locked_until = excluded.locked_until",
        )
        .bind(&bucket)
        .bind(failures)
        .bind(now)
        .bind(locked_until)
        .execute(&mut *transaction)
        .await?;
        // The oldest go, and never one that is locked: a flood of made-up names must not unlock a real one.
        sqlx::query(
            "DELETE FROM attempts WHERE locked_until <= ?1 AND bucket IN \
             (SELECT bucket FROM attempts ORDER BY last_at DESC, bucket LIMIT -1 OFFSET ?2)",
        )
        .bind(now)
        .bind(BUCKETS_MAX)
        .execute(&mut *transaction)
        .await?;
        // Told in the same transaction, so that a refusal takes as many disk writes for a made-up name as for a real one, and for
        // a wrong password as for a wrong code. Made-up names are not told: they could fill the log.
        sqlx::query("INSERT INTO events (at, subject, event, detail) SELECT ?, name, ?, ? FROM people WHERE name = ?")
            .bind(now)
            .bind(guess.event())
            .bind(format!("{failures} in a row, locked for {} s unless right", lock_seconds(failures)))
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets wrong attempts on a name; for an admin.
    ///
    /// # Errors
    /// A database error.
    pub async fn unlock(&self, name: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.begin().await?;
        for guess in [Guess::Login, Guess::StepUp] {
            sqlx::query("DELETE FROM attempts WHERE bucket = ?").bind(bucket(guess, name)).execute(&mut *transaction).await?;
        }
        log(&mut transaction, now, name, "unlocked", "").await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_an_hour() {
        let delays: Vec<i64> = (4..=13).map(lock_seconds).collect();
        assert_eq!(delays, [0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(lock_seconds(i64::MAX), 3600);
        assert_eq!(lock_seconds(-1), 0);
    }
}
