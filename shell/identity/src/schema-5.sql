-- Certificates that machines prove themselves with: only those that stand here and were not ended are good, whatever TLS says.
CREATE TABLE workload_certificates (
    serial      TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;
