-- What a session and a link say is sealed: whoever writes to this file cannot make one, nor give one another person or a second factor.
-- Those from before have no seal, and end with this step.
ALTER TABLE sessions ADD COLUMN seal BLOB;
ALTER TABLE login_links ADD COLUMN seal BLOB;
