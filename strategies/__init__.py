"""What to do with a customer, and why: the textbooks of customer relations as columns.

Predictions say who may leave and what each customer is worth. This room turns them into labels and one
strategy per customer. Every function takes columns and returns a column, depends on one row and on frozen
reference values only, and so answers the same for one customer as for the whole list.

1. `status`: active, lapsed or lost, by the days since the last order; and the risk, high or low.
2. `rfm_scores`: recency, frequency and money in fifths of a reference population (Hughes 1994).
3. `value_class`: lead, iron, gold or platinum, by current value and growth potential.
4. `value_at_stake`: the margin in doubt; the list is ordered by it.
5. `strategy_table`: value class, stage of the relation, satisfaction and loyalty, risk and status to one strategy
   with its reason, from an editable file whose default is the textbook policy. `strategy_rules` reads its rows and
   says what is wrong with them; `regain` keeps lost customers who would not pay from being won back.
6. `offers`: what can be done, at what cost, and for whom, from an editable file too; `offer_rows` reads it.
   `policy` is the table, the catalogue and the settings in force under one version, and `protected` keeps
   protected attributes out of it and compares how often each group is reached.

`settings` holds the cuts, `columns` reads the customer table. What is not known is called ``unknown`` and
leads to *observe*; nothing is guessed.

Examples
--------
>>> import pandas as pd
>>> from strategies.settings import StrategySettings
>>> from strategies.status import risk, status
>>> from strategies.strategy_table import StrategyTable, assign
>>> from strategies.value_class import ValueCuts, value_class
>>> settings = StrategySettings()
>>> people = pd.DataFrame({"days_since_last": [12, 200], "churn_probability": [0.8, 0.95]})
>>> people["current_value"], people["growth_potential"] = [900.0, 10.0], [0.0, 0.0]
>>> people["status"] = status(people["days_since_last"], 90, settings)
>>> people["risk"] = risk(people["churn_probability"], settings)
>>> people["value_class"] = value_class(people, ValueCuts(500.0, 50.0))
>>> people["lifecycle_stage"] = people["satisfaction_loyalty"] = "unknown"
>>> assign(people, StrategyTable.default())["strategy"].tolist()
['rescue', 'do_not_regain']
"""
