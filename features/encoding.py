"""Which characters the bytes of a text file stand for, decided from evidence and never by guessing.

A byte order mark decides. Otherwise UTF-8 is proved by what only UTF-8 can mean, GB18030 by a file that
cannot be UTF-8 and whose characters are ordinary Chinese. 930 of the 6,763 characters of GB2312 (毛, 陆, 梅
among them) are valid UTF-8 too, so a file with nothing else in it is refused with a question.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from features.errors import InputError

__all__ = ["Encoding", "detect_encoding", "text_lines"]

MAX_LINE_BYTES = 16 * 1024 * 1024
_BLOCK_BYTES = 4 * 1024 * 1024
_ORDINARY_SHARE = 0.9
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDER = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "cp936": "gb18030",
    "utf-8": "utf-8-sig",
    "ascii": "utf-8-sig",
}
_LONG_SEQUENCE = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{2}")
_PRICE = re.compile(r"[¢£¥]-?\d[\d,]*\.\d\d(?!\d)")
_ACCENTED = re.compile(r"(?<=[A-Za-z])[\u00c0-\u024f]|[\u00c0-\u024f](?=[A-Za-z])")


@dataclass(frozen=True)
class Encoding:
    """How to decode a file.

    ``guessed`` is true where evidence other than UTF-8 or a mark decided; ``mixed`` where lines of another
    encoding are in the file, which are then set aside.
    """

    codec: str
    guessed: bool = False
    mixed: bool = False


def detect_encoding(stream: BinaryIO, source: str, declared: str = "auto") -> Encoding:
    """The encoding of `stream`, which is read to its end.

    Parameters
    ----------
    stream : binary file, at its start
    source : str
        Name for messages.
    declared : str
        ``"auto"`` or the name of an encoding, which is then taken strictly.

    Raises
    ------
    InputError
        When nothing can be read without guessing; the message says what to set.

    Examples
    --------
    >>> detect_encoding(io.BytesIO("客户,金额\\n".encode()), "a.csv").codec
    'utf-8-sig'
    >>> detect_encoding(io.BytesIO("客户,金额\\n".encode("gbk")), "a.csv").codec
    'gb18030'
    """
    head = stream.read(4096)
    marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    if declared != "auto":
        return _declared(declared, marked, source)
    if marked and marked != "utf-8-sig":
        return Encoding(marked)
    if head.count(0) * 5 > len(head):
        raise InputError(
            f"{source}: every other byte is zero, which looks like UTF-16 without its mark; "
            'set encoding = "utf-16-le" or "utf-16-be"'
        )
    evidence = _Evidence(source)
    for first_line, block in _line_blocks(head, stream, source):
        evidence.add(block, first_line)
    return evidence.verdict(sure=marked is not None)


def text_lines(stream: BinaryIO, encoding: Encoding) -> Iterator[str]:
    """Lines of `stream` with their ends; bytes that do not belong come as lone surrogates.

    Raises
    ------
    UnicodeDecodeError
        For broken UTF-16 or UTF-32, where no line can be told from the next.
    """
    if encoding.mixed:
        yield from (_decode_line(line, encoding.codec) for line in stream)
        return
    wide = encoding.codec.startswith(("utf-16", "utf-32"))
    errors = "strict" if wide else "surrogateescape"
    lines = io.TextIOWrapper(stream, encoding=encoding.codec, errors=errors, newline="")
    try:
        yield from lines
    finally:
        if not stream.closed:
            lines.detach()  # the caller opened the stream and closes it


def _declared(declared: str, marked: str | None, source: str) -> Encoding:
    try:
        codec = codecs.lookup(declared).name
    except LookupError:
        raise InputError(
            f'{source}: encoding {declared!r} is unknown; use "utf-8", "gb18030", "utf-16", "cp1252" …'
        ) from None
    codec = _WIDER.get(codec, codec)
    if marked and not codec.startswith(marked[:6]):
        raise InputError(
            f"{source}: encoding is set to {declared!r} but the file begins with the mark of {marked}; "
            'set encoding = "auto"'
        )
    return Encoding(codec)


def _line_blocks(head: bytes, stream: BinaryIO, source: str) -> Iterator[tuple[int, bytes]]:
    """Blocks that end with a line, each with the number of its first line."""
    line, rest = 1, head
    while chunk := stream.read(_BLOCK_BYTES):
        rest += chunk
        cut = max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
        if not cut and len(rest) > MAX_LINE_BYTES:
            raise InputError(
                f"{source}: line {line} is longer than {MAX_LINE_BYTES // 2**20} MiB; is it a table?"
            )
        if cut:
            yield line, rest[:cut]
            line += rest.count(b"\n", 0, cut)
            rest = rest[cut:]
    yield line, rest


class _Evidence:
    """What the blocks of a file say about their encoding, weighed in characters beyond ASCII."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.utf8 = 0
        self.chinese = 0
        self.ordinary = 0
        self.hinted = False
        self.open_line = 0
        self.bad_line = 0
        self.neither_line = 0

    def add(self, block: bytes, first_line: int) -> None:
        if block.isascii():
            return
        text = _decoded(block, "utf-8")
        ordinary = _decoded(block, "gb2312")
        if text is not None and ordinary is None:
            self.utf8 += _beyond_ascii(text)
        elif text is not None:
            self.hinted = self.hinted or _only_utf8(block, text)
            self.open_line = self.open_line or first_line + _lines_before(block)
        else:
            self._add_lines(block, first_line)

    def _add_lines(self, block: bytes, first_line: int) -> None:
        for number, line in enumerate(block.splitlines(), first_line):
            if line.isascii():
                continue
            text = _decoded(line, "utf-8")
            if text is not None:
                self.utf8 += 0 if _decoded(line, "gb2312") is not None else _beyond_ascii(text)
                continue
            self.bad_line = self.bad_line or number
            chinese = _decoded(line, "gb18030")
            if chinese is None:
                self.neither_line = self.neither_line or number
            else:
                self.chinese += _beyond_ascii(chinese)
                self.ordinary += _beyond_ascii(chinese.encode("gb2312", "ignore").decode("gb2312"))

    def verdict(self, sure: bool) -> Encoding:
        if not self.bad_line:
            if self.open_line and not (sure or self.hinted or self.utf8):
                raise InputError(
                    f"{self.source}: line {self.open_line} can be read as UTF-8 and as GBK, with different "
                    'characters, and nothing else in the file decides; set encoding = "utf-8" or "gbk"'
                )
            return Encoding("utf-8-sig")
        chinese = self.chinese and self.ordinary >= _ORDINARY_SHARE * self.chinese
        if sure or self.utf8 >= self.chinese or (self.utf8 and not chinese):
            return self._utf8_with_others(sure)
        if chinese and not self.neither_line:
            return Encoding("gb18030", guessed=True, mixed=self.utf8 > 0)
        raise self._unreadable()

    def _utf8_with_others(self, sure: bool) -> Encoding:
        if not (sure or self.utf8):
            raise self._unreadable()
        return Encoding("utf-8-sig", mixed=True)

    def _unreadable(self) -> InputError:
        line = self.neither_line or self.bad_line
        return InputError(
            f"{self.source}: line {line} is neither UTF-8 nor Chinese GB18030; "
            'set encoding, for example "cp1252" (Western Europe), "shift_jis" or "big5"'
        )


def _decode_line(line: bytes, codec: str) -> str:
    """A line of a mixed file; one that may be of the other encoding comes with lone surrogates."""
    if line.isascii():
        return line.decode("ascii")
    text = _decoded(line, "utf-8-sig")
    ordinary = _decoded(line, "gb2312") is not None
    if codec == "gb18030":
        other = text is not None and not ordinary
        chinese = _decoded(line, "gb18030")
        return line.decode("ascii", "surrogateescape") if other or chinese is None else chinese
    if text is None or (ordinary and not _only_utf8(line, text)):
        return line.decode("ascii", "surrogateescape")
    return text


def _only_utf8(block: bytes, text: str) -> bool:
    """Whether bytes that are valid in both encodings make sense as UTF-8 only."""
    if _LONG_SEQUENCE.search(block) or _PRICE.search(text):
        return True
    return any(_fits_word(text, match.start()) for match in _ACCENTED.finditer(text))


def _fits_word(text: str, at: int) -> bool:
    """Whether the accented letter stands beside an ASCII letter of its own case, as in Müller or MÜLLER."""
    letter = text[at]
    beside = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
    return letter.isalpha() and any(
        b.isascii() and b.isalpha() and b.isupper() == letter.isupper() for b in beside
    )


def _lines_before(block: bytes) -> int:
    first = re.search(rb"[\x80-\xff]", block)
    return block.count(b"\n", 0, first.start()) if first else 0


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _decoded(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None
