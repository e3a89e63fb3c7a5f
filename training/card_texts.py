"""What the quality card says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from training.grades import Estimate

__all__ = ["CAPS", "HEADLINES", "PARTS", "SUSPICIONS", "Text", "model_name", "part_text"]

Text = dict[str, str]

PARTS: dict[str, Text] = {
    "profit": {"en": "Profit at the budget", "zh": "预算内利润"},
    "lift": {"en": "Ranking of leavers", "zh": "流失排序"},
    "calibration": {"en": "Probabilities", "zh": "概率校准"},
    "level": {"en": "Totals of value and orders", "zh": "金额与订单总量"},
    "stability": {"en": "Stability over time", "zh": "时间稳定性"},
}

_MODELS: dict[str, Text] = {
    "retain": {"en": "this model", "zh": "本模型"},
    "recency_rule": {"en": "recency rule", "zh": "近期规则"},
    "carry_forward": {"en": "carry-forward", "zh": "沿用过去"},
    "closed_form": {"en": "closed-form BTYD", "zh": "闭式 BTYD"},
}

HEADLINES: dict[str, Text] = {
    "A": {
        "en": "Better than every simple method, and shown to be.",
        "zh": "优于所有简单方法,且有据可证。",
    },
    "B": {
        "en": "Good: better than the recency rule, and shown to be.",
        "zh": "良好:优于近期规则,且有据可证。",
    },
    "C": {
        "en": "Usable: better than chance, but not shown to be better than simple rules.",
        "zh": "可用:优于随机,但尚不能证明优于简单规则。",
    },
    "D": {
        "en": "Nothing shown yet: do not spend a budget on these scores alone.",
        "zh": "尚无证据:不要仅凭这些分数花预算。",
    },
    "E": {"en": "No better than chance: do not use.", "zh": "不优于随机:请勿使用。"},
}

CAPS: dict[str, Text] = {
    "suspect": {
        "en": "No better than D: the model may know the answer.",
        "zh": "最高 D:模型可能已知答案。",
    },
    "unshown_lift": {
        "en": "No better than D: the ranking of leavers is not shown to beat chance.",
        "zh": "最高 D:流失排序未证明优于随机。",
    },
    "unshown_calibration": {
        "en": "No better than D: the probabilities are not shown to say more than the churn rate alone.",
        "zh": "最高 D:概率未证明比总体流失率更有信息。",
    },
    "unshown_profit": {
        "en": "No better than C: the campaign's profit is not shown to beat a random choice of customers.",
        "zh": "最高 C:活动利润未证明优于随机选客。",
    },
    "rule_not_beaten": {
        "en": "No better than C: fewer than two of profit, ranking and probabilities are shown to beat the "
        "recency rule.",
        "zh": "最高 C:利润、排序、概率中不足两项证明优于近期规则。",
    },
    "not_all_beaten": {
        "en": "No better than B: an A needs two of profit, ranking and probabilities at A, and no part below B "
        "or unjudged.",
        "zh": "最高 B:A 级要求利润、排序、概率中两项为 A,且各项均已评定并不低于 B。",
    },
}

SUSPICIONS: dict[str, Text] = {
    "leak_guard": {
        "en": "Suspect: leak. The leak guard named {names}; leave them out and train again.",
        "zh": "疑似泄漏:泄漏检查点名 {names};请去除后重新训练。",
    },
    "near_perfect": {
        "en": "Suspect: leak. AUC {figure:.4f} is nearly perfect; look for a column that is only known after the "
        "fact, or a label that can be read from the data of the day.",
        "zh": "疑似泄漏:AUC {figure:.4f} 近乎完美;请查找事后才知的列,或可由当日数据直接读出的标签。",
    },
    "far_above": {
        "en": "Suspect: leak. The model closes {figure:.0%} of what the best simple method leaves open; look for "
        "a column that is only known after the fact.",
        "zh": "疑似泄漏:模型补足了最佳简单方法所余差距的 {figure:.0%};请查找事后才知的列。",
    },
    "value_known": {
        "en": "Suspect: leak. The error of expected value is {figure:.0%} of the best simple method's; look for "
        "a column that holds what customers spent later.",
        "zh": "疑似泄漏:金额误差仅为最佳简单方法的 {figure:.0%};请查找含未来消费的列。",
    },
    "orders_known": {
        "en": "Suspect: leak. The error of expected orders is {figure:.0%} of the best simple method's; look for "
        "a column that holds later orders.",
        "zh": "疑似泄漏:订单误差仅为最佳简单方法的 {figure:.0%};请查找含未来订单的列。",
    },
}

_NOT_JUDGED: dict[str, Text] = {
    "profit": {
        "en": "not judged: every selection would have brought the same",
        "zh": "无法评定:任何选择收益相同",
    },
    "lift": {"en": "not judged: nobody, or everybody, churned", "zh": "无法评定:无人流失或全部流失"},
    "calibration": {"en": "not judged: nobody, or everybody, churned", "zh": "无法评定:无人流失或全部流失"},
    "level": {"en": "not judged: no orders or value came", "zh": "无法评定:没有订单或金额"},
    "stability": {"en": "not judged: it takes two cut-offs", "zh": "无法评定:至少需要两个回测日"},
}

_SAID: dict[str, Text] = {
    "profit": {
        "en": "Of the profit between a random and a perfect choice, {figure:.0f} % was made "
        "({low:.0f} to {high:.0f}).",
        "zh": "在随机与完美选择之间的利润中,实现了 {figure:.0f} %({low:.0f} 至 {high:.0f})。",
    },
    "lift": {
        "en": "The order of leavers is {figure:.0f} % of the way from chance to perfect ({low:.0f} to {high:.0f}).",
        "zh": "流失排序从随机到完美走了 {figure:.0f} %({low:.0f} 至 {high:.0f})。",
    },
    "calibration": {
        "en": "Probabilities save {figure:.0f} % of the log loss of the churn rate alone ({low:.0f} to {high:.0f}).",
        "zh": "概率比仅用总体流失率减少 {figure:.0f} % 对数损失({low:.0f} 至 {high:.0f})。",
    },
    "level": {
        "en": "Forecast and actual totals agree to {figure:.0f} % ({low:.0f} to {high:.0f}).",
        "zh": "预测总量与实际吻合 {figure:.0f} %({low:.0f} 至 {high:.0f})。",
    },
    "stability": {
        "en": "Beyond chance, the ranking keeps {figure:.0f} % evenness from day to day ({low:.0f} to {high:.0f}).",
        "zh": "除随机波动外,排序在各回测日间的均匀度为 {figure:.0f} %({low:.0f} 至 {high:.0f})。",
    },
}

_BEATEN: dict[str, Text] = {
    "better": {"en": "Better than the {name}", "zh": "优于{name}"},
    "worse": {"en": "Worse than the {name}", "zh": "劣于{name}"},
    "even": {"en": "Not shown to differ from the {name}", "zh": "与{name}无显著差异"},
}


def model_name(model: str) -> Text:
    """What a model is called; a model of yours keeps its name.

    Examples
    --------
    >>> model_name("recency_rule")["en"]
    'recency rule'
    """
    return _MODELS.get(model, {"en": model, "zh": model})


def part_text(part: str, quality: Estimate, skills: Mapping[str, Estimate]) -> Text:
    """The verdict line of a part: its figure, then each baseline.

    Parameters
    ----------
    part : str
        Key of `PARTS`.
    quality : Estimate
        Its figure.
    skills : mapping of str to Estimate
        Skill over each baseline; empty for parts without.
    """
    if not quality.known:
        return _NOT_JUDGED[part]
    return {lang: _line(lang, part, quality, skills) for lang in ("en", "zh")}


def _line(lang: str, part: str, quality: Estimate, skills: Mapping[str, Estimate]) -> str:
    said = [_SAID[part][lang].format(figure=quality.figure, low=quality.low, high=quality.high)]
    for key, which in _sorted_out(skills).items():
        names = [model_name(name)[lang] for name in which]
        if names:
            said.append(_BEATEN[key][lang].format(name=_JOIN[lang].join(names)) + _STOP[lang])
    return _SPACE[lang].join(said)


def _sorted_out(skills: Mapping[str, Estimate]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"better": [], "worse": [], "even": []}
    for name, skill in skills.items():
        if skill.known:
            found["better" if skill.low > 0 else "worse" if skill.high < 0 else "even"].append(name)
    return found


_JOIN = {"en": ", the ", "zh": "、"}
_STOP = {"en": ".", "zh": "。"}
_SPACE = {"en": " ", "zh": ""}
