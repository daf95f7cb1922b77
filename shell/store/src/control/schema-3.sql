-- An acceptance is for one feed, and names the evidence that proves it. What the old table said stands in the log.

DROP TABLE accepted_deliveries;
CREATE TABLE acceptances (
    seq INTEGER NOT NULL PRIMARY KEY,
    feed TEXT NOT NULL,
    content TEXT NOT NULL,
    person TEXT NOT NULL,
    evidence TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (feed, content, person)
) STRICT;
CREATE TRIGGER acceptances_grow BEFORE INSERT ON acceptances
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM acceptances)
    OR EXISTS (SELECT 1 FROM acceptances WHERE feed = NEW.feed AND content = NEW.content AND person = NEW.person)
BEGIN SELECT RAISE(ABORT, 'acceptances: follows the last, one of each person'); END;
CREATE TRIGGER acceptances_fixed BEFORE UPDATE ON acceptances BEGIN SELECT RAISE(ABORT, 'acceptances: append-only'); END;
CREATE TRIGGER acceptances_stay BEFORE DELETE ON acceptances BEGIN SELECT RAISE(ABORT, 'acceptances: append-only'); END;
