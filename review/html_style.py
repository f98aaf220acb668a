"""The look of the report: one sheet, light and dark by the reader's choice, nothing fetched."""

from typing import Final

STYLE: Final = """\
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --paper: #ffffff; --panel: #f6f8fa;
  --line: #d1d9e0; --new: #1a7f37; --gone: #cf222e; --warn: #9a6700; --calm: #0969da; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --paper: #0d1117;
  --panel: #151b23; --line: #3d444d; --new: #3fb950; --gone: #f85149; --warn: #d29922; --calm: #4493f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; }
.verdict { border-left: .4rem solid var(--calm); padding-left: 1rem; }
.verdict.refused { border-color: var(--gone); } .verdict.nothing { border-color: var(--new); }
.verdict.opens, .verdict.cuts, .verdict.opens-and-cuts { border-color: var(--warn); }
.verdict li { font-size: 1.05rem; } .dim { color: var(--dim); } .good { color: var(--new); }
.bad { color: var(--gone); } ul { margin: .3rem 0; padding-left: 1.3rem; }
code, pre, svg text { font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
code { background: var(--panel); border-radius: 4px; padding: .1em .3em; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; overflow-x: auto;
  padding: .7rem; white-space: pre; }
pre .add { color: var(--new); } pre .cut { color: var(--gone); } pre .say { color: var(--dim); }
table { border-collapse: collapse; display: block; overflow-wrap: break-word; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
th { background: var(--panel); font-weight: 600; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; font-weight: 600; }
figure { border: 1px solid var(--line); border-radius: 6px; margin: 1rem 0; overflow-x: auto;
  padding: .5rem; }
figcaption { color: var(--dim); }
.key { border-bottom: 2px solid var(--line); margin-right: 1rem; }
.key.new { border-bottom: 4px solid var(--new); } .key.gone { border-bottom: 3px dashed var(--gone); }
svg { height: auto; max-width: 100%; } @media (max-width: 45rem) { svg { min-width: 28rem; } }
svg rect { fill: var(--panel); stroke: var(--dim); stroke-width: 1.2; }
svg text { fill: var(--ink); text-anchor: middle; }
svg .node.new rect { stroke: var(--new); stroke-width: 3; }
svg .node.gone rect { stroke: var(--gone); stroke-dasharray: 6 4; stroke-width: 2; }
svg .node.service rect, svg .node.outside rect { fill: var(--paper); }
svg .node.router rect { fill: var(--line); }
svg .edge { fill: none; stroke: var(--dim); stroke-width: 1.2; }
svg .edge.new { stroke: var(--new); stroke-width: 3.5; }
svg .edge.gone { stroke: var(--gone); stroke-dasharray: 7 5; stroke-width: 2.5; }
svg .tip { fill: var(--dim); } svg .tip.new { fill: var(--new); } svg .tip.gone { fill: var(--gone); }
"""
