"""The page stands alone, is drawn from JSON, and shows what the card says."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.training.meetings import HORIZON, population, with_ours
from training.card import quality_card
from training.card_page import card_page
from training.card_plots import card_pictures, picture_files
from training.meeting import OURS
from training.settings import TrainingSettings


def document(meetings, **more):
    card = quality_card(meetings, settings=TrainingSettings(), seed=1, **more)
    return json.loads(json.dumps(card.to_json(), allow_nan=False))


def bounded(meeting):
    ours = meeting.forecasts[OURS]
    value = ours.expected_value[HORIZON]
    return replace(ours, bounds={HORIZON: {0.1: 0 * value, 0.9: 4 * value}})


@pytest.fixture(scope="module")
def card():
    return document(with_ours(population(1, customers=400), bounded), decay={0: 50.0, 4: 45.0})


@pytest.fixture(scope="module")
def page(card):
    return card_page(card, version="0123456789ab")


class Tags(HTMLParser):
    """Open tags, the words shown, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.names, self.words, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(page):
    tags = Tags(page)
    assert not {"script", "link", "iframe", "img", "object", "embed", "form"} & set(tags.names)
    links = [v for k, v in tags.attributes if k in ("href", "src", "xlink:href")]
    assert all(v.startswith("#") for v in links)
    assert not [k for k, _ in tags.attributes if k.startswith("on")]
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_everything_said_is_there_in_both_languages(card, page):
    words = "".join(Tags(page).words)
    for part in card["parts"]:
        for lang in ("en", "zh"):
            assert part["text"][lang] in words
            assert part["title"][lang] in words
    assert card["headline"]["zh"] in words
    assert "0123456789ab" in words
    assert f"{part['models']['retain']['figure']:.1f}" in words


def test_ids_are_the_pictures_own(page):
    ids = [v for k, v in Tags(page).attributes if k == "id"]
    assert len(ids) == len(set(ids))


def test_pictures_are_well_formed_and_the_same_every_time(card):
    pictures = card_pictures(card)
    assert list(pictures) == ["profit", "gains", "calibration", "by_day"]
    for svg in (*pictures.values(), *picture_files(card).values()):
        assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert pictures == card_pictures(card)
    assert "本模型" in pictures["gains"]


def test_coverage_and_days_are_tables(card, page):
    assert page.count("<tr><td>2025-") == 3
    assert f"<td>{card['coverage'][0]['covered']:.0%}</td>" in page


def test_a_suspect_is_warned_of_first():
    leaky = with_ours(
        population(1, customers=400, days=1),
        lambda m: replace(m.forecasts[OURS], churn_probability=np.where(m.churned > 0, 0.98, 0.02)),
    )
    text = card_page(document(leaky, leaks=["<b>Score</b>"]))
    assert text.index('class="warning"') < text.index('class="part"')
    assert "&lt;b&gt;Score&lt;/b&gt;" in text
    assert "<b>Score" not in text


def test_a_card_of_nothing_is_still_a_page():
    meeting = replace(population(1, customers=5, days=1)[0], forecasts={})
    constant = replace(
        population(1, customers=5, days=1)[0].forecasts[OURS], expected_orders={}, expected_value={}
    )
    bare = replace(
        meeting, forecasts={OURS: constant}, orders={}, value={}, churned=np.ones(meeting.customer.size)
    )
    text = card_page(document([bare]))
    assert "–" in text
    assert "nan" not in "".join(Tags(text).words)
