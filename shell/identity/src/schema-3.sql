-- People whom a provider of the organisation vouches for (OpenID Connect): its issuer and its subject stand for one person here.
CREATE TABLE provider_accounts (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    person    TEXT NOT NULL UNIQUE REFERENCES people(name),
    bound_at  INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
