"""What engines other than DuckDB do otherwise, made the same by rewriting the expression for them.

The features are written once and mean what DuckDB makes of them. Where another engine gives another answer to the
same words, the words are replaced here, in the whole expression at once; what DuckDB runs is never touched. The rules
stand in `features.dialect_rules`, those of one engine in `features.dialect_engines`.

=============================  ===================================================================
What                           Why
=============================  ===================================================================
rounding of halves             PostgreSQL and others round a half to the even neighbour, DuckDB away from zero
rounding to decimal places     others round the number as it is written, DuckDB as it is held
exp of large negative numbers  PostgreSQL refuses results too small for a float, which are 0 elsewhere
flags cast to numbers          PostgreSQL casts them to 32 bits only
sums, means, fractions         PostgreSQL gives numbers without bounds, which the driver hands over as decimals
division by zero               PostgreSQL and Spark end the statement; DuckDB says infinity, or no number
hours, months between moments  others count the whole ones that passed, DuckDB those that began
first, last in an order        PostgreSQL has no such aggregates, Spark none with an order
texts that may be numbers      PostgreSQL has no cast that tries
fractions cast to whole        Spark drops what stands behind the point, DuckDB rounds
numbers
NaN of what is missing         no in Spark, missing in DuckDB; nothing is infinite by the word of ibis for Spark
seconds, year of the week      Spark has fractions of seconds, and no such year
=============================  ===================================================================
"""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.dialect_engines import OTHERS, POSTGRES, SPARK
from features.dialect_rules import replaced

__all__ = ["kept", "portable"]

_AS_DUCKDB = frozenset({"duckdb"})
_RULES = {"postgres": POSTGRES, "pyspark": SPARK}


def portable(expression: ir.Table, con: Any) -> ir.Table:
    """`expression` such that the engine behind `con` gives what DuckDB would.

    Parameters
    ----------
    expression : ir.Table
    con : ibis backend
        None stands for DuckDB.

    Examples
    --------
    >>> import ibis
    >>> table = ibis.table({"x": "float64"}, name="t").select(y=lambda t: t.x.round())
    >>> portable(table, None) is table
    True
    """
    if con is None or con.name in _AS_DUCKDB:
        return expression
    found: ir.Table = replaced(expression.op(), _RULES.get(con.name, OTHERS)).to_expr()
    return found


def kept(table: ir.Table) -> ir.Table:
    """The rows of `table`, worked out once, in a temporary table or the cache of the engine that has them.

    An engine that holds neither, a standby that may only be read for one, works them out each time they are asked.
    """
    try:
        found: ir.Table = table.cache()
    except Exception:  # noqa: BLE001 - each engine has errors of its own; what is wrong with the rows is told when asked
        return table
    return found
