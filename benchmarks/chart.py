"""One chart as SVG: how many times hitherto's CPU seconds the others take."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .shape { font-weight: 600 }
  .win { fill: #2f7d4f } .loss { fill: #c4532d }
  .one { stroke: #57606a; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .win { fill: #57ab7a } .loss { fill: #e5734d } .one { stroke: #8b949e }
  }
"""
_LEFT, _UNIT, _MOST, _ROW = 290, 55.0, 8.0, 20


def drawn(bars: Sequence[tuple[str, str, float]]) -> str:
    """Horizontal bars of (shape, rival, ratio), those of one shape together; a bar that is too long says its number.

    The dashed line is hitherto; a bar that ends before it, in another colour, is a rival that is faster.
    """
    parts: list[str] = []
    y = 24
    last = ""
    for shape, rival, ratio in bars:
        if shape != last:
            y += 8
            parts.append(f'<text class="shape" x="8" y="{y + 13}">{escape(shape)}</text>')
            y += _ROW
            last = shape
        length = min(ratio, _MOST) * _UNIT
        kind = "win" if ratio >= 1 else "loss"
        number = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(rival)}</text>')
        parts.append(f'<rect class="{kind}" x="{_LEFT}" y="{y + 3}" width="{length:.1f}" height="13" rx="2"/>')
        more = " \u2192" if ratio > _MOST else ""
        parts.append(f'<text x="{_LEFT + length + 6:.1f}" y="{y + 13}">{number}{more}</text>')
        y += _ROW
    height = y + 12
    width = int(_LEFT + _MOST * _UNIT + 70)
    one = _LEFT + _UNIT
    title = "CPU seconds of the others, in hitherto's (warm)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{title}">',
            f"<style>{_STYLE}</style>",
            f'<text x="8" y="18">{title}</text>',
            f'<line class="one" x1="{one}" y1="26" x2="{one}" y2="{height - 6}"/>',
            *parts,
            "</svg>",
            "",
        ]
    )
