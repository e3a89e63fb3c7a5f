"""Pages that stand alone: one file of HTML, English and Chinese both in it, no script and nothing from elsewhere.

Two radio buttons and style rules choose which language shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Literal

__all__ = ["Text", "both", "document", "figures", "plain_table", "warning"]

Text = Mapping[str, str]
"""A text in both languages, by ``en`` and ``zh``."""

_STYLE = """
:root { --ink: #22303c; --soft: #5d6b78; --rule: #e3e7eb; --blue: #1f5fa8; --paper: #ffffff; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 3rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; }
body > input { position: absolute; opacity: 0; }
body > label { font-size: .85rem; color: var(--soft); padding: .15rem .7rem; border: 1px solid var(--rule);
  border-radius: 1rem; cursor: pointer; margin-right: .3rem; }
body > input:checked + label { background: var(--ink); color: #fff; border-color: var(--ink); }
body > input:focus-visible + label { outline: 2px solid var(--blue); outline-offset: 2px; }
#show-en:checked ~ main .zh, #show-zh:checked ~ main .en { display: none; }
header { display: flex; gap: 1.25rem; align-items: center; margin: 1.25rem 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 .2rem; }
header p { margin: .2rem 0 0; font-size: 1.05rem; }
.warning, .note { padding: .6rem .9rem; border-radius: .4rem; margin: .6rem 0; }
.warning { background: #fbeaea; border-left: .3rem solid #a32b2b; }
.note { background: #fdf5e3; border-left: .3rem solid #a8780f; }
section { margin: 1.4rem 0; }
.figures, small { color: var(--soft); } .figures { font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.2rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; } figcaption { font-weight: 600; font-size: .95rem; }
.plain th { text-align: left; font-weight: 600; } .plain th, .plain td { padding: .25rem .8rem .25rem 0;
  border-bottom: 1px solid var(--rule); }
footer { border-top: 1px solid var(--rule); padding-top: .8rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 34rem) { .pictures { grid-template-columns: 1fr; } }
@media print { body > input, body > label { display: none; } section, figure { break-inside: avoid; } }
"""

_DOCUMENT = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<input type="radio" name="lang" id="show-en"{en}><label for="show-en">English</label>
<input type="radio" name="lang" id="show-zh"{zh}><label for="show-zh">中文</label>
<main>
{body}
</main>
</body>
</html>
"""


def document(title: str, body: Iterable[str], *, style: str = "", lang: Literal["en", "zh"] = "en") -> str:
    """A whole HTML document.

    Parameters
    ----------
    title : str
        Shown on the tab.
    body : iterable of str
        Pieces of HTML; empty ones are left out.
    style : str
        Style rules of the page's own.
    lang : {"en", "zh"}
        The language that shows first.
    """
    chosen = {name: " checked" if name == lang else "" for name in ("en", "zh")}
    text = "\n".join(piece for piece in body if piece)
    return _DOCUMENT.format(
        lang=lang, title=escape(title), style=_STYLE + style.lstrip("\n"), body=text, **chosen
    )


def both(text: Text) -> str:
    """A text in both languages, of which the page shows one.

    Examples
    --------
    >>> both({"en": "A < B", "zh": "甲"})
    '<span class="en" lang="en">A &lt; B</span><span class="zh" lang="zh">甲</span>'
    """
    return "".join(f'<span class="{lang}" lang="{lang}">{escape(text[lang])}</span>' for lang in ("en", "zh"))


def plain_table(title: Text, heads: Sequence[Text], rows: Iterable[Iterable[object]]) -> str:
    """A section with a heading and a table of plain cells."""
    top = "".join(f"<th>{both(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
    return f'<section><h2>{both(title)}</h2><table class="plain"><tr>{top}</tr>{body}</table></section>'


def figures(told: Text, *values: str) -> str:
    """A line of figures; `values` are put into both texts."""
    shown = {lang: text.format(*values) for lang, text in told.items()} if values else told
    return f'<p class="figures">{both(shown)}</p>'


def warning(text: Text) -> str:
    """A sentence that must not be overlooked."""
    return f'<p class="warning">{both(text)}</p>'
