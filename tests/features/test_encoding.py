from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.encoding import detect_encoding, text_lines
from features.errors import InputError

HEAD = b"customer_id,name\n"


def detect(raw, declared="auto"):
    return detect_encoding(io.BytesIO(raw), "a.csv", declared)


def lines(raw, declared="auto"):
    return list(text_lines(io.BytesIO(raw), detect(raw, declared)))


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_decides(codec):
    raw = "编号,姓名\n7,李雷\n".encode(codec)
    assert detect(raw).codec == codec
    assert lines(raw) == ["编号,姓名\n", "7,李雷\n"]


@pytest.mark.parametrize(
    "text", ["7,Anna\n", "7,李雷\n", "7,Müller\n", "7,MÜLLER\n", "7,£12.50\n", "7,Иван Петров\n"]
)
def test_utf8_is_known_from_what_only_utf8_can_mean(text):
    found = detect(HEAD + text.encode())
    assert (found.codec, found.guessed, found.mixed) == ("utf-8-sig", False, False)


@pytest.mark.parametrize("name", ["毛", "陆梅", "VIP毛", "A陆", "3楼"])
def test_gbk_names_that_are_valid_utf8_are_refused_with_a_question(name):
    raw = HEAD + b"7," + name.encode("gbk") + b"\n"
    with pytest.raises(InputError, match=r'line 2 can be read as UTF-8 and as GBK.*"utf-8" or "gbk"'):
        detect(raw)
    assert lines(raw, "gbk")[1] == f"7,{name}\n"


def test_gbk_is_recognised_and_said():
    raw = HEAD + "7,王小明先生\n8,毛\n9,李雷,北京市\n10,\u5586\n".encode("gbk")
    found = detect(raw)
    assert (found.codec, found.guessed, found.mixed) == ("gb18030", True, False)
    assert lines(raw)[2] == "8,毛\n"


def test_gbk_lines_in_a_utf8_file_come_with_lone_surrogates():
    raw = HEAD + "7,李雷\n8,韩梅梅\n".encode() + "9,王芳\n".encode("gbk") + "10,毛\n".encode("gbk")
    assert detect(raw).mixed
    read = lines(raw)
    assert read[:3] == ["customer_id,name\n", "7,李雷\n", "8,韩梅梅\n"]
    assert all(any("\udc80" <= c <= "\udcff" for c in line) for line in read[3:])


def test_utf8_lines_in_a_gbk_file_are_marked_not_garbled():
    raw = HEAD + "".join(f"{i},王小明先生\n" for i in range(50)).encode("gbk") + "99,李雷\n".encode()
    found = detect(raw)
    assert (found.codec, found.mixed) == ("gb18030", True)
    read = lines(raw)
    assert read[1] == "0,王小明先生\n"
    assert any("\udc80" <= c <= "\udcff" for c in read[-1])


def test_western_bytes_are_refused_with_the_line():
    with pytest.raises(InputError, match=r"line 3 is neither UTF-8 nor Chinese"):
        detect(HEAD + b"7,Anna\n8,M\xfcller\n")
    assert lines(HEAD + b"8,M\xfcller\n", "cp1252")[1] == "8,Müller\n"


def test_utf16_without_mark_is_named():
    with pytest.raises(InputError, match="utf-16-le"):
        detect("customer_id\n7\n".encode("utf-16-le"))
    assert lines("a\n7\n".encode("utf-16-le"), "utf-16-le") == ["a\n", "7\n"]


def test_a_declared_encoding_is_strict():
    assert "\udcc3" in lines(HEAD + b"7,\xc3\n", "utf-8")[1]
    with pytest.raises(InputError, match="unknown"):
        detect(HEAD, "utf-99")
    with pytest.raises(InputError, match="mark of utf-16"):
        detect("a\n".encode("utf-16"), "utf-8")


def test_a_line_without_end_is_refused():
    with pytest.raises(InputError, match="line 1 is longer than 16 MiB"):
        detect(b"x" * (21 * 1024 * 1024))


@given(
    st.lists(
        st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=3, max_size=8), min_size=4
    )
)
def test_chinese_text_is_never_garbled(names):
    text = "".join(f"{i},{name}\n" for i, name in enumerate(names))
    for codec in ("utf-8", "gb18030"):
        try:
            read = "".join(lines(text.encode(codec)))
        except InputError:
            continue
        kept = [line for line in read.splitlines() if not any("\udc80" <= c <= "\udcff" for c in line)]
        assert set(kept) <= set(text.splitlines())
