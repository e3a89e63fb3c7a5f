"""The package's own summary of frequency, recency, T and monetary value.

``summary.py IN OUT AS_OF`` reads order lines from one CSV or Parquet file and writes one row per customer to a CSV file.
"""

import json
import sys
import warnings

import pandas as pd
from lifetimes.utils import summary_data_from_transaction_data


def main(given, wanted, as_of):
    """Read, add up, write."""
    read = pd.read_parquet if given.endswith(".parquet") else pd.read_csv
    lines = read(given)[["customer_id", "time", "amount"]]
    lines["time"] = pd.to_datetime(lines["time"])
    lines = lines[(lines["time"] < pd.Timestamp(as_of)) & (lines["amount"] > 0)]
    found = summary_data_from_transaction_data(
        lines, "customer_id", "time", "amount", observation_period_end=as_of, freq="D"
    )
    found.to_csv(wanted)
    print(json.dumps({"customers": len(found), "columns": found.shape[1]}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
