"""What customers say: complaints, questions to the service, survey answers; and calls made by the shop."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from retain.shop.arrays import Flags, Floats, Ints, Times, words
from retain.shop.hidden import Hidden
from retain.shop.life import Life
from retain.shop.orders import Purchases

__all__ = ["interactions_table", "surveys_table"]

KINDS = ("contact", "complaint", "service")
CHANNELS = ("email", "phone", "chat", "store")
DIRECTIONS = ("inbound", "outbound")
_CONTACT, _COMPLAINT, _SERVICE = 0, 1, 2
_SERVICE_SHARE = 0.10
_SURVEY_SHARE = 0.12
_CONTACTS_PER_WEEK = 1.5 / 52
_DAY = np.timedelta64(1, "D")


def interactions_table(hidden: Hidden, purchases: Purchases) -> pa.Table:
    """The interactions table, by time; ``resolved_at`` is null where nothing was resolved by the end."""
    rng, clock, life = hidden.rng("interactions"), hidden.clock, hidden.life
    asked = np.flatnonzero(rng.random(len(purchases.row)) < _SERVICE_SHARE)
    called, call_clock = _calls(rng, hidden)
    row = np.concatenate([called, life.complaint_row, purchases.row[asked]])
    kind = np.repeat([_CONTACT, _COMPLAINT, _SERVICE], [len(called), len(life.complaint_row), len(asked)])
    time = np.concatenate(
        [
            clock.times(call_clock),
            clock.times(life.complaint_clock),
            purchases.time[asked] + rng.integers(0, 11, len(asked)) * _DAY,
        ]
    )
    resolved, has = _resolutions(rng, kind, time, life)
    kept = np.lexsort((row, time))
    kept = kept[time[kept] < hidden.end]
    channel = rng.choice(len(CHANNELS), len(row), p=(0.45, 0.30, 0.20, 0.05))
    return pa.table(
        {
            "customer_id": hidden.traits.ids.take(pa.array(row[kept])),
            "time": pa.array(time[kept]),
            "kind": words(KINDS, kind[kept]),
            "channel": words(CHANNELS, channel[kept]),
            "direction": words(DIRECTIONS, (kind[kept] == _CONTACT).astype(np.int64)),
            "resolved_at": pa.array(resolved[kept], mask=~(has & (resolved < hidden.end))[kept]),
        }
    )


def surveys_table(hidden: Hidden, purchases: Purchases) -> pa.Table:
    """The surveys table: some orders are followed by an answer, 2 to 14 days later."""
    rng = hidden.rng("surveys")
    asked = np.flatnonzero(rng.random(len(purchases.row)) < _SURVEY_SHARE)
    row = purchases.row[asked]
    time = purchases.time[asked] + rng.integers(2, 15, len(asked)) * _DAY
    felt = hidden.life.satisfaction[row, np.floor(purchases.clock[asked]).astype(np.int64)]
    noise = rng.normal(0.0, (0.8, 1.0, 1.0), (len(asked), 3)).T
    expected = 7.0 + noise[1]
    answers = {
        "score": felt + noise[0],
        "expected": expected,
        "recommend": felt + 0.3 * (felt - expected) + noise[2],
    }
    order = np.lexsort((row, time))
    kept = order[time[order] < hidden.end]
    return pa.table(
        {
            "customer_id": hidden.traits.ids.take(pa.array(row[kept])),
            "time": pa.array(time[kept]),
            **{name: pa.array(np.clip(np.rint(a[kept]), 0, 10)) for name, a in answers.items()},
        }
    )


def _calls(rng: np.random.Generator, hidden: Hidden) -> tuple[Ints, Floats]:
    """Calls by the shop, from the first order to the end of the data, whether the customer left or not."""
    clock, traits = hidden.clock, hidden.traits
    count = rng.poisson(_CONTACTS_PER_WEEK * (clock.end - traits.born) * ~traits.opted_out)
    row = np.repeat(np.arange(len(count)), count)
    when = traits.born[row] + rng.random(len(row)) * (clock.end - traits.born)[row]
    return row, np.minimum(when, np.nextafter(clock.end, 0))


def _resolutions(rng: np.random.Generator, kind: Ints, time: Times, life: Life) -> tuple[Times, Flags]:
    """When each inbound matter was resolved, and whether it ever was: whole days, so never in the night."""
    days = np.where(kind == _COMPLAINT, rng.integers(1, 22, len(kind)), rng.integers(0, 3, len(kind)))
    has = kind == _SERVICE
    has[kind == _COMPLAINT] = life.complaint_resolved
    return time + days * _DAY, has
