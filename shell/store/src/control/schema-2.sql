-- Customers that were taken off a day's account again, because the call was refused for what it asked with. What was counted and what
-- was given back both only grow.

ALTER TABLE usage_days ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0 CHECK (given_back BETWEEN 0 AND customers);
CREATE TRIGGER usage_days_give_back BEFORE UPDATE ON usage_days WHEN NEW.given_back < OLD.given_back
BEGIN SELECT RAISE(ABORT, 'usage_days: only grows'); END;
