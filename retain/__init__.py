"""The front door: from a file of orders to a list of customers, in five commands.

::

    retain init orders.csv          # looks at the files, writes a commented retain.toml
    retain check                    # what was found, repaired and set aside, before any training
    retain train                    # past snapshots -> models, judged on later time than they saw
    retain score --out list.csv     # one row per customer: who may leave, what they are worth, what to do
    retain serve                    # the same numbers over HTTP

From there to decisions: ``retain segments``, ``audit``, ``decide``, ``results``, ``offline-test``. To look closer:
``retain features`` (the customer table and what its columns mean), ``backtest``, ``tune``, ``card``, ``explain``,
``demo`` (all of it on a simulated shop), ``config`` and ``doctor`` (what is in force, and what is broken). Beside a
running endpoint: ``retain keys``, ``trail``, ``agent`` (follows the champion of MLflow: `agent`) and
``bench-endpoint`` (asks as many clients would: `pressure`).

How a command runs:

1. `cli` names the commands and is the one place where a failure ends; each stands in a file of `commands` and
   imports what it needs when it runs, so that ``--help`` is instant.
2. `config` reads the one configuration file and says all its faults at once, with their lines (`faults`).
3. `as_of` chooses the day that separates past from future. Then the rooms below do the work.
4. `console` holds the manners: results to standard output, notes and progress to standard error, one JSON
   document for programs, documented exit codes. `metric_table`, `list_summary`, `init_report` and
   `demo_report` say the results in words and tables.

How ``retain init`` understands files nobody has described: `sources` and `heads` look at the first rows,
`layouts` knows well-known data sets, `guess` maps the columns of all others by names (`synonyms`, English and
Chinese) and values, `imports` rewrites files that need more than a mapping, `proposal` puts the answer
together, `start` writes it as commented TOML (`toml_text`).

`shop` simulates a retailer whose truth is known, for the demo and for tests; `health` is what ``doctor`` asks; `client`
is for programs that ask an endpoint.
"""

from __future__ import annotations

__all__: list[str] = []
