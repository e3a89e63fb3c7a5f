"""The page and the picture of `decisions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from decisions_world import EXPERIMENT, LOST_FROM, OFFERS, TRUTH, TYPES
from numpy.typing import ArrayLike
from scipy.stats import t as student

from features.pictures import BLUE, GREY, INK, ORANGE, blank, finished, svg

GREEN = "#2f8f5b"
RULES: Final = {
    "ours": "allocation by effect × value at stake − cost",
    "value": "by value at stake",
    "return": "by return per cost",
    "risk": "by risk, offers that are believed to pay",
    "riskiest": "by risk, the strongest offer whatever it brings",
    "nobody": "nobody",
}


def interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean over seeds and its 95 % interval."""
    x = np.asarray(values, dtype=np.float64)
    reach = student.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)) if len(x) > 1 else np.nan
    return float(x.mean()), float(x.mean() - reach), float(x.mean() + reach)


def told(values: ArrayLike) -> str:
    """Mean and interval in money."""
    mean, low, high = interval(values)
    return f"{mean:,.0f} ({low:,.0f} to {high:,.0f})"


@dataclass(frozen=True)
class Found:
    """What all seeds brought, one row per seed, loop, campaign and rule."""

    rows: pd.DataFrame

    def profit(self, loop: str, rule: str, column: str = "expected") -> pd.DataFrame:
        """Money, campaigns by seeds."""
        mine = self.rows[(self.rows["loop"] == loop) & (self.rows["rule"] == rule)]
        return mine.pivot_table(index="campaign", columns="seed", values=column)

    def regret(self, loop: str, rule: str) -> pd.DataFrame:
        """What the oracle's campaign earns more, as a share of it; campaigns by seeds."""
        return 1 - self.profit(loop, rule) / self.profit("oracle", "planned")

    @property
    def campaigns(self) -> int:
        """Campaigns of a loop."""
        return int(self.rows["campaign"].max())


CURVES: Final = (
    ("assumed", "planned", "the catalogue believed for ever, no experiment", GREY),
    ("average", "drawn", "average effects measured, experiment paid", ORANGE),
    ("learnt", "drawn", "effects by customer learnt, experiment paid", BLUE),
    ("learnt", "planned", "the same before hold-out and exploration", GREEN),
)


def picture(found: Found) -> str:
    """Regret by campaign, with the 95 % interval over seeds."""
    figure, axes = blank("campaign", "regret, share of the oracle's profit")
    for loop, rule, label, colour in CURVES:
        table = found.regret(loop, rule)
        mean, low, high = np.array([interval(row) for row in table.to_numpy()]).T
        axes.plot(table.index, mean, "o-", ms=3, color=colour, label=label)
        axes.fill_between(table.index, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_ylim(0, 1.35)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0], ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"])
    axes.axhline(0, color=INK, linewidth=0.8)
    return svg("regret", finished(figure, axes), {})


def _rule_tables(found: Found) -> list[str]:
    lines = []
    for campaign, when in (
        (1, "Before any campaign"),
        (found.campaigns, "With what was learnt until the last"),
    ):
        ours = found.profit("learnt", "ours", "realised").loc[campaign]
        lines += [
            "",
            f"{when} (campaign {campaign}); money, mean (95 % interval of the mean over seeds).",
            "",
            "| Rule | Expected profit | Realised profit | Ours earns more by | Seeds where ours wins |",
            "|---|--:|--:|--:|--:|",
        ]
        for rule, name in RULES.items():
            real = found.profit("learnt", rule, "realised").loc[campaign]
            expected = told(found.profit("learnt", rule).loc[campaign])
            beaten = f"{told(ours - real)} | {(ours > real).mean():.0%}" if rule != "ours" else "– | –"
            lines.append(f"| {name} | {expected} | {told(real)} | {beaten} |")
        best = found.profit("oracle", "planned").loc[campaign]
        lines.append(f"| the oracle, who knows every effect | {told(best)} | | | |")
    return lines


def _regret_table(found: Found) -> list[str]:
    lines = [
        "| Campaign | Catalogue believed | Average effects, experiment paid | By customer, experiment paid "
        "| By customer, before the experiment | Offers with effects by customer |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    tables = [found.regret(loop, rule) for loop, rule, _, _ in CURVES]
    used = found.rows[(found.rows["loop"] == "learnt") & (found.rows["rule"] == "drawn")]
    counts = used.groupby("campaign")["by_customer"].mean()
    for at in range(1, found.campaigns + 1):
        cells = []
        for table in tables:
            mean, low, high = interval(table.loc[at])
            cells.append(f"{mean:.0%} ({low:.0%} to {high:.0%})")
        lines.append(f"| {at} | {' | '.join(cells)} | {counts[at]:.1f} |")
    return lines


def _totals(found: Found) -> list[str]:
    """All campaigns together: what the experiment cost and what it brought."""
    drawn, planned = (found.profit("learnt", rule).sum() for rule in ("drawn", "planned"))
    never, average = found.profit("assumed", "planned").sum(), found.profit("average", "drawn").sum()
    best = found.profit("oracle", "planned").sum()
    behind = (found.profit("learnt", "drawn") - found.profit("assumed", "planned")).cumsum().mean(axis=1)
    paid = behind[behind > 0].index
    back = f"after campaign {paid[0]}" if len(paid) else "not within these campaigns"
    return [
        "",
        f"All {found.campaigns} campaigns together, expected profit per seed: the oracle {told(best)}; effects by",
        f"customer learnt {told(drawn)}, after paying {told(planned - drawn)} for hold-out and exploration; average",
        f"effects measured {told(average)}, likewise; the catalogue believed for ever, without any experiment,",
        f"{told(never)}. On average the experiment has paid for itself {back}.",
        "",
    ]


def report(found: Found, *, customers: int, budget: float, command: str, picture_name: str) -> str:
    """The page."""
    hold, explore = EXPERIMENT.hold_out, EXPERIMENT.explore
    seeds = found.rows["seed"].nunique()
    lines = [
        "# Whether decisions earn more",
        "",
        f"Simulated, all of it: {seeds} seeds, {found.campaigns} campaigns each on {customers:,} new "
        f"customers of the same kind, budget {budget:,.0f}.",
        "Forecasts of churn and margin are right; what is not known are effects. Offers: "
        + ", ".join(f"{code} ({o.cost:g}, assumed {o.assumed_effect:.0%})" for code, o in OFFERS.items())
        + ".",
        f"The truth: nobody with a churn probability well above {LOST_FROM:.0%} can be kept any more, and by type an",
        "offer saves these shares of the value at stake (below 0: it wakes them up):",
        "",
        "| | " + " | ".join(TYPES) + " |",
        "|---|" + "--:|" * len(TYPES),
        *(f"| {c} | " + " | ".join(f"{e:+.0%}" for e in shares) + " |" for c, shares in TRUTH.items()),
        "",
        "Decisions are those of `retain decide`, measuring and learning too; only customers and what they do are",
        "drawn. Such a world shows that the arithmetic and the loop work, not how large effects are in a real shop.",
        "",
        "## By risk, by value, by return, or by what it changes",
        "",
        "The same budget and the same beliefs for all, nobody held out. Realised: both worlds of each customer drawn",
        "with the same luck. *Believed to pay* leaves out whom an offer would cost more than it is believed to save.",
        *_rule_tables(found),
        "",
        "The allocation makes the most of what is believed and can be no better than the beliefs: once effects are",
        "learnt but still uncertain, filling by return per cost on the same beliefs may do as well or better. By risk "
        "does not.",
        "",
        "## Campaign after campaign",
        "",
        f"Decide, wait, measure, decide again, with {hold:.0%} held out and {explore:.0%} exploring each time. Regret",
        "is what the oracle, who knows every effect and holds nobody out, earns more, as a share of that; mean (95 %",
        "interval of the mean over seeds). Those held out are paid for: even who knew all would have a regret of",
        f"about {hold + explore:.0%} with this experiment.",
        "",
        f"![Regret by campaign]({picture_name})",
        "",
        *_regret_table(found),
        *_totals(found),
        "Made by",
        "",
        "```bash",
        command,
        "```",
    ]
    return "\n".join([*lines, ""])
