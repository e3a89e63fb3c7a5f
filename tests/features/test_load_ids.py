"""Blanks around ids: removed, unless two customers would become one."""

from __future__ import annotations

import pytest

from tests.features.test_load import HEAD, aside, found, load_text, rows


def test_blanks_around_ids_are_removed_unless_that_merges_two(tmp_path):
    loaded = load_text(tmp_path, HEAD + " 7,2026-01-05,1\n8\u3000,2026-01-05,1\n")
    assert rows(loaded, "customer_id") == [("7",), ("8",)]
    assert (found(loaded, "id_blanks").state, found(loaded, "id_blanks").rows) == ("repaired", 2)
    loaded = load_text(tmp_path, HEAD + " 7,2026-01-05,1\n7,2026-01-05,1\n")
    assert rows(loaded, "customer_id") == [(" 7",), ("7",)]
    assert found(loaded, "id_blanks_kept").state == "warning"


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u3000"])
def test_every_blank_counts_at_either_end_and_alone_is_no_id(tmp_path, blank):
    ids = [f"{blank}7", f"8{blank}", blank, f"9{blank}9", f"{blank}9"]
    loaded = load_text(tmp_path, HEAD + "".join(f"{i},2026-01-05,1\n" for i in ids))
    assert set(rows(loaded, "customer_id")) == {("7",), ("8",), ("9",), (f"9{blank}9",)}
    assert found(loaded, "id_blanks").rows == 3
    loaded = load_text(tmp_path, HEAD + "".join(f"{i},2026-01-05,1\n" for i in [*ids, "9"]))
    assert len(rows(loaded, "customer_id")) == 5
    assert (found(loaded, "id_blanks_kept").rows, aside(loaded)) == (3, [(4, "customer_id", "no_customer")])
