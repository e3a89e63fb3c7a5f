"""Answers for people and for programs: one scorer, and two ways to read what it says.

A retention team opens a list in the morning; a shop's checkout asks for one customer while they pay. Both get
the same row. What a row says depends on that customer and on what was frozen at training only, so it does not
matter who else is scored, in which order, or by which of the two ways.

The scorer:

1. `scorer`: features to predictions, labels, strategy and reasons, one row per customer.
2. `explain`: the model's contributions per feature, added up to groups people recognise and told in English and
   Chinese; `reason_texts` holds the groups, `phrases` fills their sentences.

The list, for people:

3. `lists`: CSV, Excel and Parquet, each of which opens right, is safe in a spreadsheet, and keeps every bit.
4. `store`: the runs, and the rows of the latest one by customer, in one SQL database.

The endpoint, for programs:

5. `live`: what answers. By id it reads the store; from order lines it computes the features with a statement
   that was planned once (`features.plan`) and calls the scorer.
6. `schemas`: what is taken and given, strictly; `strict_json` reads it, `refusal` says what is wrong with it.
7. `guard`: outermost of all: keys (`keys`), sizes, time limits, readiness; `wire` speaks its protocol.
8. `opening`: a model is opened in a child process first, because a damaged one can end the process that reads
   it. `run_server` then listens, and ends cleanly. `service` is the one door to BentoML, `docs_page` describes
   the routes to people and machines.

`settings` says where to listen and how much to take.
"""

from __future__ import annotations

__all__: list[str] = []
