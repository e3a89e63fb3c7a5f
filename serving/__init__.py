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
4. `store`: the runs, and the rows of the latest one by customer.

The endpoint, for programs. A request meets, in this order:

5. `worker` and `protocol`: one process that answers, with bounds for slow and idle connections. `supervisor` starts
   several on one socket and replaces those that die (`child`); `run_server` puts them together.
6. `guard`: who asks (`access`, `keys`, `scope`), for which of the `routes`, how much, in what shape (`schemas`,
   `table_rows`, `events`; `strict_json` reads, `refusal` says what is wrong), how many at a time (`lanes`). What was
   answered goes to `metrics` and, without customers, to the audit trail (`trail`, `trail_chain`). `wire` speaks ASGI.
7. `fast_lane`: single customers, answered without a framework: a stored row (`lookup`) or ready features
   (`live_scores`). Batches go to a process of their own (`back_room`, `batches`, `batch_room`). The rest passes through
   `service`, the one door to BentoML, to `live`, which scores rows with a statement that was planned once
   (`features.plan`, `feature_engines`, `customer_tables`), and to `deciding`.
8. `endpoint` holds open what one process needs; `desk` is what the guard sees of it. `openapi` and `docs_page`
   describe the routes to programs and people.

The model: `model_gate` proves a version in a child process (`opening`, `tree_text`), because a damaged one can end the
process that reads it, and `verdicts` remembers; `model_watch` follows the pointer and swaps one reference.

What is kept between runs is in one SQL database (`database`, `state_tables`), on SQLite or PostgreSQL:

9. `histories`: the rows behind the list; `event_log`: what was told since. Together they make a score by id fresh.
10. `decide` and `live_decision` make decisions, for all or for one, by the same terms (`decision_terms`, `given`) into
    one log (`decision_log`); `campaign_results` reads what came of them.

`settings` says where to listen and how much to take.
"""

from __future__ import annotations

__all__: list[str] = []
