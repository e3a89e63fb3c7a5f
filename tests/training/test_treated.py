"""Customers who were contacted do not teach what happens without a contact."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.load import tables_from_frames
from features.tables import Tables
from tests.training.small_shops import day, orders
from training.treated import CHOICE, LASTS_DAYS, treatment_weights

SIZE = 400
NAMES = [f"c{i:04d}" for i in range(SIZE)]
LATER = day(500)
CUTS = [30 * k for k in range(2, 14)]


def frame() -> pd.DataFrame:
    """Snapshots 30 days apart; at each, customer i has been silent for i days."""
    parts = []
    for cut in CUTS:
        rows = pd.DataFrame(dict.fromkeys(CHOICE, 1.0), index=range(SIZE))
        parts.append(
            rows.assign(
                days_since_last=np.arange(SIZE) * 1.0, as_of=pd.Timestamp(day(cut)), customer_id=NAMES
            )
        )
    return pd.concat(parts, ignore_index=True)


def contacts(
    on: int, treated: list[int], held: tuple[int, ...] = (), name: str | None = "K1"
) -> pd.DataFrame:
    chosen = [*treated, *held]
    return pd.DataFrame(
        {
            "customer_id": [NAMES[i] for i in chosen],
            "time": pd.Timestamp(day(on)) + pd.Timedelta(hours=6),
            "campaign_id": pd.Series([name] * len(chosen), dtype=object),
            "arm": ["treat"] * len(treated) + ["hold-out"] * len(held),
        }
    )


def tables(campaigns: pd.DataFrame | None) -> Tables:
    found = {"orders": orders([("c0000", 0, 9.0)])}
    return tables_from_frames(found if campaigns is None else {**found, "campaigns": campaigns})


def weights(
    campaigns: pd.DataFrame | None, by: date = LATER, horizon: int = 60
) -> dict[int, np.ndarray] | None:
    """Weights by cut-off, customers in order; None where every row counts 1."""
    rows = frame()
    found = treatment_weights(rows, tables(campaigns), [horizon], by).weights
    if not len(found.columns):
        return None
    return {
        cut: found.loc[rows["as_of"] == pd.Timestamp(day(cut)), f"weight_{horizon}"].to_numpy()
        for cut in CUTS
    }


def test_without_campaigns_or_contacts_every_row_counts_one() -> None:
    assert weights(None) is None
    assert weights(contacts(210, [], (5, 6))) is None


@pytest.mark.parametrize(
    ("what", "treated"),
    [
        ("at random", list(range(0, SIZE, 2))),
        ("everybody", list(range(SIZE))),
        ("all who were seen of late", list(range(150))),
        ("a handful", [398, 399]),
    ],
)
def test_contacts_that_chose_nobody_silent_are_ordinary_life(what: str, treated: list[int]) -> None:
    assert weights(contacts(215, treated)) is None, what


def test_a_random_hold_out_stands_for_the_contacted() -> None:
    held = tuple(range(300, 400, 4))
    treated = [i for i in range(300, 400) if i not in held]
    found = weights(contacts(215, treated, held))
    assert found is not None
    for cut, weight in found.items():
        touched = cut - LASTS_DAYS <= 215 < cut + 60
        expected = np.ones(SIZE)
        if touched:
            expected[treated], expected[list(held)] = 0.0, 4.0
        assert weight.tolist() == expected.tolist(), cut
        assert weight.sum() == SIZE


def test_without_a_hold_out_those_alike_do_not_teach_either() -> None:
    """Customers 305, 315 … were to be contacted and ordered in time: they are no sample of the silent."""
    treated = [i for i in range(300, 400) if i % 10 != 5]
    found = weights(contacts(215, treated))
    assert found is not None
    assert (found[180][310:] == 0).all()
    assert (found[210][treated] == 0).all()
    assert found[180][:290] == pytest.approx(1.0, abs=0.1)
    assert (found[120] == 1).all()
    assert (found[330] == 1).all()


def test_the_share_of_a_hold_out_that_was_not_drawn_at_random_is_not_believed() -> None:
    found = weights(contacts(215, list(range(340, 400)), tuple(range(300, 340))))
    assert found is not None
    assert found[210].max() < 1.3
    assert (found[210][345:] == 0).all()


def test_several_campaigns_multiply() -> None:
    first, second = tuple(range(300, 400, 2)), tuple(range(300, 400, 4))
    one = contacts(215, [i for i in range(300, 400) if i not in first], first, "K1")
    two = contacts(245, [i for i in range(300, 400) if i not in second], second, "K2")
    found = weights(pd.concat([one, two]))
    assert found is not None
    assert found[210][list(second)] == pytest.approx(8.0)
    assert found[210][302] == 0


def test_contacts_of_a_later_day_or_arrival_are_unknown() -> None:
    campaign = contacts(215, list(range(300, 400)))
    assert weights(campaign, by=day(215)) is None
    assert weights(campaign, by=day(216)) is not None
    late = campaign.assign(known_at=pd.Timestamp(day(300)))
    assert weights(late, by=day(300)) is None
    assert weights(late, by=day(301)) is not None


def test_campaigns_without_names_and_arms_are_read_too() -> None:
    bare = contacts(215, list(range(300, 400)))[["customer_id", "time"]]
    found = weights(bare)
    assert found is not None
    assert (found[210][310:] == 0).all()


def test_the_note_counts_and_advises() -> None:
    found = treatment_weights(frame(), tables(contacts(215, list(range(300, 400)))), [60], day(500))
    assert found.note.startswith("contacts: 1 campaign(s) chose")
    assert "leave a random tenth" in found.note
    assert found.weights["weight_60"].index.equals(frame().index)


def test_weights_of_a_horizon_reach_as_far_as_the_horizon() -> None:
    found = treatment_weights(
        frame(), tables(contacts(215, list(range(300, 400)))), [30, 60], day(500)
    ).weights
    rows = frame()
    at = (rows["as_of"] == pd.Timestamp(day(180))) & (rows["customer_id"] == NAMES[350])
    assert found.loc[at].to_numpy().tolist() == [[1.0, 0.0]]
