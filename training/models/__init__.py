"""What serving loads: models as plain parameters and text, with nothing in them that could run.

1. `btyd` and `beta_geometric`: what the buy-till-you-die models share; `bg_nbd`, `mbg_nbd`,
   `pareto_nbd` and `mbg_cnbd_k` (customers with a rhythm) say how often a customer buys and when they stop, with
   `covariates` where there are some; `gamma_gamma` says what an order is worth.
2. `anchor`: the closed form of one shop, from those models: P(no order), expected orders and value of a customer
   over any horizon.
3. `level`: how far the closed form lay from what came, by day; the error of a year ago is the season.
4. `trees`: LightGBM as text. `head`: closed form, level and trees on one scale.
5. `curve`: heads by horizon as one rising curve per customer, and the discounted lifetime value after it.
6. `bundle`: all of it in one folder of text with hashes (`text_files`). Loading checks every byte, the feature columns,
   and by golden rows (`golden`) the arithmetic of the machine.
7. `contract_bundle` (`hazard`: the life table) and `snapshot_bundle` (`snapshot_model` on each `flat_column`): the same
   for contracts and flat tables. `win_back`: who comes back, and what the second life is worth.

Every figure of a customer depends on that customer and on what was frozen at training, so that one customer
scored alone gets the same bits as in the whole list.
"""
