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

5. `guard`: outermost of all. `access` and `keys` say who may ask, `routes` what there is, `lanes` how much at a time,
   `wire` speaks the protocol; `metrics` and `trail` keep the record.
6. `schemas` and `table_rows`: what is taken and given, strictly; `strict_json` reads it, `refusal` says what is wrong.
7. `fast_lane`: one customer by id or by ready features, answered at once from what `lookup` finds.
8. `live`: customers scored now, from their rows, or from what was known (`histories`) and told since (`event_log`);
   `feature_engines` compute the features with a statement that was planned once, `live_scores` calls the scorer.
   `deciding` answers what to do for one of them.
9. `back_room` and `batch_room`: batches, in a process of their own, so that single customers do not wait.
10. `model_watch` follows the champion; `model_gate` proves a model in a child process first, because a damaged one
    can end the process that reads it.
11. `endpoint` opens all of it, `service` is the one door to BentoML, `run_server` listens and ends cleanly;
    `openapi` and `docs_page` describe the routes to machines and people.

`settings` says where to listen and how much to take.
"""

from __future__ import annotations

__all__: list[str] = []
