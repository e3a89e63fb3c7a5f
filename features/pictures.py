"""Pictures inside pages: axes of one look, and SVG whose words are text in English and Chinese."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from html import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["BLUE", "GREY", "INK", "ORANGE", "PALE", "blank", "finished", "svg"]

INK, BLUE, ORANGE, GREY, PALE = "#22303c", "#1f5fa8", "#d9822b", "#8a8a8a", "#e5e5e5"
# Text stays text and ids are the same in every run: same figures, same bytes.
_SVG = {"svg.fonttype": "none", "svg.hashsalt": "retain", "font.size": 10}
_ID = re.compile(r'(id="|url\(#|href="#)([\w.-]+)')


def blank(x: str, y: str) -> tuple[Figure, Axes]:
    """Empty axes with their labels."""
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def finished(figure: Figure, axes: Axes) -> Figure:
    """The figure with its legend."""
    axes.legend(frameon=False, fontsize=8.5)
    return figure


def svg(name: str, figure: Figure, chinese: Mapping[str, str]) -> str:
    """The picture without the head of a file, its ids made its own, to stand inside a page.

    Parameters
    ----------
    name : str
        Put before its ids, which must differ from those of the page's other pictures.
    figure : Figure
    chinese : mapping of str to str
        Chinese by English words. Matplotlib's own fonts know no Chinese; the words are put into the finished picture,
        which holds text as text.
    """
    target = io.StringIO()
    with mpl.rc_context(_SVG):
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    for en, zh in chinese.items():
        shown = escape(en, quote=False)
        words = f'<tspan class="en">{shown}</tspan><tspan class="zh">{escape(zh, quote=False)}</tspan>'
        text = text.replace(f">{shown}</text>", f">{words}</text>")
    return _ID.sub(rf"\g<1>{name}-\g<2>", text[text.index("<svg") :])
