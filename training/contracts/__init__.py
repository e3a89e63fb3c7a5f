"""The contractual world: who may leave has signed, and leaving is an event with a date.

Two kinds of data, two ways.

1. A flat table with a label, where time does not exist: `snapshot_table` makes typed columns and a label of
   whatever the file holds, `snapshot_fit` climbs from the base rate to a regression, to trees, to the average of
   both, as far as cross-validation goes along, and `snapshot_train` is the whole run with its judgement.
2. Contracts with time: `contract_panel` shows the contracts that ran on past days and how long each went on,
   `contract_fit` the life table of tenure and plan and what covariates add to it, judged by date.

Both stop at columns that were filled in after the fact (`training.leaks`).
"""
