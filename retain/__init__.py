"""The front door: from a file of orders to a list of customers, in five commands.

::

    retain init orders.csv          # looks at the files, writes a commented retain.toml
    retain check                    # what was found, repaired and set aside, before any training
    retain train                    # past snapshots -> models, judged on later time than they saw
    retain score --out list.csv     # one row per customer: who may leave, what they are worth, what to do
    retain serve                    # the same numbers over HTTP

`retain.config` reads the one configuration file and says every fault at once; `retain.layouts` knows the
files of well-known data sets; `retain.guess` maps the columns of all others from their names (English and
Chinese) and values; `retain.console` holds the manners of the command line: results to standard output,
notes and progress to standard error, documented exit codes.
"""

from __future__ import annotations

__all__: list[str] = []
