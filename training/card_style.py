"""Style of the quality card's page."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
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
.version { font: .85rem ui-monospace, monospace; color: var(--soft); margin-left: .5rem; }
.badge { flex: none; display: inline-flex; align-items: center; justify-content: center; width: 2.6rem; height: 2.6rem;
  border-radius: .6rem; color: #fff; font-weight: 700; font-size: 1.3rem; }
.badge.big { width: 5rem; height: 5rem; font-size: 2.8rem; border-radius: 1rem; }
.grade-A { background: #1d7a4c; } .grade-B { background: #4f8a2c; } .grade-C { background: #a8780f; }
.grade-D { background: #b9541b; } .grade-E { background: #a32b2b; } .grade-none { background: #8a8f95; }
.warning, .note { padding: .6rem .9rem; border-radius: .4rem; margin: .6rem 0; }
.warning { background: #fbeaea; border-left: .3rem solid #a32b2b; }
.note { background: #fdf5e3; border-left: .3rem solid #a8780f; }
section { margin: 1.4rem 0; }
.part { display: flex; gap: 1rem; border-top: 1px solid var(--rule); padding-top: 1.1rem; }
.part > div { flex: 1; min-width: 0; } .part p { margin: 0 0 .5rem; }
.figures, small { color: var(--soft); } .figures { font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
.bars th { text-align: left; font-weight: 400; width: 9.5rem; padding: .1rem 0; }
.bars td:last-child { width: 11rem; text-align: right; white-space: nowrap; }
.bars svg { display: block; width: 100%; height: .8rem; }
.bars .rail { fill: var(--rule); } .theirs .range { fill: #c9ced4; } .theirs .point { fill: #7a838c; }
.ours .range { fill: #a9c6e8; } .ours .point { fill: var(--blue); } .ours th { font-weight: 600; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.2rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; } figcaption { font-weight: 600; font-size: .95rem; }
.plain th { text-align: left; font-weight: 600; } .plain th, .plain td { padding: .25rem .8rem .25rem 0;
  border-bottom: 1px solid var(--rule); }
footer { border-top: 1px solid var(--rule); padding-top: .8rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 34rem) { .bars td:last-child { width: 4rem; } .bars small { display: none; }
  .bars th { width: 7rem; } .pictures { grid-template-columns: 1fr; } }
@media print { body > input, body > label { display: none; } section, figure { break-inside: avoid; } }
"""
