from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from features.parse_time import decide_order, parse_time

FIFTH = datetime(2026, 1, 5)
AFTERNOON = datetime(2026, 1, 5, 14, 30)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-05", FIFTH),
        ("2026-1-5", FIFTH),
        ("2026/01/05", FIFTH),
        ("2026.1.5", FIFTH),
        ("20260105", FIFTH),
        ("20260105143000", AFTERNOON),
        ("2026年1月5日", FIFTH),
        ("2026年01月05日 14:30", AFTERNOON),
        ("2026年1月5日 下午2:30", AFTERNOON),
        ("2026年1月5日 14时30分", AFTERNOON),
        ("2026-01-05T14:30:00", AFTERNOON),
        ("2026-01-05 2:30 PM", AFTERNOON),
        ("2026-01-05 12:30 am", datetime(2026, 1, 5, 0, 30)),
        ("2026-01-05 14:30:00.123456789", datetime(2026, 1, 5, 14, 30, 0, 123456)),
        ("5 Jan 2026", FIFTH),
        ("05-JAN-2026 14:30", AFTERNOON),
        ("January 5th, 2026", FIFTH),
        ("２０２６－０１－０５", FIFTH),
    ],
)
def test_year_first_and_named_months_are_read(text, value):
    parsed = parse_time(text, "UTC")
    assert (parsed.value, parsed.fault, parsed.zoned) == (value, "", False)


@pytest.mark.parametrize(
    "text",
    ["2026-02-30", "2026-01-05-06", "2026-13-01", "0000-01-01", "2026-01-05 25:00", "2026-01-05 13:00 PM",
     "01/02/2026", "5/1/26", "yesterday", "45000", "2026-01", "2026-1-5x", "2026-01/05"],
)  # fmt: skip
def test_anything_else_is_not_a_date(text):
    assert parse_time(text, "UTC").fault == "not_a_date"


@pytest.mark.parametrize(
    ("text", "zone", "value"),
    [
        ("2026-01-31T20:00:00Z", "Asia/Shanghai", datetime(2026, 2, 1, 4)),
        ("2026-01-31 20:00+00:00", "America/New_York", datetime(2026, 1, 31, 15)),
        ("2026-07-01T00:00:00+08:00", "Europe/London", datetime(2026, 6, 30, 17)),
        ("2026-01-31T20:00:00-0530", "UTC", datetime(2026, 2, 1, 1, 30)),
    ],
)
def test_zoned_times_become_business_local(text, zone, value):
    parsed = parse_time(text, zone)
    assert (parsed.value, parsed.zoned) == (value, True)


@pytest.mark.parametrize(
    ("text", "date_format", "value"),
    [
        ("05/01/2026", "dmy", FIFTH),
        ("1/5/2026 2:30 PM", "mdy", AFTERNOON),
        ("05.01.2026", "dmy", FIFTH),
        ("2026-01-05", "dmy", FIFTH),
        ("46027", "excel", FIFTH),
        ("46027.604166666664", "excel", AFTERNOON),
        ("1767571200", "epoch", FIFTH),
        ("1767571200000", "epoch_ms", FIFTH),
        ("05.01.26", "%d.%m.%y", FIFTH),
    ],
)
def test_a_declared_format_is_used(text, date_format, value):
    assert parse_time(text, "UTC", date_format).value == value


def test_a_declared_format_is_strict():
    assert parse_time("31/01/2026", "UTC", "mdy").fault == "not_a_date"
    assert parse_time("2026-01-05", "UTC", "%d/%m/%Y").fault == "not_a_date"
    with pytest.raises(InputError, match="date_format 'DMY' is unknown"):
        parse_time("05/01/2026", "UTC", "DMY")


def test_the_whole_column_decides_the_order():
    assert decide_order(["01/02/2026", "13/02/2026"], "orders.time") == "dmy"
    assert decide_order(["01/02/2026 10:00", "02/13/2026 11:00"], "orders.time") == "mdy"
    assert decide_order(["2026-01-05", "20260105"], "orders.time") == "ymd"
    assert decide_order(["01/01/2026", "02/02/2026"], "orders.time") == "dmy"
    assert decide_order(["45/45/2026", "31/12/2026"], "orders.time") == "dmy"


def test_what_cannot_be_decided_is_asked():
    with pytest.raises(InputError, match=r"ambiguous date format, e.g. '01/02/2026'.*date_format"):
        decide_order(["01/02/2026", "03/03/2026"], "orders.time")
    with pytest.raises(InputError, match=r"'13/02/2026' \(day first\) and '02/13/2026'"):
        decide_order(["13/02/2026", "02/13/2026"], "orders.time")


@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 31)).map(lambda t: t.replace(microsecond=0)))
def test_every_spelling_of_a_moment_agrees(moment):
    spellings = {
        "auto": "%Y-%m-%d %H:%M:%S",
        "ymd": "%Y年%m月%d日 %H:%M:%S",
        "dmy": "%d/%m/%Y %H:%M:%S",
        "mdy": "%m/%d/%Y %I:%M:%S %p",
    }
    for date_format, spelling in spellings.items():
        assert parse_time(moment.strftime(spelling), "UTC", date_format).value == moment


@given(st.text(max_size=20))
def test_no_text_breaks_it(text):
    parsed = parse_time(text, "Asia/Shanghai", "dmy")
    assert (parsed.value is None) == bool(parsed.fault)
