"""Rows that a real company could ask about: the demo's customers at their last moment, each with the lowest price of its region's market
in the delivery that the demo accepted. Not a peer; read by those that are clients."""

import csv
from pathlib import Path

DELIVERY = "2-next-week.csv"


def customers(project):
    """Whole rows, as texts by column; rows with a gap are left out."""
    project = Path(project)
    lowest = {}
    with open(project / "inbox" / "market" / DELIVERY, newline="") as market:
        for offer in csv.DictReader(market):
            price = lowest.get(offer["region"])
            lowest[offer["region"]] = min(price or offer["price"], offer["price"], key=float)
    with open(project / "incoming" / "customers.csv", newline="") as table:
        rows = [row for row in csv.DictReader(table) if "" not in row.values()]
    last = max(row["cutoff"] for row in rows)
    with open(project / "incoming" / "labels.csv", newline="") as table:
        left = {row["customer_id"] for row in csv.DictReader(table) if row["churned"] == "yes" and row["cutoff"] == last}
    rows = [{**row, "competitor_price": lowest[row["region"]]} for row in rows if row["cutoff"] == last]
    # Who left and who stayed in turns: the first few hold both.
    gone = [row for row in rows if row["customer_id"] in left]
    here = [row for row in rows if row["customer_id"] not in left]
    in_turns = [row for pair in zip(gone, here) for row in pair]
    return in_turns + gone[len(here) :] + here[len(gone) :]
