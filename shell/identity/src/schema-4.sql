-- Passkeys (Web Authentication): a person's handle tells nothing of the person; a credential is its public key and its counter.
CREATE TABLE passkey_handles (
    person  TEXT NOT NULL PRIMARY KEY REFERENCES people(name),
    handle  BLOB NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
    credential_id    BLOB NOT NULL PRIMARY KEY,
    person           TEXT NOT NULL REFERENCES people(name),
    public_key       BLOB NOT NULL,
    sign_count       INTEGER NOT NULL,
    backup_eligible  INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    backed_up        INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    label            TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    last_used_at     INTEGER
) STRICT;
CREATE INDEX passkeys_of_person ON passkeys(person);
