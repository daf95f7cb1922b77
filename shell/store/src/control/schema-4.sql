-- What people proposed for rows in quarantine, and who signed it. What it is about stands in an object; each row names its evidence.

CREATE TABLE quarantine_decisions (
    seq INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('proposal', 'approval')),
    content TEXT NOT NULL,
    person TEXT NOT NULL,
    evidence TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (kind, content)
) STRICT;
CREATE TRIGGER quarantine_decisions_grow BEFORE INSERT ON quarantine_decisions
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM quarantine_decisions)
    OR EXISTS (SELECT 1 FROM quarantine_decisions WHERE kind = NEW.kind AND content = NEW.content)
BEGIN SELECT RAISE(ABORT, 'quarantine_decisions: follows the last, one of each kind'); END;
CREATE TRIGGER quarantine_decisions_fixed BEFORE UPDATE ON quarantine_decisions
BEGIN SELECT RAISE(ABORT, 'quarantine_decisions: append-only'); END;
CREATE TRIGGER quarantine_decisions_stay BEFORE DELETE ON quarantine_decisions
BEGIN SELECT RAISE(ABORT, 'quarantine_decisions: append-only'); END;
