"""Style of the quality card's page, beside that of all pages (`features.html_page`)."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
.version { font: .85rem ui-monospace, monospace; color: var(--soft); margin-left: .5rem; }
.badge { flex: none; display: inline-flex; align-items: center; justify-content: center; width: 2.6rem; height: 2.6rem;
  border-radius: .6rem; color: #fff; font-weight: 700; font-size: 1.3rem; }
.badge.big { width: 5rem; height: 5rem; font-size: 2.8rem; border-radius: 1rem; }
.grade-A { background: #1d7a4c; } .grade-B { background: #4f8a2c; } .grade-C { background: #a8780f; }
.grade-D { background: #b9541b; } .grade-E { background: #a32b2b; } .grade-none { background: #8a8f95; }
.part { display: flex; gap: 1rem; border-top: 1px solid var(--rule); padding-top: 1.1rem; }
.part > div { flex: 1; min-width: 0; } .part p { margin: 0 0 .5rem; }
.bars th { text-align: left; font-weight: 400; width: 9.5rem; padding: .1rem 0; }
.bars td:last-child { width: 11rem; text-align: right; white-space: nowrap; }
.bars svg { display: block; width: 100%; height: .8rem; }
.bars .rail { fill: var(--rule); } .theirs .range { fill: #c9ced4; } .theirs .point { fill: #7a838c; }
.ours .range { fill: #a9c6e8; } .ours .point { fill: var(--blue); } .ours th { font-weight: 600; }
@media (max-width: 34rem) { .bars td:last-child { width: 4rem; } .bars small { display: none; }
  .bars th { width: 7rem; } }
"""
