-- Keys of other programs: `public_key_pem` holds what the scheme writes; no scheme is an ECDSA P-256 key in PEM, as before.
ALTER TABLE supplier_keys ADD COLUMN scheme TEXT CHECK (scheme IN ('minisign', 'ssh', 'openpgp'));
