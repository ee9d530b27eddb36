"""Plots as SVG text: horizontal bars, ranges on a logarithmic axis, lines. Pure.

Plain shapes on a white ground, so that they read the same in light and dark pages.
"""

import math
from dataclasses import dataclass
from typing import Optional
from xml.sax.saxutils import escape

from .stats import number

FONT = 'font-family="Helvetica, Arial, sans-serif"'
INK, FAINT, GRID = "#1f2328", "#59636e", "#d8dee4"
COLOURS = {"midge": "#0b7285", "midge-epoll": "#66b2be", "nats": "#b8860b", "nats-gmp": "#d9a441", "nats-free": "#8c6d1f",
           "nats-gogc400": "#e8c27a", "relay": "#8b949e"}
WIDTH, RIGHT = 900, 90
LETTER = 6.4  # width of a letter at size 12, about


def left_of(titles):
    """Where the axis begins: right of the longest title."""
    return 26 + LETTER * max(len(t) for t in titles)


def colour(name):
    return COLOURS.get(name, "#8b949e")


class Canvas:
    """Collects shapes; text() is the whole document."""

    def __init__(self, width, height, title):
        self.width, self.height = width, height
        self.shapes = []
        self.label(16, 26, title, size=15, weight="bold")

    def rect(self, x, y, width, height, fill):
        self.shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" fill="{fill}"/>')

    def line(self, x1, y1, x2, y2, stroke=INK, width=1.0, dash=None):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.shapes.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"{dashes}/>')

    def dot(self, x, y, fill, radius=4):
        self.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>')

    def label(self, x, y, text, anchor="start", size=12, fill=INK, weight="normal"):
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
                           f'fill="{fill}" stroke="#ffffff" stroke-width="3" paint-order="stroke" {FONT}>{escape(text)}</text>')

    def legend(self, y, entries):
        """entries: (text, colour)."""
        x = 16.0
        for text, fill in entries:
            self.rect(x, y - 10, 12, 12, fill)
            self.label(x + 17, y, text, fill=FAINT)
            x += 34 + LETTER * len(text)

    def text(self):
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}">'
        ground = f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>'
        return "\n".join([head, ground, *self.shapes, "</svg>"]) + "\n"


@dataclass(frozen=True)
class Bar:
    series: str
    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Row:
    """One scenario: its bars, and ticks for floor and goal."""

    title: str
    bars: list
    floor: Optional[float] = None
    goal: Optional[float] = None


def _step(top):
    """A round distance between grid lines, for four to eight of them."""
    raw = top / 6
    power = 10 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw)


def bars(title, note, rows, series_titles, reference=None, top=None):
    """Horizontal bars with whiskers from the lowest to the highest round.

    reference: a value to draw a line at (nats-server = 1). top: cut the axis there.
    """
    bar_height, gap = 11, 12
    series = list(dict.fromkeys(b.series for r in rows for b in r.bars))
    heights = [len(r.bars) * (bar_height + 2) + gap for r in rows]
    canvas = Canvas(WIDTH, 96 + sum(heights) + 24, title)
    canvas.label(16, 46, note, fill=FAINT)
    canvas.legend(68, [(series_titles.get(s, s), colour(s)) for s in series])
    highest = max([b.value for r in rows for b in r.bars] + [reference or 0]) or 1
    top = min(top or highest * 1.08, highest * 1.08)
    left = left_of([r.title for r in rows])
    scale = (WIDTH - left - RIGHT) / top
    bottom = 84 + sum(heights)
    tick, step = 0.0, _step(top)
    while tick <= top + 1e-9:
        x = left + tick * scale
        canvas.line(x, 82, x, bottom, GRID)
        canvas.label(x, bottom + 16, number(tick), "middle", 11, FAINT)
        tick += step
    y = 88.0
    for row, height in zip(rows, heights):
        canvas.label(left - 10, y + (height - gap) / 2 + 4, row.title, "end")
        for i, bar in enumerate(row.bars):
            _bar(canvas, bar, left, y + i * (bar_height + 2), bar_height, scale, top)
        for value, stroke, dash in ((row.floor, "#cf222e", "3,2"), (row.goal, "#1a7f37", None)):
            if value is not None and value <= top:
                canvas.line(left + value * scale, y - 3, left + value * scale, y + height - gap + 1, stroke, 2, dash)
        for i, bar in enumerate(row.bars):  # last, so that no line crosses a number
            canvas.label(left + min(max(bar.value, bar.high), top) * scale + 5, y + (i + 1) * (bar_height + 2) - 3.5, bar.text, size=10, fill=FAINT)
        y += height
    if reference is not None and reference <= top:
        canvas.line(left + reference * scale, 82, left + reference * scale, bottom, INK, 1.2)
    return canvas.text()


def _bar(canvas, bar, left, y, height, scale, top):
    canvas.rect(left, y, min(bar.value, top) * scale, height, colour(bar.series))
    low, high = left + min(bar.low, top) * scale, left + min(bar.high, top) * scale
    if high - low > 1:
        canvas.line(low, y + height / 2, high, y + height / 2, INK)


def ranges(title, note, rows, series_titles, unit):
    """For each row and series three marks on a logarithmic axis: median, 99th, 99.9th percentile.

    rows: (title, [(series, [values])]).
    """
    line_height, gap = 17, 14
    heights = [len(entries) * line_height + gap for _, entries in rows]
    series = list(dict.fromkeys(s for _, entries in rows for s, _ in entries))
    values = [v for _, entries in rows for _, marks in entries for v in marks if v > 0]
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    last = max(last, first + 1)
    canvas = Canvas(WIDTH, 96 + sum(heights) + 24, title)
    canvas.label(16, 46, note, fill=FAINT)
    canvas.legend(68, [(series_titles.get(s, s), colour(s)) for s in series])
    left = left_of([t for t, _ in rows])
    scale = (WIDTH - left - RIGHT - 90) / (last - first)
    bottom = 84 + sum(heights)
    for power in range(first, last + 1):
        x = left + (power - first) * scale
        canvas.line(x, 82, x, bottom, GRID)
        canvas.label(x, bottom + 16, f"{number(10.0 ** power)} {unit}", "middle", 11, FAINT)
    y = 92.0
    for (row_title, entries), height in zip(rows, heights):
        canvas.label(left - 10, y + (height - gap) / 2 + 2, row_title, "end")
        for i, (name, marks) in enumerate(entries):
            xs = [left + (math.log10(max(v, 10.0**first)) - first) * scale for v in marks]
            middle = y + i * line_height + 4
            canvas.line(xs[0], middle, xs[-1], middle, colour(name), 2)
            for x, radius in zip(xs, (5, 4, 3)):
                canvas.dot(x, middle, colour(name), radius)
            canvas.label(xs[-1] + 8, middle + 4, " / ".join(number(v) for v in marks), size=10, fill=FAINT)
        y += height
    return canvas.text()


def lines(title, note, series, series_titles, x_title, ideal=None):
    """Lines over a linear x axis. series: {name: [(x, y)]}; ideal: a dashed line of points."""
    height, left, top_y, bottom = 380, 90, 84, 330
    canvas = Canvas(WIDTH, height, title)
    canvas.label(16, 46, note, fill=FAINT)
    canvas.legend(68, [(series_titles.get(s, s), colour(s)) for s in series])
    points = [p for line in series.values() for p in line] + list(ideal or [])
    x_top, y_top = max(p[0] for p in points), max(p[1] for p in points) * 1.05
    x_scale, y_scale = (WIDTH - left - 40) / x_top, (bottom - top_y) / y_top
    tick, step = 0.0, _step(y_top)
    while tick <= y_top:
        y = bottom - tick * y_scale
        canvas.line(left, y, WIDTH - 40, y, GRID)
        canvas.label(left - 8, y + 4, number(tick), "end", 11, FAINT)
        tick += step
    for x in sorted({p[0] for p in points}):
        canvas.label(left + x * x_scale, bottom + 18, number(x), "middle", 11, FAINT)
    canvas.label((left + WIDTH - 40) / 2, bottom + 38, x_title, "middle", 12, FAINT)

    def path(line, stroke, dash=None):
        for (x1, y1), (x2, y2) in zip(line, line[1:]):
            canvas.line(left + x1 * x_scale, bottom - y1 * y_scale, left + x2 * x_scale, bottom - y2 * y_scale, stroke, 2, dash)

    if ideal:
        path(ideal, FAINT, "4,4")
    for name, line in series.items():
        path(line, colour(name))
        for x, y in line:
            canvas.dot(left + x * x_scale, bottom - y * y_scale, colour(name))
    return canvas.text()
