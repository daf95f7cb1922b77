-- What the pipeline did. Rows of append-only tables are numbered 1, 2, 3 ... without gaps; their triggers hold on every connection,
-- also against INSERT OR REPLACE on one without recursive_triggers. Times are Unix milliseconds.

CREATE TABLE runs (
    seq INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'refused', 'held', 'failed', 'interrupted')),
    summary TEXT CHECK (json_valid(summary)),
    CHECK ((state = 'running') = (finished_ms IS NULL))
) STRICT;
CREATE INDEX runs_by_state ON runs (state);
CREATE TRIGGER runs_grow BEFORE INSERT ON runs
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM runs)
    OR NEW.state <> 'running' OR EXISTS (SELECT 1 FROM runs WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'runs: begins running, once, and follows the last'); END;
CREATE TRIGGER runs_end_once BEFORE UPDATE ON runs
WHEN OLD.state <> 'running' OR NEW.seq <> OLD.seq OR NEW.id <> OLD.id OR NEW.started_ms <> OLD.started_ms
BEGIN SELECT RAISE(ABORT, 'runs: ends once, and its beginning stays'); END;
CREATE TRIGGER runs_stay BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'runs: stays'); END;

CREATE TABLE run_steps (
    run TEXT NOT NULL REFERENCES runs (id),
    ordinal INTEGER NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('passed', 'held', 'refused', 'failed', 'skipped')),
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    rows_in INTEGER NOT NULL CHECK (rows_in >= 0),
    rows_out INTEGER NOT NULL CHECK (rows_out >= 0),
    rows_quarantined INTEGER NOT NULL CHECK (rows_quarantined >= 0),
    evidence TEXT,
    finding TEXT CHECK (json_valid(finding)),
    PRIMARY KEY (run, ordinal)
) STRICT;
CREATE TRIGGER run_steps_grow BEFORE INSERT ON run_steps
WHEN NEW.ordinal IS NOT (SELECT coalesce(max(ordinal), 0) + 1 FROM run_steps WHERE run = NEW.run)
    OR NOT EXISTS (SELECT 1 FROM runs WHERE id = NEW.run AND state = 'running')
BEGIN SELECT RAISE(ABORT, 'run_steps: follows the last, in a run that runs'); END;
CREATE TRIGGER run_steps_fixed BEFORE UPDATE ON run_steps BEGIN SELECT RAISE(ABORT, 'run_steps: append-only'); END;
CREATE TRIGGER run_steps_stay BEFORE DELETE ON run_steps BEGIN SELECT RAISE(ABORT, 'run_steps: append-only'); END;

CREATE TABLE deployments (
    seq INTEGER NOT NULL PRIMARY KEY,
    model TEXT NOT NULL,
    receipt TEXT NOT NULL CHECK (json_valid(receipt)),
    previous TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('deploy', 'rollback')),
    by TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE TRIGGER deployments_grow BEFORE INSERT ON deployments
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM deployments)
    OR NEW.previous IS NOT (SELECT model FROM deployments ORDER BY seq DESC LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'deployments: follows the last'); END;
CREATE TRIGGER deployments_fixed BEFORE UPDATE ON deployments BEGIN SELECT RAISE(ABORT, 'deployments: append-only'); END;
CREATE TRIGGER deployments_stay BEFORE DELETE ON deployments BEGIN SELECT RAISE(ABORT, 'deployments: append-only'); END;

CREATE TABLE label_versions (
    version INTEGER NOT NULL PRIMARY KEY,
    content TEXT NOT NULL,
    author TEXT NOT NULL,
    rows INTEGER NOT NULL CHECK (rows >= 0),
    positives INTEGER NOT NULL CHECK (positives BETWEEN 0 AND rows),
    receipt TEXT NOT NULL CHECK (json_valid(receipt)),
    at_ms INTEGER NOT NULL
) STRICT;
CREATE TRIGGER label_versions_grow BEFORE INSERT ON label_versions
WHEN NEW.version IS NOT (SELECT coalesce(max(version), 0) + 1 FROM label_versions)
BEGIN SELECT RAISE(ABORT, 'label_versions: follows the last'); END;
CREATE TRIGGER label_versions_fixed BEFORE UPDATE ON label_versions
BEGIN SELECT RAISE(ABORT, 'label_versions: append-only'); END;
CREATE TRIGGER label_versions_stay BEFORE DELETE ON label_versions
BEGIN SELECT RAISE(ABORT, 'label_versions: append-only'); END;

CREATE TABLE approvals (
    seq INTEGER NOT NULL PRIMARY KEY,
    content TEXT NOT NULL,
    person TEXT NOT NULL,
    team TEXT NOT NULL,
    amr TEXT NOT NULL CHECK (json_valid(amr)),
    evidence TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (content, person)
) STRICT;
CREATE TRIGGER approvals_grow BEFORE INSERT ON approvals
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM approvals)
    OR EXISTS (SELECT 1 FROM approvals WHERE content = NEW.content AND person = NEW.person)
BEGIN SELECT RAISE(ABORT, 'approvals: follows the last, one of each person'); END;
CREATE TRIGGER approvals_fixed BEFORE UPDATE ON approvals BEGIN SELECT RAISE(ABORT, 'approvals: append-only'); END;
CREATE TRIGGER approvals_stay BEFORE DELETE ON approvals BEGIN SELECT RAISE(ABORT, 'approvals: append-only'); END;

CREATE TABLE deliveries (
    seq INTEGER NOT NULL PRIMARY KEY,
    feed TEXT NOT NULL,
    supplier TEXT NOT NULL,
    content TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    outcome TEXT NOT NULL CHECK (outcome IN ('cleared', 'held', 'refused')),
    rows INTEGER NOT NULL CHECK (rows >= 0),
    rows_held INTEGER NOT NULL CHECK (rows_held >= 0),
    receipt TEXT CHECK (json_valid(receipt)),
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_feed ON deliveries (feed, seq);
CREATE TRIGGER deliveries_grow BEFORE INSERT ON deliveries
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM deliveries)
BEGIN SELECT RAISE(ABORT, 'deliveries: follows the last'); END;
CREATE TRIGGER deliveries_fixed BEFORE UPDATE ON deliveries BEGIN SELECT RAISE(ABORT, 'deliveries: append-only'); END;
CREATE TRIGGER deliveries_stay BEFORE DELETE ON deliveries BEGIN SELECT RAISE(ABORT, 'deliveries: append-only'); END;

CREATE TABLE accepted_deliveries (
    seq INTEGER NOT NULL PRIMARY KEY,
    content TEXT NOT NULL,
    person TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (content, person)
) STRICT;
CREATE TRIGGER accepted_deliveries_grow BEFORE INSERT ON accepted_deliveries
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM accepted_deliveries)
    OR EXISTS (SELECT 1 FROM accepted_deliveries WHERE content = NEW.content AND person = NEW.person)
BEGIN SELECT RAISE(ABORT, 'accepted_deliveries: follows the last, one of each person'); END;
CREATE TRIGGER accepted_deliveries_fixed BEFORE UPDATE ON accepted_deliveries
BEGIN SELECT RAISE(ABORT, 'accepted_deliveries: append-only'); END;
CREATE TRIGGER accepted_deliveries_stay BEFORE DELETE ON accepted_deliveries
BEGIN SELECT RAISE(ABORT, 'accepted_deliveries: append-only'); END;

-- Counts only grow within a day; which customers were asked for is forgotten when the day is long over.
CREATE TABLE usage_days (
    app TEXT NOT NULL,
    day INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    customers INTEGER NOT NULL,
    PRIMARY KEY (app, day)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER usage_days_grow BEFORE UPDATE ON usage_days
WHEN NEW.app <> OLD.app OR NEW.day <> OLD.day OR NEW.calls < OLD.calls OR NEW.customers < OLD.customers
BEGIN SELECT RAISE(ABORT, 'usage_days: only grows'); END;
CREATE TRIGGER usage_days_stay BEFORE DELETE ON usage_days BEGIN SELECT RAISE(ABORT, 'usage_days: only grows'); END;

CREATE TABLE usage_customers (
    app TEXT NOT NULL,
    day INTEGER NOT NULL,
    customer BLOB NOT NULL CHECK (length(customer) = 32),
    PRIMARY KEY (app, day, customer)
) STRICT, WITHOUT ROWID;

CREATE TABLE pointers (
    name TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value))
) STRICT, WITHOUT ROWID;
CREATE TRIGGER pointers_follow BEFORE UPDATE ON pointers
WHEN NEW.name <> OLD.name OR NEW.revision <> OLD.revision + 1
BEGIN SELECT RAISE(ABORT, 'pointers: revisions follow one another'); END;
