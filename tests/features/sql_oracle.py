"""The feature columns once more, in plain DuckDB SQL over the raw rows: an oracle for the pipeline.

Nothing here knows of day facts, marks or whole-number units: each column is written as its documentation
reads, one ``as_of`` at a time, in floating point.
"""

from __future__ import annotations

import duckdb
import pandas as pd

_TIMES = ("time", "known_at", "resolved_at", "start", "end", "cancelled_at")
_NUMBERS = ("amount", "quantity", "discount", "cost", "score", "expected", "recommend", "monthly_charge")


def _kinds(columns: str) -> dict[str, str]:
    return {
        c: "TIMESTAMP" if c in _TIMES else "DOUBLE" if c in _NUMBERS else "VARCHAR" for c in columns.split()
    }


COLUMNS = {
    "orders": _kinds(
        "customer_id time amount order_id product category quantity discount cost known_at",
    ),
    "interactions": _kinds("customer_id time kind resolved_at known_at"),
    "surveys": _kinds("customer_id time score expected recommend known_at"),
    "campaigns": _kinds("customer_id time arm known_at"),
    "referrals": _kinds("customer_id time known_at"),
    "contracts": _kinds("customer_id start end cancelled_at monthly_charge known_at"),
}
_WINDOWS = (7, 14, 30, 60, 90, 180, 365)
_CHANGES = (30, 90, 180, 365)
_SPANS = (30, 90, 180)

_KNOWN = """
CREATE OR REPLACE TEMP TABLE line AS
SELECT *, CAST(time AS DATE) AS day, $as_of::DATE - CAST(time AS DATE) AS age,
       coalesce(order_id, '') AS o
FROM orders
WHERE CAST(time AS DATE) < $as_of::DATE AND coalesce(CAST(known_at AS DATE), DATE '1970-01-01') < $as_of::DATE
"""
_DAY = """
CREATE OR REPLACE TEMP TABLE bought_day AS
SELECT customer_id, day, min(age) AS age, sum(amount) AS spend, count(DISTINCT o) AS orders
FROM line WHERE amount > 0 GROUP BY ALL
"""
_GAP = """
CREATE OR REPLACE TEMP TABLE gap AS
SELECT customer_id, day, gap FROM (
  SELECT *, day - lag(day) OVER (PARTITION BY customer_id ORDER BY day) AS gap FROM bought_day
) WHERE gap IS NOT NULL
"""


def _lines() -> str:
    spend = [f"coalesce(sum(amount) FILTER (amount > 0 AND age <= {w}), 0) AS spend_{w}d" for w in _WINDOWS]
    ago = [
        f"coalesce(sum(amount) FILTER (amount > 0 AND day >= $as_of::DATE - 365 "
        f"AND day < $as_of::DATE - 365 + {h}), 0) AS ago_{h}"
        for h in _SPANS
    ]
    return f"""
SELECT customer_id, max(age) AS tenure_days, min(age) AS since_any,
  coalesce(sum(amount) FILTER (amount > 0), 0) AS spend_total, sum(amount) AS value_total,
  {", ".join(spend + ago)},
  coalesce(sum(amount) FILTER (age <= 365), 0) AS value_365d,
  CASE WHEN count(cost) > 0 THEN coalesce(sum(CASE WHEN amount < 0 THEN amount + abs(cost)
    ELSE amount - cost END) FILTER (cost IS NOT NULL AND age <= 365), 0) END AS margin_365d,
  count(*) FILTER (amount < 0) AS returns_count,
  coalesce(-sum(amount) FILTER (amount < 0), 0) AS returns_value,
  coalesce(-sum(amount) FILTER (amount < 0 AND age <= 90), 0) AS returns_90d,
  coalesce(sum(abs(discount)) FILTER (amount >= 0), 0) AS discount_value,
  count(*) FILTER (amount >= 0) AS lines,
  count(*) FILTER (amount >= 0 AND discount <> 0) AS discounted,
  sum(amount) FILTER (amount > 0 AND quantity > 0)
    / nullif(sum(quantity) FILTER (amount > 0 AND quantity > 0), 0) AS price_mean,
  nullif(count(DISTINCT product) FILTER (amount > 0), 0)::DOUBLE AS products,
  nullif(count(DISTINCT category) FILTER (amount > 0), 0)::DOUBLE AS categories,
  nullif(count(product) FILTER (amount > 0), 0) AS product_lines
FROM line GROUP BY customer_id"""


def _days() -> str:
    parts = [f"coalesce(sum(orders) FILTER (age <= {w}), 0) AS orders_{w}d" for w in _WINDOWS]
    for w in _CHANGES:
        for what in ("spend", "orders"):
            parts.append(f"coalesce(sum({what}) FILTER (age <= {w}), 0) AS {what}_now_{w}")
            parts.append(f"coalesce(sum({what}) FILTER (age > {w} AND age <= {2 * w}), 0) AS {what}_was_{w}")
    for s in _SPANS:
        parts += [f"sum({x} * exp(-age / {s}.0)) / {s} AS {x}_ewma_{s}d" for x in ("spend", "orders")]
    return f"""
SELECT customer_id, count(*) AS purchase_days, sum(orders) AS orders_total, max(age) AS first_age,
  min(age) AS last_age, min(day) AS first_day, sum(spend) / count(*) AS value_mean,
  max_by(spend, day) AS value_last, max(spend) AS value_max, min_by(spend, day) AS first_order_value,
  CASE WHEN count(*) > 2 THEN regr_slope(spend, -age) / nullif(avg(spend), 0) END AS value_slope,
  stddev_samp(ln(1 + spend)) AS value_log_sd, count(DISTINCT date_trunc('month', day)) AS months_active,
  avg((isodow(day) >= 6)::INT) AS weekend_share, {", ".join(parts)}
FROM bought_day GROUP BY customer_id"""


_GAPS = """
SELECT customer_id, avg(gap) AS gap_mean, median(gap) AS gap_median, stddev_samp(gap) AS gap_sd,
  max(gap)::DOUBLE AS gap_max, max_by(gap, day)::DOUBLE AS gap_last FROM gap GROUP BY customer_id"""
_FIRST = """
SELECT l.customer_id, count(*) FILTER (amount >= 0)::DOUBLE AS first_order_lines,
  nullif(count(DISTINCT product) FILTER (amount > 0), 0)::DOUBLE AS first_order_products,
  coalesce(sum(abs(discount)) FILTER (amount >= 0), 0) AS first_discount
FROM line l JOIN (SELECT customer_id, min(day) AS day FROM bought_day GROUP BY ALL) f
  ON l.customer_id = f.customer_id AND l.day = f.day GROUP BY l.customer_id"""
_NEW = """
SELECT customer_id, count(*) FILTER (age <= 90)::DOUBLE AS products_new_90d FROM (
  SELECT customer_id, product,
    arg_min(age, (greatest(day, coalesce(CAST(known_at AS DATE), day)), day)) AS age
  FROM line WHERE amount > 0 AND product IS NOT NULL GROUP BY ALL
) GROUP BY customer_id"""


def _entropy(thing: str, name: str) -> str:
    return f"""
SELECT customer_id, abs(-sum(p * ln(p))) AS {name} FROM (
  SELECT customer_id, count(*) / sum(count(*)) OVER (PARTITION BY customer_id) AS p
  FROM line WHERE amount > 0 AND {thing} IS NOT NULL GROUP BY customer_id, {thing}
) GROUP BY customer_id"""


def _final() -> str:
    changes = []
    for w in _CHANGES:
        changes += [f"coalesce({x}_now_{w} - {x}_was_{w}, 0) AS {x}_change_{w}d" for x in ("spend", "orders")]
        basket = f"(spend_now_{w} / nullif(orders_now_{w}, 0))"
        before = f"(spend_was_{w} / nullif(orders_was_{w}, 0))"
        changes.append(f"{basket} / nullif({before}, 0) AS basket_change_{w}d")
    zero = [f"orders_{w}d" for w in _WINDOWS] + ["orders_total", "purchase_days", "months_active"]
    zero += ["value_last", "value_max", "first_order_value"]
    zero += [f"{x}_ewma_{s}d" for x in ("spend", "orders") for s in _SPANS]
    filled = ", ".join(f"coalesce(d.{name}, 0) AS {name}" for name in zero)
    ago = [
        f"CASE WHEN coalesce(first_age, tenure_days) >= 365 THEN ago_{h} END AS spend_year_ago_{h}d"
        for h in _SPANS
    ]
    first = "coalesce(first_day, $as_of::DATE - CAST(tenure_days AS INT))"
    last_month = "date_trunc('month', $as_of::DATE - 1)"
    turn = "dayofyear({}) * 2 * pi() / 365.25"
    return f"""
SELECT l.customer_id, l.* EXCLUDE (customer_id), d.* EXCLUDE (customer_id, {", ".join(zero)}), {filled},
  g.* EXCLUDE (customer_id), n.products_new_90d, first_order_lines, first_order_products,
  p.products_entropy, c.categories_entropy,
  greatest(coalesce(d.purchase_days, 0) - 1, 0) AS frequency,
  coalesce(first_age - last_age, 0) AS recency, coalesce(first_age, tenure_days) AS "T",
  coalesce(last_age, since_any) AS days_since_last,
  CASE WHEN d.purchase_days > 1 THEN (spend_total - d.first_order_value) / (d.purchase_days - 1)
    ELSE 0 END AS monetary_value,
  gap_sd / gap_mean AS irregularity, last_age / gap_mean AS overdue_ratio,
  last_age / gap_max AS overdue_max_ratio, gap_last / gap_mean AS gap_last_ratio,
  d.value_last / nullif(value_mean, 0) AS value_last_ratio,
  coalesce(d.months_active / (1 + datediff('month', date_trunc('month', first_day), {last_month})), 0)
    AS months_active_share,
  1 - products / product_lines AS products_repeat_share, lines / d.orders_total AS lines_per_order,
  returns_value / nullif(spend_total, 0) AS returns_share,
  discount_value / nullif(spend_total + discount_value, 0) AS discount_share,
  discounted / nullif(lines, 0) AS discounted_lines_share,
  sin({turn.format("$as_of::DATE")}) AS season_sin, cos({turn.format("$as_of::DATE")}) AS season_cos,
  sin({turn.format(first)}) AS first_season_sin, cos({turn.format(first)}) AS first_season_cos,
  first_discount / nullif(first_discount + d.first_order_value, 0) AS first_order_discount_share,
  (coalesce(d.purchase_days, 0) <= 1)::INT AS one_time_buyer, {", ".join(changes + ago)}
FROM ({_lines()}) l LEFT JOIN ({_days()}) d USING (customer_id) LEFT JOIN ({_GAPS}) g USING (customer_id)
LEFT JOIN ({_FIRST}) f USING (customer_id) LEFT JOIN ({_NEW}) n USING (customer_id)
LEFT JOIN ({_entropy("product", "products_entropy")}) p USING (customer_id)
LEFT JOIN ({_entropy("category", "categories_entropy")}) c USING (customer_id)"""


_EVENTS = {
    "interactions": """
SELECT customer_id, count(*) FILTER (age <= 90) AS contacts_90d, count(*) FILTER (age <= 365) AS contacts_365d,
  count(*) FILTER (age <= 90 AND complaint) AS complaints_90d,
  count(*) FILTER (age <= 365 AND complaint) AS complaints_365d,
  count(*) FILTER (complaint AND (resolved IS NULL OR resolved >= $as_of::DATE)) AS complaints_open,
  min(age) FILTER (complaint) AS complaint_days,
  avg(resolved - day) FILTER (complaint AND resolved < $as_of::DATE) AS resolution_days,
  min(age) AS last_contact_days
FROM (SELECT *, coalesce(lower(kind) = 'complaint', false) AS complaint,
      CAST(resolved_at AS DATE) AS resolved FROM event) GROUP BY customer_id""",
    "surveys": """
SELECT customer_id, avg(score) AS satisfaction_mean, avg(score - expected) AS satisfaction_gap,
  avg(recommend) AS recommend_mean, min(age) AS survey_days, avg(score) FILTER (age = last) AS satisfaction_last
FROM (SELECT *, min(age) OVER (PARTITION BY customer_id) AS last FROM event) GROUP BY customer_id""",
    "campaigns": """
SELECT customer_id, count(*) FILTER (age <= 90) AS campaigns_90d, count(*) FILTER (age <= 365) AS campaigns_365d,
  min(age) AS last_campaign_days
FROM event WHERE lower(coalesce(arm, '')) NOT IN ('hold-out', 'holdout', 'hold_out', 'control')
GROUP BY customer_id""",
    "referrals": """
SELECT customer_id, count(*) AS referrals_total, count(*) FILTER (age <= 365) AS referrals_365d
FROM event GROUP BY customer_id""",
    "contracts": """
SELECT customer_id, count(*) FILTER (running) AS contracts_active,
  coalesce(sum(monthly_charge) FILTER (running), 0) AS contract_charge, max(age) AS contract_days,
  min(CAST("end" AS DATE) - $as_of::DATE) FILTER (running) AS contract_days_left,
  count(*) FILTER (CAST(cancelled_at AS DATE) < $as_of::DATE) AS contracts_cancelled
FROM (SELECT *, coalesce(CAST("end" AS DATE) >= $as_of::DATE, true)
      AND coalesce(CAST(cancelled_at AS DATE) >= $as_of::DATE, true) AS running FROM event)
GROUP BY customer_id""",
}


def oracle_orders(con: duckdb.DuckDBPyConnection, as_of: str) -> pd.DataFrame:
    """Every column on orders at one cut-off, from the table ``orders`` of `con` (`COLUMNS`)."""
    for statement in (_KNOWN, _DAY, _GAP):
        con.execute(statement, {"as_of": as_of} if "$as_of" in statement else {})
    return con.execute(_final(), {"as_of": as_of}).df().set_index("customer_id").sort_index()


_HOLIDAYS = """
SELECT customer_id,
  (SELECT count(*) FROM holiday WHERE h >= $as_of::DATE AND h < $as_of::DATE + 30)::DOUBLE AS holiday_days_next_30,
  (SELECT count(*) FROM holiday WHERE h >= $as_of::DATE AND h < $as_of::DATE + 90)::DOUBLE AS holiday_days_next_90,
  (SELECT min(h) FROM holiday WHERE h >= $as_of::DATE) - $as_of::DATE AS days_to_next_holiday,
  $as_of::DATE - (SELECT max(h) FROM holiday WHERE h < $as_of::DATE) AS days_since_last_holiday,
  avg(CASE WHEN day IS NOT NULL THEN (ahead <= 7)::INT END) AS holiday_share_7d,
  avg(CASE WHEN day IS NOT NULL THEN (ahead <= 14)::INT END) AS holiday_share_14d
FROM (SELECT DISTINCT customer_id FROM line) LEFT JOIN (
  SELECT customer_id, day, (SELECT min(h) FROM holiday WHERE h >= day) - day AS ahead FROM bought_day
) USING (customer_id) GROUP BY customer_id"""


def oracle_holidays(con: duckdb.DuckDBPyConnection, as_of: str, holidays: list[str]) -> pd.DataFrame:
    """Every column on public holidays at one cut-off, from ``orders`` and the holidays as ISO texts."""
    for statement in (_KNOWN, _DAY):
        con.execute(statement, {"as_of": as_of} if "$as_of" in statement else {})
    con.execute(
        "CREATE OR REPLACE TEMP TABLE holiday AS SELECT unnest($days::DATE[]) AS h", {"days": holidays}
    )
    return con.execute(_HOLIDAYS, {"as_of": as_of}).df().set_index("customer_id").sort_index()


def oracle_events(con: duckdb.DuckDBPyConnection, table: str, as_of: str) -> pd.DataFrame:
    """Every column of one event table at one cut-off, for customers with an event before it."""
    time = "start" if table == "contracts" else "time"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE event AS SELECT *, CAST({time} AS DATE) AS day, "
        f"$as_of::DATE - CAST({time} AS DATE) AS age FROM {table} WHERE CAST({time} AS DATE) < $as_of::DATE "
        f"AND coalesce(CAST(known_at AS DATE), DATE '1970-01-01') < $as_of::DATE",
        {"as_of": as_of},
    )
    sql = _EVENTS[table]
    return (
        con.execute(sql, {"as_of": as_of} if "$as_of" in sql else {})
        .df()
        .set_index("customer_id")
        .sort_index()
    )


def raw_tables(tables: dict[str, pd.DataFrame]) -> duckdb.DuckDBPyConnection:
    """A bare DuckDB with the raw rows, the columns they lack filled with nothing."""
    con = duckdb.connect()
    for name, frame in tables.items():
        con.register("frame", frame)
        here = {c: f'"{c}"' if c in frame.columns else "NULL" for c in COLUMNS[name]}
        fields = [f'CAST({here[c]} AS {kind}) AS "{c}"' for c, kind in COLUMNS[name].items()]
        con.execute(f'CREATE TABLE "{name}" AS SELECT {", ".join(fields)} FROM frame')
        con.unregister("frame")
    return con
