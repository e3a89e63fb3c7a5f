"""From past snapshots to a model that proved itself: fit, judge out of time, keep, promote.

A model is only as good as it was on a past day on which it could not know what came. So everything here starts
from such days.

1. `panel`: the customers as they were known on past cut-off days, every 30 days, beside what came after. A label
   shows only when its whole horizon had passed; `Panel.before` is the panel as it could have been built then.
2. `fit`: the closed form of each snapshot (`anchored`), the errors of its level (`levels`), and trees grown on
   top of both. `head_kind` says what a head predicts: churn, orders or value of one horizon.
3. `build`: the rung that the data carry (``rule``, ``btyd``, ``ml``), and the bundle of that rung.
4. `backtest`: the judge. On a past day the bundle is built from that day's past and meets what came, beside
   `baselines`; `metrics` and `plots` say how well (`ranking` is fair to ties).
5. `meeting` is what every judgement looks at: what was foretold on a day, and what came. `gate` decides whether one
   forecast beat another by more than the customers' noise, `bootstrap` draws customers again for intervals, `card`
   sums it all up in grades.
6. `train`: one run of all this; `challenge`: the verdict against the champion. `search` looks for tree settings.
7. `contracts`: the same for contracts with time and for flat tables with a label.
8. `lost_customers`: who was lost on past days and came back; `win_back`: the chance of it and the value of the second
   life, from them or from a flat table of past offers.
9. `tracking`: the one door to MLflow: a run per training, the bundle as its artefact, the alias ``champion``.

`models` holds what serving loads: light, without files of others, without anything that could run code.
`settings` are the sections ``[churn]``, ``[value]``, ``[trees]`` and ``[tracking]`` of ``retain.toml``.

Examples
--------
>>> from datetime import date
>>> import pandas as pd
>>> from features.frames import tables_from_frames
>>> from training.settings import ChurnSettings, TrainingSettings, ValueSettings
>>> from training.train import train
>>> days = pd.to_datetime(["2026-01-01", "2026-01-20", "2026-02-03", "2026-02-20"])
>>> orders = pd.DataFrame({"customer_id": "007", "time": days, "amount": [10.0, 20.0, 30.0, 40.0]})
>>> settings = TrainingSettings(churn=ChurnSettings(window_days=30), value=ValueSettings(horizons_days=(30,)))
>>> trained = train(tables_from_frames({"orders": orders}), date(2026, 3, 1), settings)
>>> trained.bundle.evidence, trained.notes[0][:46]
('rule', 'evidence rule: 1 customers, 1 with a repeat pu')
"""
