"""Bars with whiskers, as SVG, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10

WIDTH, PANEL_HEIGHT, MARGIN, LEFT = 720, 240, 36, 52
TICKS = 5
# Distinct for the colour-blind, and in grey (Okabe and Ito).
COLOURS = ("#0072b2", "#e69f00", "#999999", "#56b4e9", "#009e73", "#d55e00")


@dataclass(frozen=True)
class Bar:
    """A median with its least and greatest value."""

    group: str
    series: str
    value: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Panel:
    """One set of axes. Bars of one group stand side by side."""

    title: str
    bars: Sequence[Bar]


def svg(panels: Sequence[Panel], title: str) -> str:
    """The panels below one another, the legend at the foot."""
    series = list(dict.fromkeys(bar.series for panel in panels for bar in panel.bars))
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(series)}
    height = len(panels) * PANEL_HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for index, panel in enumerate(panels):
        parts += _panel(panel, index * PANEL_HEIGHT + MARGIN, colours)
    for index, name in enumerate(series):
        x, y = LEFT + index * (WIDTH - LEFT) // len(series), height - MARGIN // 2
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: int, colours: dict[str, str]) -> list[str]:
    base, room = top + PANEL_HEIGHT - MARGIN, PANEL_HEIGHT - 2 * MARGIN
    step = _step(max(bar.greatest for bar in panel.bars))
    scale = room / (step * TICKS)
    parts = [f'<text x="{LEFT}" y="{top}" font-weight="bold">{escape(panel.title)}</text>']
    for tick in range(TICKS + 1):
        y = base - tick * step * scale
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 8}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick * step:g}</text>')
    groups = list(dict.fromkeys(bar.group for bar in panel.bars))
    span = (WIDTH - LEFT - 8) / len(groups)
    for index, group in enumerate(groups):
        bars = [bar for bar in panel.bars if bar.group == group]
        width = span * 0.8 / len(bars)
        for place, bar in enumerate(bars):
            x = LEFT + index * span + span * 0.1 + place * width
            parts += _bar(bar, x, width, base, scale, colours[bar.series])
        middle = LEFT + (index + 0.5) * span
        parts.append(f'<text x="{middle:.1f}" y="{base + 16}" text-anchor="middle">{escape(group)}</text>')
    return parts


def _bar(bar: Bar, x: float, width: float, base: float, scale: float, colour: str) -> list[str]:
    height, middle = bar.value * scale, x + width / 2
    low, high = base - bar.least * scale, base - bar.greatest * scale
    return [
        f'<rect x="{x + 2:.1f}" y="{base - height:.1f}" width="{width - 4:.1f}" height="{height:.1f}" '
        f'fill="{colour}"/>',
        f'<line x1="{middle:.1f}" y1="{low:.1f}" x2="{middle:.1f}" y2="{high:.1f}" stroke="black"/>',
        f'<text x="{middle:.1f}" y="{high - 4:.1f}" text-anchor="middle">{bar.value:.0f}</text>',
    ]


def _step(greatest: float) -> float:
    """A round number of which TICKS reach the greatest value."""
    rough = max(greatest, 1e-9) / TICKS
    power = 10.0 ** (ceil(log10(rough)) - 1)
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
