"""Effects of offers, measured on logs in which chance decided who got what.

1. `trial_log`: the randomised log: features, arm, propensity, outcome, customer.
2. `doubly_robust`: cross-fitted scores, an unbiased outcome of every row under every arm; `outcome_models` are the
   regressions behind them, `average` their means with errors.
3. `differences`: who gains more than average, and the test whether that is more than noise.
4. `safe_policy`: the best single offer unless a lower bound says otherwise; the value of any policy.
5. `measure`: all of it in one call; the answer is `training.models.effect.EffectModel`.
6. `uplift_curve` and `plain_learners`: Qini, and the T- and S-learners to compare with.
"""
