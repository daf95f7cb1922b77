"""A real PostgreSQL judges the connector (T1): Debian's server, with TLS by an authority made here, and roles of every kind.

Of a role that may read the agreed columns only, the rows must come in as the server's own COPY gives them. Every set-up that lets the
role do more must be refused with its own reason; where it can be shown, the role first does what it must not be able to (as psql, without
our program); then psql runs exactly the SQL that `stayward source check --sql` prints, after which the check passes and the act fails.

usage: postgres_peer.py STAYWARD WORK
       $POSTGRES_BIN: the folder with another server's `initdb`, `pg_ctl` and `postgres`
"""

import csv
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

STAYWARD, WORK = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
PASSWORD = "correct horse; battery 'staple'"
ROWS = 400
judged = []


def run(*command, text=None, env=None, ok=True):
    done = subprocess.run([str(part) for part in command], input=text, text=True, capture_output=True, env={**os.environ, **(env or {})})
    assert not ok or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """One cluster in a folder of its own, run by somebody without rights."""

    def __init__(self, folder):
        debian = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self.bin = pathlib.Path(os.environ.get("POSTGRES_BIN") or debian[-1])
        self.folder, self.port = folder, free_port()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        links = self.bin.parent / "pg-symlinks.json"
        if links.exists():
            # A package of Node's cannot hold links; it lists them, from the folder above.
            shutil.copytree(self.bin.parent, folder / "package" / "native")
            for link in json.loads(links.read_text()):
                (folder / "package" / link["target"]).symlink_to(folder / "package" / link["source"])
            self.bin = folder / "package" / "native" / "bin"
            for program in self.bin.iterdir():
                program.chmod(0o755)
        self.other = os.getuid() == 0
        self.authority("ca")
        self.authority("stranger")
        self.certificate("server", "localhost", "ca")
        self.certificate("elsewhere", "db.elsewhere.example", "ca")
        if self.other:
            for path in [folder, *folder.iterdir()]:
                shutil.chown(path, "nobody")
        self.own("initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C")
        self.configure()
        self.own("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "start")

    def own(self, program, *arguments):
        prefix = ["runuser", "-u", "nobody", "--"] if self.other else []
        run(*prefix, self.bin / program, *arguments)

    def authority(self, name):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem")

    def certificate(self, name, host, authority):
        path = self.folder / name
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
            "-keyout", f"{path}.key", "-out", f"{path}.csr")
        path.with_suffix(".ext").write_text(f"subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\n")
        run("openssl", "x509", "-req", "-in", f"{path}.csr", "-CA", self.folder / f"{authority}.pem", "-CAkey", self.folder / f"{authority}.key",
            "-CAcreateserial", "-days", "2", "-extfile", path.with_suffix(".ext"), "-out", f"{path}.pem")
        os.chmod(f"{path}.key", 0o600)

    def configure(self, certificate="server", ssl="on", method="scram-sha-256"):
        data = self.folder / "data"
        (data / "postgresql.auto.conf").write_text(
            f"port = {self.port}\nlisten_addresses = 'localhost'\nunix_socket_directories = '{self.folder}'\nfsync = off\nssl = {ssl}\n"
            f"ssl_cert_file = '{self.folder}/{certificate}.pem'\nssl_key_file = '{self.folder}/{certificate}.key'\n"
        )
        (data / "pg_hba.conf").write_text(f"local all postgres trust\nlocal all all {method}\nhost all all localhost {method}\n")

    def reload(self, **settings):
        self.configure(**settings)
        self.own("pg_ctl", "-D", self.folder / "data", "-w", "-m", "fast", "-l", self.folder / "log", "restart")

    def stop(self):
        self.own("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")

    def admin(self, sql, database="crm", ok=True):
        """As the superuser, by the socket."""
        command = ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", database]
        return run(*command, "-f", "-", text=sql, ok=ok)

    def reader(self, sql):
        """As the role that reads, as an outsider who has its password would."""
        env = {"PGPASSWORD": PASSWORD, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(self.folder / "ca.pem")}
        command = ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", "localhost", "-p", self.port, "-U", "reader", "-d", "crm"]
        return run(*command, "-f", "-", text=sql, env=env, ok=False)


ROLES = "reader, writer, helper, crm_owner, alice"
CLEAN = f"""
DROP DATABASE IF EXISTS crm WITH (FORCE);
DROP DATABASE IF EXISTS other WITH (FORCE);
DO $$ DECLARE one text; BEGIN
    FOREACH one IN ARRAY string_to_array('{ROLES}', ', ') LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = one) THEN
            EXECUTE format('DROP OWNED BY %I; DROP ROLE %I', one, one);
        END IF;
    END LOOP;
END $$;
"""
GOOD = f"""
CREATE ROLE crm_owner;
CREATE ROLE reader LOGIN PASSWORD '{PASSWORD.replace("'", "''")}';
"""
TABLE = f"""
REVOKE TEMPORARY ON DATABASE crm FROM PUBLIC;
CREATE SCHEMA crm AUTHORIZATION crm_owner;
SET ROLE crm_owner;
CREATE TYPE crm.plan AS ENUM ('basic', 'plus', 'pro');
CREATE DOMAIN crm.money AS numeric(10, 2);
CREATE TABLE crm.customers (
    customer_id text PRIMARY KEY, email text NOT NULL, region text NOT NULL, plan crm.plan NOT NULL, tenure integer NOT NULL,
    spend crm.money, active boolean NOT NULL, since timestamptz NOT NULL, churned text NOT NULL);
INSERT INTO crm.customers
SELECT 'c' || lpad(i::text, 4, '0'), 'c' || i || '@example.com', (ARRAY['north', 'south'])[1 + i % 2],
    (ARRAY['basic', 'plus', 'pro'])[1 + i * 7 % 3]::crm.plan, 1 + i * 37 % 72,
    CASE WHEN i % 50 <> 0 THEN (i * 7919 % 11483)::numeric / 100 END, i * 13 % 5 < 3,
    timestamptz '2025-01-01 00:00:00+00' + make_interval(days => i % 360), CASE WHEN i * 37 % 72 < 20 AND i % 4 < 3 OR i % 11 = 0 THEN 'yes' ELSE 'no' END
FROM generate_series(1, {ROWS}) AS i;
CREATE TABLE crm.orders (id serial PRIMARY KEY, customer_id text, amount numeric);
INSERT INTO crm.orders (customer_id, amount) VALUES ('c0001', 5);
GRANT USAGE ON SCHEMA crm TO reader;
RESET ROLE;
"""
COLUMNS = "customer_id, plan, tenure, spend, active, since, churned"
GRANT = f"GRANT SELECT ({COLUMNS}) ON crm.customers TO reader;"


def fresh(server, more="", grant=GRANT):
    server.admin(CLEAN, database="postgres")
    server.admin(GOOD + "CREATE DATABASE crm OWNER postgres;", database="postgres")
    server.admin(TABLE + grant + more)


class Project:
    """A project whose customers come from the server."""

    def __init__(self, server, folder, **source):
        self.folder, self.server = folder, server
        shutil.rmtree(folder, ignore_errors=True)
        credentials = folder.with_suffix(".json")
        credentials.unlink(missing_ok=True)
        start = folder.with_suffix(".csv")
        start.write_text(server.admin(f"COPY (SELECT {self.shape()} FROM crm.customers ORDER BY customer_id) TO STDOUT (FORMAT csv, HEADER)").stdout)
        run(STAYWARD, "init", "--quiet", "--project", folder, "--data", start, "--target", "churned", "--base", "accurate", "--credentials", credentials)
        self.policy = (folder / "stayward.toml").read_text().replace('connectors = ["file"]', 'connectors = ["postgres"]\nconnector = "postgres"')
        self.policy = self.policy.replace(f'data = "{start}"\n', "")
        self.write(**source)
        self.login("admin", credentials)
        done = run(STAYWARD, "--project", folder, "vault", "put", "postgres-reader", "--file", "-", text=PASSWORD + "\n")
        assert PASSWORD not in done.stdout + done.stderr
        self.login("owner", credentials)

    def login(self, person, credentials):
        """`init` used the owner's code of this half minute."""
        for _ in range(40):
            if self("login", person, "--credentials", credentials, ok=False).returncode == 0:
                return
            time.sleep(1)
        raise AssertionError(f"{person} cannot log in")

    @staticmethod
    def shape():
        return COLUMNS.replace("active", "active::text").replace("since", "to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS since")

    def write(self, table="crm.customers", host="localhost", ca="ca", labels="", extra=""):
        where = f'host = "{host}"\nca = "{self.server.folder}/{ca}.pem"' if host else f'socket = "{self.server.folder}"'
        text = self.policy + f'\n[source.postgres]\n{where}\nport = {self.server.port}\ndatabase = "crm"\nrole = "reader"\ntable = \'{table}\'\n{extra}\n'
        (self.folder / "stayward.toml").write_text(text.replace('labels = ""', f'labels = "{labels}"'))

    def __call__(self, *arguments, ok=True):
        return run(STAYWARD, "--project", self.folder, *arguments, ok=ok)

    def check(self):
        done = self("source", "check", "--output", "json", ok=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}, done.stderr

    def source(self, ok=True):
        return self("run", "--from", "data-source", "--to", "data-source", "--output", "json", ok=ok)

    def delivered(self):
        """Rows of the newest delivery that was archived."""
        held = [path for path in (self.folder / "objects").rglob("*") if path.is_file() and path.read_bytes().startswith(b'"customer_id"')]
        newest = max(held, key=lambda path: path.stat().st_mtime_ns)
        return list(csv.DictReader(io.StringIO(newest.read_text())))


def rows_of(server, where=""):
    text = server.admin(f"COPY (SELECT {Project.shape()} FROM crm.customers {where} ORDER BY customer_id) TO STDOUT (FORMAT csv, HEADER)").stdout
    return list(csv.DictReader(io.StringIO(text)))


def good(server, project):
    code, found, said = project.check()
    assert (code, found.get("found")) == (0, []), (code, found, said)
    project.source()
    expected = rows_of(server)
    assert len(expected) == ROWS and any(row["spend"] == "" for row in expected)
    assert project.delivered() == expected, "the rows are not those of COPY"
    import deltalake

    stored = deltalake.DeltaTable(str(project.folder / "source" / "customers")).to_pyarrow_table().to_pylist()
    by_id = {row["customer_id"]: row for row in stored}
    assert len(stored) == ROWS and "churned" not in stored[0] and "email" not in stored[0]
    for row in expected:
        found = by_id[row["customer_id"]]
        assert found["tenure"] == float(row["tenure"]) and found["plan"] == row["plan"] and str(found["active"]).lower() == row["active"], (row, found)
        assert found["spend"] == (float(row["spend"]) if row["spend"] else None), (row, found)
    again = json.loads(project.source().stdout)
    assert [step["state"] for step in again["steps"]] == ["unchanged"], again
    log = json.loads(project("source", "log", "--output", "json").stdout)
    assert [version["rows"] for version in log] == [ROWS], log
    project("label", "propose")
    project("label", "approve")
    project("run", "--from", "label-qa", "--to", "label-qa")
    for path in project.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), f"the password is in {path}"
    judged.append("good role")


SINCE_16, SINCE_17 = "16: ", "17: "
# Name, what makes the set-up, the kinds that must be found, and what the role could do by it (as psql; none where it cannot be shown).
HOSTILE = [
    ("member that does not inherit", "CREATE ROLE writer; GRANT USAGE ON SCHEMA crm TO writer; GRANT UPDATE, SELECT ON crm.customers TO writer;"
     "ALTER ROLE reader NOINHERIT; GRANT writer TO reader;", {"write", "other-column"},
     "SET default_transaction_read_only = off; SET ROLE writer; UPDATE crm.customers SET tenure = 1 WHERE customer_id = 'c0001'"),
    ("member of a member", "CREATE ROLE helper; CREATE ROLE writer; GRANT DELETE ON crm.orders TO writer; GRANT USAGE ON SCHEMA crm TO writer;"
     "GRANT writer TO helper; GRANT helper TO reader;", {"write"}, "SET ROLE writer; DELETE FROM crm.orders"),
    ("admin option", "CREATE ROLE helper; GRANT helper TO reader WITH ADMIN OPTION; CREATE ROLE alice; SET ROLE reader; GRANT helper TO alice; RESET ROLE;",
     {"admin-option"}, "REVOKE helper FROM alice"),
    (SINCE_16 + "member that may only inherit", "CREATE ROLE writer; GRANT DELETE ON crm.orders TO writer; GRANT writer TO reader WITH INHERIT TRUE, SET FALSE;",
     {"write"}, "DELETE FROM crm.orders"),
    (SINCE_16 + "member that may only set the role", "CREATE ROLE writer; GRANT DELETE ON crm.orders TO writer; GRANT USAGE ON SCHEMA crm TO writer;"
     "GRANT writer TO reader WITH INHERIT FALSE, SET TRUE;", {"write"}, "SET ROLE writer; DELETE FROM crm.orders"),
    (SINCE_16 + "member by another's grant", "CREATE ROLE alice; CREATE ROLE writer; GRANT DELETE ON crm.orders TO writer; GRANT writer TO alice WITH ADMIN OPTION;"
     "SET ROLE alice; GRANT writer TO reader; RESET ROLE;", {"write"}, "DELETE FROM crm.orders"),
    (SINCE_17 + "maintenance", "GRANT MAINTAIN ON crm.customers TO reader;", {"write"}, None),
    ("superuser", "ALTER ROLE reader SUPERUSER;", {"superuser"}, "SELECT email FROM crm.customers LIMIT 1"),
    ("create role", "ALTER ROLE reader CREATEROLE;", {"create-role"}, "CREATE ROLE helper"),
    ("create database", "ALTER ROLE reader CREATEDB;", {"create-database"}, "CREATE DATABASE other"),
    ("replication", "ALTER ROLE reader REPLICATION;", {"replication"}, None),
    ("bypasses row-level security", "ALTER ROLE reader BYPASSRLS;", {"bypass-row-security"}, None),
    ("owner of the table", "ALTER TABLE crm.customers OWNER TO reader;", {"ownership"}, "DELETE FROM crm.customers WHERE false"),
    ("owner of the database", "ALTER DATABASE crm OWNER TO reader;", {"ownership"}, "CREATE SCHEMA mine"),
    ("owner in another database", "CREATE ROLE alice; CREATE DATABASE other;\n\\connect other\nSET ROLE reader; RESET ROLE; CREATE SCHEMA away AUTHORIZATION alice;"
     "GRANT alice TO reader;\n\\connect crm\n", {"ownership"}, None),
    ("update of one column", "GRANT UPDATE (tenure) ON crm.customers TO reader;", {"write"}, "UPDATE crm.customers SET tenure = 2 WHERE false"),
    ("update for everybody", "GRANT UPDATE ON crm.customers TO PUBLIC;", {"write"}, "UPDATE crm.customers SET tenure = 2"),
    ("truncate", "GRANT TRUNCATE ON crm.orders TO reader;", {"write"}, "TRUNCATE crm.orders"),
    ("trigger", "GRANT TRIGGER ON crm.customers TO reader;", {"write"}, None),
    ("references", "GRANT REFERENCES (customer_id) ON crm.customers TO reader;", {"write"}, None),
    ("temporary tables", "GRANT TEMPORARY ON DATABASE crm TO PUBLIC;", {"temporary"}, "CREATE TEMPORARY TABLE t (x int)"),
    ("create in the database", "GRANT CREATE ON DATABASE crm TO reader;", {"database-create"}, "CREATE SCHEMA mine"),
    ("create in a schema", "GRANT CREATE ON SCHEMA public TO PUBLIC;", {"schema-create"}, "CREATE TABLE public.mine (x int)"),
    ("function with another's rights", "SET ROLE crm_owner; CREATE FUNCTION crm.email(id text) RETURNS text SECURITY DEFINER LANGUAGE sql AS "
     "$$ SELECT email FROM crm.customers WHERE customer_id = id $$; RESET ROLE;", {"security-definer"}, "SELECT crm.email('c0001')"),
    ("function in a language without bounds", "CREATE LANGUAGE anything HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler;"
     "CREATE FUNCTION crm.anything() RETURNS int LANGUAGE anything AS 'BEGIN RETURN 1; END';", {"untrusted-language"}, "SELECT crm.anything()"),
    ("writes all data", "GRANT pg_write_all_data TO reader;", {"predefined-role"}, "UPDATE crm.customers SET tenure = 3 WHERE true"),
    ("reads all data", "GRANT pg_read_all_data TO reader;", {"predefined-role"}, "SELECT email FROM crm.customers"),
    ("runs programs of the server", "GRANT pg_execute_server_program TO reader;", {"predefined-role"}, "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null'"),
    ("extra column", "GRANT SELECT (email) ON crm.customers TO reader;", {"other-column"}, "SELECT email FROM crm.customers"),
    ("whole table", "GRANT SELECT ON crm.customers TO reader;", {"other-column"}, "SELECT * FROM crm.customers"),
    ("second table", "GRANT SELECT ON crm.orders TO PUBLIC;", {"other-relation"}, "SELECT * FROM crm.orders"),
    ("table with a hostile name", 'CREATE TABLE crm."x""; DROP TABLE crm.customers; --" (y int);'
     'GRANT DELETE ON crm."x""; DROP TABLE crm.customers; --" TO reader;', {"write"}, 'DELETE FROM crm."x""; DROP TABLE crm.customers; --"'),
    ("sequence", "GRANT USAGE ON SEQUENCE crm.orders_id_seq TO reader;", {"sequence"}, "SELECT nextval('crm.orders_id_seq')"),
    ("large object", "SELECT lo_from_bytea(4711, 'x'); GRANT SELECT, UPDATE ON LARGE OBJECT 4711 TO reader;", {"large-object"}, "SELECT lo_put(4711, 0, 'y')"),
    ("default privileges", "ALTER DEFAULT PRIVILEGES FOR ROLE crm_owner IN SCHEMA crm GRANT SELECT ON TABLES TO reader;", {"default-privilege"}, None),
    ("default privileges everywhere", "ALTER DEFAULT PRIVILEGES FOR ROLE crm_owner GRANT INSERT ON TABLES TO PUBLIC;", {"default-privilege"}, None),
    ("foreign server", "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far; GRANT USAGE ON FOREIGN SERVER away TO reader;"
     "CREATE USER MAPPING FOR reader SERVER away;", {"foreign-server"}, None),
    ("file functions of the server", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO reader;", {"catalogue"}, "SELECT pg_read_file('PG_VERSION')"),
    ("password hashes", "GRANT SELECT ON pg_authid TO reader;", {"catalogue"}, "SELECT rolpassword FROM pg_authid"),
    ("setting of the server", "GRANT SET ON PARAMETER session_replication_role TO reader;", {"parameter"}, "SET session_replication_role = replica"),
    ("right to pass on", f"REVOKE SELECT ({COLUMNS}) ON crm.customers FROM reader; GRANT SELECT ({COLUMNS}) ON crm.customers TO reader WITH GRANT OPTION;",
     {"grant-option"}, None),
    ("right that another gave", "CREATE ROLE alice; GRANT USAGE ON SCHEMA crm TO alice; GRANT UPDATE ON crm.orders TO alice WITH GRANT OPTION;"
     "SET ROLE alice; GRANT UPDATE ON crm.orders TO reader; RESET ROLE;", {"write"}, "UPDATE crm.orders SET amount = 1"),
    ("agreed column that is not granted", "REVOKE SELECT (tenure) ON crm.customers FROM reader;", {"unreadable"}, None),
]


def hostile(server, project):
    version = int(server.admin("SHOW server_version_num", database="postgres").stdout)
    for name, setup, kinds, act in HOSTILE:
        least = name.split(": ")[0]
        if "PARAMETER" in setup and version < 150000 or least.isdigit() and version < int(least) * 10000:
            continue
        fresh(server, setup)
        code, found, said = project.check()
        assert code == 1 and {one["kind"] for one in found["found"]} == kinds, (name, code, found.get("found"), said)
        assert all(one["mend"] for one in found["found"]), (name, found["found"])
        # The act ends without a trace, so that it can be tried again.
        tried = act and (act if "DATABASE" in act else f"BEGIN; {act}; ROLLBACK")
        if tried:
            done = server.reader(tried)
            assert done.returncode == 0, f"{name}: psql could not show it: {done.stderr}"
            server.admin("DROP DATABASE IF EXISTS other", database="postgres", ok=name != "owner in another database")
        refused = project.source(ok=False)
        assert refused.returncode == 1 and "source-database-role" in refused.stdout + refused.stderr, (name, refused.stdout, refused.stderr)
        sql = project("source", "check", "--sql", ok=False)
        assert sql.returncode == 1 and sql.stdout.startswith("\\set ON_ERROR_STOP on\nBEGIN;\n"), (name, sql.stdout)
        server.admin(sql.stdout)
        code, found, said = project.check()
        assert (code, found.get("found")) == (0, []), (name, sql.stdout, found.get("found"), said)
        if tried:
            done = server.reader(tried)
            assert done.returncode != 0, f"{name}: it is still possible after {sql.stdout}"
        project.source()
        judged.append(name)
    hostile_count = len(judged) - 1
    if version >= 160000:
        fresh(server, "CREATE ROLE writer; GRANT DELETE ON crm.orders TO writer; GRANT writer TO reader WITH INHERIT FALSE, SET FALSE;")
        assert server.reader("SET ROLE writer").returncode != 0
        assert project.check()[0] == 0, "a membership that gives nothing is no excess"
        judged.append("membership that gives nothing")
    return hostile_count


def row_security(server, project):
    """An owner's view shows everybody; a table with a policy shows one tenant."""
    tenant = 'tenant = { setting = "app.tenant", value = "north" }'
    policy = "CREATE POLICY tenant ON crm.customers FOR SELECT USING (region = current_setting('app.tenant', true));"
    fresh(server, policy)
    project.write(extra=tenant)
    code, found, _ = project.check()
    assert code == 1 and {one["kind"] for one in found["found"]} == {"row-security-off"}, found
    server.admin(project("source", "check", "--sql", ok=False).stdout)
    assert project.check()[0] == 0
    project.source()
    assert project.delivered() == rows_of(server, "WHERE region = 'north'")
    project.write(extra=tenant.replace("north", "nowhere"))
    none = project.source(ok=False)
    assert none.returncode == 2 and "no rows" in none.stdout + none.stderr, none
    judged.append("one tenant's rows")

    view = f"SET ROLE crm_owner; CREATE VIEW crm.seen AS SELECT {COLUMNS} FROM crm.customers; RESET ROLE; GRANT SELECT ON crm.seen TO reader;"
    enabled = "ALTER TABLE crm.customers ENABLE ROW LEVEL SECURITY;"
    fresh(server, policy + enabled + view, grant="")
    project.write(table="crm.seen", extra=tenant)
    assert server.reader("SELECT count(*) FROM crm.seen").stdout.strip() == str(ROWS), "the view should show everybody"
    code, found, _ = project.check()
    assert code == 1 and {one["kind"] for one in found["found"]} == {"view-of-owner"}, found
    server.admin(project("source", "check", "--sql", ok=False).stdout)
    code, found, _ = project.check()
    assert code == 0, found
    assert server.reader("SELECT count(*) FROM crm.seen").stdout.strip() == "0"
    project.source()
    assert project.delivered() == rows_of(server, "WHERE region = 'north'")
    project.write()
    judged.append("owner's view")


def ways(server, project):
    """Who is not the pinned server, or does not encrypt, is told no password."""

    def refused(name, part, **settings):
        project.write(**settings)
        code, _, said = project.check()
        assert code == 2 and part in said, (name, code, said)
        assert PASSWORD not in said
        project.write()
        judged.append(name)

    fresh(server)
    refused("another authority", "UnknownIssuer", ca="stranger")
    refused("another name", "certificate not valid for name", host="127.0.0.1")
    refused("no such table", "no table or view", table="crm.nothing")
    server.reload(certificate="elsewhere")
    refused("certificate of another server", "certificate not valid for name")
    server.reload(ssl="off")
    refused("no TLS", "does not support TLS")
    server.reload(method="password")
    refused("password in clear", "channel binding")
    server.reload(method="md5")
    server.admin(f"SET password_encryption = md5; ALTER ROLE reader PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    refused("md5", "channel binding")
    server.reload()
    fresh(server)
    server.admin("ALTER ROLE reader PASSWORD 'another'")
    refused("wrong password", "28P01")
    fresh(server)
    project.write(host="")
    assert project.check()[0] == 0, "by the socket"
    project.write()
    # Rows that were there before and were followed by others are a replay, by whatever connector they come.
    replayed = project.source(ok=False)
    assert replayed.returncode == 1 and "source-append-only" in replayed.stdout + replayed.stderr, replayed
    server.admin("UPDATE crm.customers SET tenure = tenure + 1 WHERE customer_id = 'c0009'")
    project.source()
    judged.append("by the socket")


def values(server, project):
    """What has no exact form is refused by its column's name."""
    for name, change, part in [
        ("not a number", "UPDATE crm.customers SET spend = 'NaN' WHERE customer_id = 'c0007'", "column `spend`"),
        ("time that the contract's format drops", "UPDATE crm.customers SET since = since + interval '5 hours' WHERE customer_id = 'c0007'", "column `since`"),
        ("line end", "UPDATE crm.customers SET customer_id = E'c\\n7' WHERE customer_id = 'c0007'", "column `customer_id`"),
        ("type without a form", "ALTER TABLE crm.customers ALTER tenure TYPE interval USING make_interval(days => tenure)", "column `tenure`"),
        ("column that is gone", "ALTER TABLE crm.customers RENAME tenure TO months", "no column `tenure`"),
    ]:
        fresh(server, change)
        done = project.source(ok=False)
        assert done.returncode == 2 and part in done.stdout + done.stderr, (name, done.returncode, done.stdout, done.stderr)
        judged.append(name)


def snapshot(server, project):
    """While others move money between customers, every export is one moment: the sum never changes."""
    fresh(server, "UPDATE crm.customers SET spend = 60;")
    stop, moves = threading.Event(), []

    def move():
        while not stop.is_set():
            at = len(moves) * 7 % (ROWS - 1) + 1
            ids = f"'c{at:04}'", f"'c{at + 1:04}'"
            sql = f"BEGIN; UPDATE crm.customers SET spend = spend + 1 WHERE customer_id = {ids[0]}; UPDATE crm.customers SET spend = spend - 1 WHERE customer_id = {ids[1]}; COMMIT;"
            server.admin(sql * 20)
            moves.append(at)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(5):
            before = len(moves)
            project.source()
            rows = project.delivered()
            assert len(rows) == ROWS and round(sum(float(row["spend"]) for row in rows), 2) == 60 * ROWS
            assert len(moves) > before, "nobody moved anything meanwhile"
    finally:
        stop.set()
        mover.join()
    judged.append("one snapshot")


def pseudonyms(server):
    """Neither the export nor the labels of a file name anybody, and they still belong together."""
    fresh(server)
    project = Project(server, WORK / "named-otherwise")
    labels = WORK / "labels.csv"
    labels.write_text("customer_id,since,churned\n" + "".join(f"{row['customer_id']},{row['since']},{row['churned']}\n" for row in rows_of(server)))
    project.write(labels=labels, extra="pseudonyms = true")
    server.admin("REVOKE SELECT (churned) ON crm.customers FROM reader")
    project.source()
    first = project.delivered()
    assert len({row["customer_id"] for row in first}) == ROWS and all(re.fullmatch("[0-9a-f]{32}", row["customer_id"]) for row in first)
    project("label", "propose")
    project("label", "approve")
    project("run", "--from", "label-qa", "--to", "label-qa")
    project("run", "--from", "segmentation", "--to", "segmentation")
    blame = json.loads(project("source", "blame", "c0001", "--output", "json").stdout)
    assert blame["rows"] and blame["labels"], blame
    # The contract's comments are of the file that `init` guessed from.
    for path in set(project.folder.rglob("*")) - {project.folder / "contract.toml"}:
        assert not path.is_file() or b"c0001" not in path.read_bytes(), f"an id is in {path}"
    server.admin("UPDATE crm.customers SET tenure = tenure + 1 WHERE customer_id = 'c0001'")
    project.source()
    assert {row["customer_id"] for row in project.delivered()} == {row["customer_id"] for row in first}, "pseudonyms changed"
    judged.append("pseudonyms")


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    # Beside the project, in a folder that somebody without rights can enter.
    folder = pathlib.Path("/tmp") / f"stayward-postgres-{os.getpid()}"
    server = Server(folder)
    try:
        fresh(server)
        project = Project(server, WORK / "project")
        good(server, project)
        refused = hostile(server, project)
        row_security(server, project)
        ways(server, project)
        values(server, project)
        snapshot(server, project)
        pseudonyms(server)
        version = server.admin("SHOW server_version", database="postgres").stdout.split()[0]
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{version}: {refused} hostile roles refused and mended by the printed SQL, {len(judged)} set-ups in all")


main()
