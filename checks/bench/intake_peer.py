"""Schema and ranges of a million rows by pandera and Great Expectations, beside ours; and what our whole content check takes (T1).

usage: intake_peer.py FOLDER [RESULT], with FOLDER written by `bench FOLDER intake`. Needs numpy, pandas, pandera and great_expectations. The
same 40 checks: of 20 columns each its range or its levels, and that nothing is missing. Rows are in memory on both sides: as texts
(what `read_csv` gives, plain strings in Arrow) and as categories (codes in pandas, a dictionary in Arrow). RESULT is written.
"""

import json
import logging
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

NUMBERS, CATEGORIES, RANGE = 12, 8, 6.0
LEVELS = ["north", "east", "south", "west"]


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Timed:
    """CPU seconds and seconds on the clock of what is done inside."""

    def __enter__(self):
        self.start = cpu(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.used, self.clock = cpu() - self.start[0], time.perf_counter() - self.start[1]


def rows(folder):
    numbers = np.fromfile(folder / "intake.f64", dtype="<f8").reshape(NUMBERS, -1)
    codes = np.fromfile(folder / "intake.u8", dtype="u1").reshape(CATEGORIES, -1)
    table = {f"n{at}": column for at, column in enumerate(numbers)}
    table |= {f"c{at}": pd.Categorical.from_codes(column, categories=LEVELS) for at, column in enumerate(codes)}
    return pd.DataFrame(table)


def as_read(table):
    """As `read_csv` gives it: texts as texts."""
    return table.astype({name: "str" for name in table if name.startswith("c")})


def by_pandera(table):
    number = pa.Column(float, pa.Check.in_range(-RANGE, RANGE), nullable=False)
    category = pa.Column(checks=pa.Check.isin(LEVELS), nullable=False)
    columns = {name: number if name.startswith("n") else category for name in table}
    schema = pa.DataFrameSchema(columns, strict=True)
    with Timed() as took:
        schema.validate(table, lazy=True)
    return took


def by_expectations(table):
    import great_expectations as gx
    from great_expectations import expectations as expect

    logging.disable(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    suite = context.suites.add(gx.ExpectationSuite("rows"))
    for name in table:
        suite.add_expectation(expect.ExpectColumnValuesToNotBeNull(column=name))
        if name.startswith("n"):
            suite.add_expectation(expect.ExpectColumnValuesToBeBetween(column=name, min_value=-RANGE, max_value=RANGE))
        else:
            suite.add_expectation(expect.ExpectColumnValuesToBeInSet(column=name, value_set=LEVELS))
    definition = asset.add_batch_definition_whole_dataframe("all")
    batch = definition.get_batch({"dataframe": table})
    with Timed() as took:
        found = batch.validate(suite)
    assert found.success and len(found.results) == 40, found
    return took


def main():
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    ours = json.loads((folder / "intake.json").read_text())
    table = rows(folder)
    assert len(table) == ours["rows"][0]
    lines = [f"schema and ranges, {len(table)} rows x {table.shape[1]}, 40 checks"]
    for form, frame in (("categories", table), ("texts", as_read(table))):
        used, clock, findings, whole = ours["schema"][form]
        assert findings == 0
        lines.append(f"  {form}: ours {used:.4f} CPU s, {clock:.4f} s on the clock; with a typed table and equal rows found {whole:.2f} CPU s")
        for name, check in (("pandera", by_pandera), ("great_expectations", by_expectations)):
            theirs = check(frame)
            times = f"{theirs.used / used:.1f} times our CPU s"
            lines.append(f"    {name:<20} {theirs.used:.2f} CPU s, {theirs.clock:.2f} s on the clock, {times}")
    used, clock, rate = ours["content"]
    many = ours["rows"][1]
    lines.append(f"whole content check, {many} rows x 25: {used:.1f} CPU s, {used / many * 1e6:.2f} us a row, {clock:.1f} s, {rate:,.0f} rows/s")
    print("\n".join(lines))
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text("\n".join(lines) + "\n")


main()
