-- Who may do what, as data (T1, T2, T4, T6). Times are Unix seconds. Tables are STRICT; the event log only grows.
CREATE TABLE people (
    name            TEXT NOT NULL PRIMARY KEY,
    display_name    TEXT NOT NULL,
    team            TEXT NOT NULL,
    password_phc    TEXT NOT NULL,
    totp_sealed     BLOB NOT NULL,
    totp_last_step  INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    disabled_at     INTEGER
) STRICT;

CREATE TABLE person_roles (
    person  TEXT NOT NULL REFERENCES people(name),
    role    TEXT NOT NULL,
    PRIMARY KEY (person, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    code_hash  BLOB NOT NULL PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES people(name),
    used_at    INTEGER
) STRICT;

CREATE TABLE sessions (
    id_hash           BLOB NOT NULL PRIMARY KEY,
    person            TEXT NOT NULL REFERENCES people(name),
    amr               TEXT NOT NULL,
    auth_time         INTEGER NOT NULL,
    second_factor_at  INTEGER,
    expires_at        INTEGER NOT NULL,
    revoked_at        INTEGER
) STRICT;
CREATE INDEX sessions_of_person ON sessions(person);

CREATE TABLE login_links (
    token_hash  BLOB NOT NULL PRIMARY KEY,
    person      TEXT NOT NULL REFERENCES people(name),
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER
) STRICT;

CREATE TABLE attempts (
    bucket        TEXT NOT NULL PRIMARY KEY,
    failures      INTEGER NOT NULL,
    last_at       INTEGER NOT NULL,
    locked_until  INTEGER NOT NULL
) STRICT;

CREATE INDEX attempts_by_age ON attempts(last_at, bucket);

CREATE TABLE component_tokens (
    id           TEXT NOT NULL PRIMARY KEY,
    component    TEXT NOT NULL,
    token_hash   BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;

CREATE TABLE apps (
    name         TEXT NOT NULL PRIMARY KEY,
    owner        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER
) STRICT;

CREATE TABLE api_keys (
    id                          TEXT NOT NULL PRIMARY KEY,
    app                         TEXT NOT NULL REFERENCES apps(name),
    key_hash                    BLOB NOT NULL,
    rights                      TEXT NOT NULL,
    per_minute                  INTEGER NOT NULL,
    distinct_customers_per_day  INTEGER NOT NULL,
    scope                       TEXT NOT NULL,
    created_at                  INTEGER NOT NULL,
    expires_at                  INTEGER NOT NULL,
    revoked_at                  INTEGER,
    replaced_by                 TEXT,
    last_used_at                INTEGER
) STRICT;
CREATE INDEX keys_of_app ON api_keys(app);

-- Grows with every change that a server's copy of the keys must learn of. Triggers, so that no code path can forget it.
CREATE TABLE key_generation (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL) STRICT;
INSERT INTO key_generation VALUES (1, 0);
CREATE TRIGGER key_added AFTER INSERT ON api_keys
    BEGIN UPDATE key_generation SET generation = generation + 1; END;
CREATE TRIGGER key_changed AFTER UPDATE OF expires_at, revoked_at, rights, per_minute, distinct_customers_per_day, scope ON api_keys
    BEGIN UPDATE key_generation SET generation = generation + 1; END;
CREATE TRIGGER app_changed AFTER UPDATE ON apps
    BEGIN UPDATE key_generation SET generation = generation + 1; END;

CREATE TABLE suppliers (
    name         TEXT NOT NULL PRIMARY KEY,
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER
) STRICT;

CREATE TABLE supplier_keys (
    id              TEXT NOT NULL PRIMARY KEY,
    supplier        TEXT NOT NULL REFERENCES suppliers(name),
    public_key_pem  TEXT NOT NULL,
    not_before      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    revoked_at      INTEGER
) STRICT;

CREATE TABLE feed_sequences (
    supplier       TEXT NOT NULL REFERENCES suppliers(name),
    feed           TEXT NOT NULL,
    last_sequence  INTEGER NOT NULL CHECK (last_sequence >= 0),
    accepted_at    INTEGER NOT NULL,
    PRIMARY KEY (supplier, feed)
) STRICT, WITHOUT ROWID;
-- A number that went down would let an old, validly signed feed in again.
CREATE TRIGGER sequence_only_grows BEFORE UPDATE ON feed_sequences WHEN NEW.last_sequence <= OLD.last_sequence
    BEGIN SELECT RAISE(ABORT, 'feed sequence numbers only grow'); END;
CREATE TRIGGER sequence_is_not_deleted BEFORE DELETE ON feed_sequences
    BEGIN SELECT RAISE(ABORT, 'feed sequence numbers are not deleted'); END;

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    subject  TEXT NOT NULL,
    event    TEXT NOT NULL,
    detail   TEXT NOT NULL
) STRICT;
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events only grow'); END;
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events only grow'); END;
-- INSERT OR REPLACE passes a delete trigger on connections without recursive_triggers.
CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'events only grow'); END;
