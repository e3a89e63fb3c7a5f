"""The win-back model of a project: learned when a model is trained, read when customers are labelled."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from features.tables import Tables
    from retain.config import Project
    from strategies.frameworks import FrameworkSettings
    from training.models.win_back import WinBackModel

__all__ = ["LIVES", "learn_second_lives", "priced", "second_lives"]

LIVES: Final = (365, 180, 90)
"""Days of a second life that are counted: the longest that the history allows."""
_POINTER: Final = "current"


def learn_second_lives(project: Project, tables: Tables, as_of: date) -> str:
    """Learn who comes back and what it is worth, and keep it beside the models.

    Parameters
    ----------
    project : Project
        Its windows, rates and folders.
    tables : Tables
        Loaded tables.
    as_of : date
        Day of the training.

    Returns
    -------
    str
        A note: what was learned from, and how it did out of fold; or why there is no win-back model.
    """
    from features.errors import NotEnoughData
    from training.lost_customers import SecondLife, learn_second_life
    from training.models.text_files import point_at

    config, why = project.config, ""
    window = config.churn.window_days
    lost = round(config.strategies.lost_after * window)
    for life in LIVES:
        plan = SecondLife(lost, window, life, config.value.margin_rate, config.value.discount_rate)
        try:
            model = learn_second_life(tables, as_of, plan, seed=config.run.seed).model
        except NotEnoughData as error:
            why = str(error)
            continue
        folder = _folder(project)
        folder.mkdir(parents=True, exist_ok=True)
        point_at(folder, _POINTER, model.write(folder))
        found = model.figures
        return (
            f"win-back: {found['came_back']:,.0f} of {found['rows']:,.0f} lost customers came back within {window} days; "
            f"out of fold AUC {found['auc']:.2f}; a second life is counted for {life} days"
        )
    for name in (_POINTER, f"{_POINTER}.manifest.json"):
        (_folder(project) / name).unlink(missing_ok=True)
    return f"no second lifetime value: {why}"


def second_lives(project: Project) -> WinBackModel | None:
    """The win-back model that the last training left; None when it left none.

    Raises
    ------
    ModelError
        It is damaged.
    """
    from training.models.text_files import pointed
    from training.models.win_back import WinBackModel

    folder = _folder(project)
    if not (folder / _POINTER).is_file():
        return None
    return WinBackModel.load(pointed(folder, _POINTER, train="retain train"))


def priced(project: Project) -> FrameworkSettings:
    """``[frameworks]``, with what trying to regain costs: as configured, or else the cheapest offer for ``win_back``.

    Raises
    ------
    ConfigError
        The strategy table or the offer catalogue is faulty.
    """
    from strategies.regain import WIN_BACK

    given = project.config.frameworks
    second = given.second_lifetime_value
    if second.cost is not None:
        return given
    _, catalogue = project.policy()
    costs = [o.total_cost for o in catalogue.offers if not o.strategies or WIN_BACK in o.strategies]
    cost = {"cost": min(costs, default=0.0)}
    return given.model_copy(update={"second_lifetime_value": second.model_copy(update=cost)})


def _folder(project: Project) -> Path:
    return project.out_dir / "win_back"
