"""Another program reads our tables (T6): delta-rs and pandas must find the rows and the history that we wrote.

    cargo run -p store --example make_table -- /tmp/table
    pip install deltalake pandas pyarrow
    cargo build -p store --example check_table
    python checks/peers/delta_peer.py /tmp/table target/debug/examples/check_table

It also tries on copies what delta.appendOnly is there to stop, and what it does not stop; the second program, which is ours,
must then say what was done. Exit code 0: all as expected.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pandas
from deltalake import DeltaTable, write_deltalake

START = pandas.Timestamp("2026-01-01T00:00:00Z")
APPENDS = [5, 1, 200_000]
CHARGES = "Monthly Charges (EUR)"


def expect(what, found, wanted):
    print(("ok      " if found == wanted else "WRONG   ") + f"{what}: {found!r}" + ("" if found == wanted else f", not {wanted!r}"))
    return found == wanted


def rows_are_right(frame, count):
    number = frame["customer"].str[1:].astype(int)
    good = [
        len(frame) == count,
        sorted(number) == list(range(count)),
        (frame["calls"] == number).all(),
        (frame["churned"] == (number % 3 == 0)).all(),
        (frame["since"] == START - pandas.to_timedelta(number * 3600, unit="s")).all(),
        (frame[CHARGES].isna() == (number % 7 == 0)).all(),
        (frame[CHARGES].dropna() == (number / 4)[number % 7 != 0]).all(),
    ]
    return all(bool(one) for one in good)


def main(folder, checker):
    table = DeltaTable(folder)
    good = [
        expect("version", table.version(), 3),
        expect("protocol", (table.protocol().min_reader_version, table.protocol().min_writer_version), (1, 2)),
        expect("name", table.metadata().name, "customers"),
        expect("properties", dict(table.metadata().configuration), {"delta.appendOnly": "true"}),
        expect("columns", [(field.name, field.type.type, field.nullable) for field in table.schema().fields], [
            ("customer", "string", False), (CHARGES, "double", True), ("calls", "long", True), ("churned", "boolean", True),
            ("since", "timestamp", True)]),
        expect("rows of the newest version", rows_are_right(table.to_pandas(), sum(APPENDS)), True),
    ]
    for version in range(4):
        frame = DeltaTable(folder, version=version).to_pandas()
        good.append(expect(f"rows of version {version}", rows_are_right(frame, sum(APPENDS[:version])), True))
    history = table.history()
    good.append(expect("operations", [one["operation"] for one in history], ["WRITE", "WRITE", "WRITE", "CREATE TABLE"]))
    good.append(expect("receipts", [one.get("staywardReceipt") for one in history], ["receipt-3", "receipt-2", "receipt-1", None]))
    digests = ["sha256:" + hashlib.sha256(f"delivery {at}".encode()).hexdigest() for at in (3, 2, 1)]
    good.append(expect("deliveries", [one.get("staywardContent") for one in history][:3], digests))
    files = sorted(pathlib.Path(folder).glob("*.parquet"))
    good.append(expect("data files are named by their digest", all(
        hashlib.sha256(file.read_bytes()).hexdigest() == file.stem for file in files) and len(files), 3))
    adds = table.get_add_actions(flatten=True)
    good.append(expect("rows by file", sorted(adds.column("num_records").to_pylist()), sorted(APPENDS)))
    good += attempts(folder, checker)
    print(f"{sum(good)} of {len(good)} as expected")
    return 0 if all(good) else 1


def attempts(folder, checker):
    """What another writer can do to a copy."""
    def violations(table):
        return subprocess.run([checker, str(table)], capture_output=True, text=True, check=False).stdout

    def attempt(what, wanted, words, do):
        with tempfile.TemporaryDirectory() as scratch:
            copy = pathlib.Path(scratch) / "table"
            shutil.copytree(folder, copy)
            for path in copy.rglob("*"):
                path.chmod(0o700)
            try:
                do(DeltaTable(copy), copy)
                said = "allowed"
            except Exception as error:  # whatever it is called in this version
                said = "refused"
                print("        " + str(error).splitlines()[0][:120])
            found = violations(copy)
            told = all(word in found for word in words) if words else found == "sound\n"
            print("        our check: " + found.splitlines()[0])
            return expect(what, (said, told), (wanted, True))

    return [
        attempt("delete", "refused", [], lambda table, _: table.delete("calls = 1")),
        attempt("overwrite", "refused", [], lambda table, copy: write_deltalake(copy, table.to_pandas().head(1), mode="overwrite")),
        attempt("append by another program", "allowed", ["00004.json`: it was not written by this program"],
                lambda table, copy: write_deltalake(copy, table.to_pandas().head(1), mode="append")),
        attempt("restore", "allowed", ["00004.json`: its operation is `RESTORE`"], lambda table, _: table.restore(1)),
        attempt("unset appendOnly", "allowed", ["00004.json`: its operation is `SET TBLPROPERTIES`"],
                lambda table, _: table.alter.set_table_properties({"delta.appendOnly": "false"})),
        attempt("checkpoint", "allowed", ["_last_checkpoint`: it does not belong here"], lambda table, _: table.create_checkpoint()),
        attempt("vacuum after restore", "allowed", ["RESTORE", "VACUUM", ".parquet`: it is missing"], lambda table, _: (
            table.restore(1), table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False))),
    ]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
