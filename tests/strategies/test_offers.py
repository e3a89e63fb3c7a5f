"""The offer catalogue: checked whole, and open only to those an offer is meant for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ConfigError, InputError
from strategies.offer_rows import LEAVE_ALONE
from strategies.offers import HANDS_OFF, OfferCatalogue, default_offers_text
from strategies.settings import ChannelSettings
from strategies.status import STATUSES
from strategies.strategy_table import StrategyTable
from strategies.value_class import VALUE_CLASSES

TABLE = StrategyTable.default()
CALL = '[offers.call]\nchannel = "phone"\ncost = 4\n'
MAIL = '[offers.mail]\nchannel = "email"\ncost = 0.1\n'


def parse(text: str, source: str = "mine.toml", **more: object) -> OfferCatalogue:
    return OfferCatalogue.parse(text, TABLE, source=source, **more)  # type: ignore[arg-type]


def faults(text: str, source: str = "mine.toml", **more: object) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, source, **more)
    return str(caught.value)


def people(**columns: object) -> pd.DataFrame:
    plain = {"strategy": "rescue", "value_class": "gold", "status": "active", "value_at_stake": 100.0}
    plain |= {"last_campaign_days": np.nan, "opted_out": False}
    return pd.DataFrame(plain | columns, index=range(max(map(np.size, columns.values()), default=1)))


def test_every_strategy_with_something_to_do_has_an_offer() -> None:
    catalogue = OfferCatalogue.default()
    served = {strategy for offer in catalogue.offers for strategy in offer.strategies}
    assert served == set(TABLE.names) - set(HANDS_OFF)
    assert LEAVE_ALONE not in catalogue.codes


def test_the_default_is_told_in_both_languages_and_marks_prices() -> None:
    for offer in OfferCatalogue.default().offers:
        assert offer.text_en.isascii()
        assert offer.script_en.isascii()
        assert not offer.text_zh.isascii()
        assert not offer.script_zh.isascii()
        assert offer.touches_price == ("voucher" in offer.code)
        assert 0 < offer.assumed_effect <= 0.15
    assert OfferCatalogue.default().offer(LEAVE_ALONE).assumed_effect == 0


def test_the_channel_adds_its_cost_and_its_limit() -> None:
    channels = "[channels.phone]\ncapacity = 20\ncost = 1.5\n"
    catalogue = parse(CALL + "capacity = 7\n" + MAIL + channels)
    assert catalogue.costs.tolist() == [5.5, 0.1]
    assert catalogue.offer_capacities == {"call": 7}
    assert catalogue.channel_capacities == {"phone": 20}
    other = catalogue.with_channels({"phone": ChannelSettings(capacity=5)})
    assert (other.channel_capacities, other.costs.tolist()) == ({"phone": 5}, [5.5, 0.1])


def test_whoever_opted_out_is_made_no_offer() -> None:
    may = OfferCatalogue.default().eligible(people(opted_out=[True, False, None], strategy="rescue"))
    assert may.any(axis=1).tolist() == [False, True, True]


def test_the_cool_down_has_to_pass() -> None:
    may = parse(CALL + "cool_down_days = 30\n").eligible(people(last_campaign_days=[0, 29, 30, 400, np.nan]))
    assert may[:, 0].tolist() == [False, False, True, True, True]


def test_labels_and_the_minimum_at_stake_decide() -> None:
    text = 'strategies = ["rescue"]\nvalue_classes = "gold|platinum"\nstatuses = ["active"]\n'
    catalogue = parse(CALL + text + "minimum_value_at_stake = 50\n" + MAIL)
    frame = pd.concat(
        [
            people(),
            people(strategy="keep"),
            people(value_class="iron"),
            people(status="lapsed"),
            people(value_at_stake=49.9),
            people(value_at_stake=np.nan),
        ]
    )
    may = catalogue.eligible(frame)
    assert may[:, 0].tolist() == [True, False, False, False, False, False]
    assert may[:, 1].all()


def test_hands_off_unless_named() -> None:
    frame = people(strategy=[*HANDS_OFF, "keep"])
    named = parse(CALL + 'strategies = ["observe"]\n' + MAIL).eligible(frame)
    assert named[:, 0].tolist() == [False, False, True, False]
    assert named[:, 1].tolist() == [False, False, False, True]


MANY = st.lists(
    st.tuples(
        st.sampled_from(list(TABLE.names)),
        st.sampled_from(VALUE_CLASSES),
        st.sampled_from(STATUSES),
        st.one_of(st.just(np.nan), st.floats(0, 1_000)),
        st.one_of(st.just(np.nan), st.integers(0, 200).map(float)),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@given(MANY)
def test_the_array_answers_as_each_offer_reads(rows: list[tuple[object, ...]]) -> None:
    names = ["strategy", "value_class", "status", "value_at_stake", "last_campaign_days", "opted_out"]
    frame = pd.DataFrame(rows, columns=names)
    catalogue = OfferCatalogue.default()
    may = catalogue.eligible(frame)
    assert may.shape == (len(frame), len(catalogue.offers))
    for person, row in zip(frame.itertuples(), may, strict=True):
        for offer, open_ in zip(catalogue.offers, row, strict=True):
            assert open_ == (
                not person.opted_out
                and person.strategy in offer.strategies
                and (not offer.value_classes or person.value_class in offer.value_classes)
                and not person.last_campaign_days < offer.cool_down_days
            )


def test_a_column_that_is_missing_or_no_flag_is_refused() -> None:
    catalogue = OfferCatalogue.default()
    with pytest.raises(InputError, match=r"lacks 1 column\(s\): opted_out"):
        catalogue.eligible(people().drop(columns="opted_out"))
    with pytest.raises(
        InputError, match=r"opted_out must be true or false for each customer, found e\.g\. 'x'"
    ):
        catalogue.eligible(people(opted_out=["x", None]))
    with pytest.raises(InputError, match=r"found e\.g\. '2'"):
        catalogue.eligible(people(opted_out=[2.0, 0.0]))
    assert catalogue.eligible(people().iloc[:0]).shape == (0, len(catalogue.offers))


def test_all_faults_are_told_at_once_with_their_lines() -> None:
    bad = '[offers.call]\nchanel = "phone"\ncost = -1\nstrategies = ["rescu"]\nvalue_classes = "golden"\n'
    told = faults(bad + MAIL + 'capacity = 1.5\n[offers.leave_alone]\nchannel = "none"\ncost = 0\n')
    assert told.splitlines()[0] == "mine.toml has 5 fault(s):"
    assert "line 2: [offers.call] chanel is unknown; did you mean channel?" in told
    assert "line 1: [offers.call] channel is missing" in told
    assert "line 3: [offers.call] cost is -1, expected greater than or equal to 0" in told
    assert "line 9: [offers.mail] capacity is 1.5, expected a whole number" in told
    assert "line 10: [offers.leave_alone] leave_alone is always there" in told
    told = faults(
        '[offers.call]\nchannel = "phone"\ncost = 1\nstrategies = ["rescu"]\nvalue_classes = "golden"\n'
    )
    assert "line 4: [offers.call] strategies 'rescu' is unknown; did you mean rescue?" in told
    assert "line 5: [offers.call] value_classes 'golden' is unknown; did you mean gold?" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no offer"),
        ("offers = 3\n", "line 1: offers must be sections [offers.NAME], found 3"),
        ("[offers]\ncall = 3\n", "line 2: [offers] call must be a section [offers.call]"),
        ("[offer.call]\ncost = 3\n" + MAIL, "offer is unknown; expected [offers.NAME]"),
        (CALL + 'region = "north"\n', "line 4: [offers.call] region is protected and may not decide"),
        (CALL + 'segments = ["b2b"]\n', "segments is protected"),
        (
            CALL + "[channels.phon]\ncost = 1\n",
            "line 4: [channels.phon] no offer uses this channel; did you mean phone?",
        ),
        (CALL + "[channels.phone]\ncapacity = -1\n", "[channels.phone] capacity is -1, expected greater"),
        (CALL + "[channels.phone]\nroom = 1\n", "room is 1, expected"),
        (CALL + 'text_en = "10 % off"\n', "line 4: [offers.call] text_en speaks of a price ('10 %')"),
        (
            CALL + 'text_zh = "下单立减"\n',
            "text_zh speaks of a price ('立减'); say touches_price = true, or false",
        ),
        (CALL + "assumed_effect = nan\n", "assumed_effect is nan"),
        (CALL + "cost = \n", "not valid TOML"),
        (CALL + "touches_price = 3\n", "touches_price is 3, expected true or false"),
        ('[offers."a b"]\nchannel = "x"\ncost = 1\n', "code 'a b' must be"),
    ],
)
def test_each_fault_has_its_message(text: str, message: str) -> None:
    assert message in faults(text)


def test_an_attribute_protected_by_the_configuration_is_refused_too() -> None:
    assert "age_group is unknown" in faults(CALL + 'age_group = "old"\n')
    assert "age_group is protected" in faults(CALL + 'age_group = "old"\n', protected=("region", "age"))


def test_a_spreadsheet_says_the_same(tmp_path: Path) -> None:
    text = "code;channel;cost;strategies;capacity;touches_price;text_en\n"
    text += "call;phone;4,5;rescue|keep;;;a call\n".replace(",", ".") + "cut;email;0.1;*;100;TRUE;10 % off\n"
    (tmp_path / "offers.csv").write_text(text, encoding="utf-8-sig")
    call, cut = OfferCatalogue.load(tmp_path / "offers.csv", TABLE).offers
    assert (call.cost, call.strategies, call.capacity, call.touches_price) == (
        4.5,
        ("rescue", "keep"),
        None,
        False,
    )
    assert (cut.strategies, cut.capacity, cut.touches_price) == ((), 100, True)


def test_faults_of_a_spreadsheet_come_with_their_lines() -> None:
    told = faults("code,channel,cost\ncall,phone,x\n\nmail,email,\nleave_alone,none,0\n", "mine.csv")
    assert "line 2: call: cost is 'x', expected a number" in told
    assert "line 4: mail: cost is missing" in told
    assert "line 5: leave_alone: leave_alone is always there" in told
    assert "line 3: offer 'a' is in line 2 already" in faults("code,channel,cost\na,p,1\na,p,1\n", "mine.csv")
    assert "line 1: region is protected" in faults("code,channel,cost,region\na,p,1,x\n", "mine.csv")
    assert "column code is missing" in faults("channel,cost\np,1\n", "mine.csv")


def test_the_version_follows_the_content_and_not_its_spelling() -> None:
    one, other = parse(CALL + MAIL), parse("# ours\n" + MAIL + CALL.replace("4", "4.0"))
    assert one.version == other.version
    assert parse(CALL + MAIL.replace("0.1", "0.2")).version != one.version
    assert parse(CALL + MAIL + "[channels.phone]\ncost = 1\n").version != one.version
    assert OfferCatalogue.parse(default_offers_text(), TABLE).version == OfferCatalogue.default().version
