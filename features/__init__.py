"""What is known about a customer on a day: from the tables of a business to one row of numbers each.

Everything above asks the same question, *what did we know about this customer at the start of this day?*, for
the panel that trains, for the list of tonight and for one request. This room answers it once.

1. `contract`: the tables and columns Retain understands, in two languages; `settings` says where they are.
2. `load`: reads the files or the database, repairs what is certain, sets aside what is not, and reports both.
   `frames` takes tables that already follow the contract.
3. `snapshot`: the time cut. A row is past only when it had happened *and* had arrived before the day.
4. `days`: order lines summed up to customer and day in whole numbers (`exact`), so that neither the order of
   rows nor the number of threads changes a bit.
5. `family`: features are declared in families, one file each: `rfm`, `rhythm`, `trend`, `breadth`, `returns`,
   `season`, `first_basket`, `interactions`, `surveys`, `campaigns`, `contracts`, `loyalty`.
6. `pipeline`: all families in one lazy expression, for any number of days. `catalogue` tells every column.
   `plan` keeps the expression as a statement: for the list, and planned once for thousands of requests.
   `own_features` takes in features of the user's own, files in `own` or a folder of theirs; `own_expressions` says
   what these must hold to, and `invariants` what every feature must.
7. `labels`: what came after the day, for learning and for judging.

`publish` and `parquet` write what the rooms above hand out: whole, or not at all. `errors` is the tree of
everything that can go wrong.

Examples
--------
>>> from datetime import date
>>> import pandas as pd
>>> from features.frames import tables_from_frames
>>> from features.labels import labels
>>> from features.pipeline import customer_features
>>> times = pd.to_datetime(["2026-01-01", "2026-01-11", "2026-01-21", "2026-02-02"])
>>> orders = pd.DataFrame({"customer_id": "007", "time": times, "amount": [10.0, 20.0, 30.0, 40.0]})
>>> tables = tables_from_frames({"orders": orders}, timezone="Europe/London", currency="GBP")
>>> days = [date(2026, 1, 31)]
>>> known = tables.con.to_pyarrow(customer_features(tables, days)).to_pylist()[0]
>>> [known[name] for name in ("frequency", "monetary_value", "gap_mean", "overdue_ratio")]
[2, 25.0, 10.0, 1.0]
>>> came = tables.con.to_pyarrow(labels(tables, days, [30])).to_pylist()[0]
>>> came["orders_30d"], came["value_30d"]
(1, 40.0)
"""
