"""A run's timeline as an SVG drawing, from the report's JSON. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

WIDTH, LEFT, RIGHT, ROW = 900, 170, 40, 26
COLOURS = ("#3182ce", "#38a169", "#d69e2e", "#805ad5", "#00a3c4", "#d53f8c")
"On a light and on a dark ground."
LOSS = "#e53e3e"
TICKS_MS = (50, 100, 200, 500, 1000, 2000, 5000, 10000, 60000)


@dataclass(slots=True)
class Drawing:
    """The scale of a drawing, and the colours given so far."""

    start_ms: float
    end_ms: float
    colours: dict[str, str] = field(default_factory=dict)

    def x(self, at_ms: float) -> float:
        """Return where a moment is drawn, at the edge when it is outside."""
        within = min(max(at_ms, self.start_ms), self.end_ms) - self.start_ms
        return LEFT + within * (WIDTH - LEFT - RIGHT) / (self.end_ms - self.start_ms)

    def shows(self, span: Mapping[str, Any]) -> bool:
        """Tell whether any of the span is inside."""
        return bool(span["end_ms"] >= self.start_ms and span["start_ms"] <= self.end_ms)

    def colour(self, row: str, text: str) -> str:
        """Return one colour for losses, and one for each node."""
        if row.startswith("lost"):
            return LOSS
        return self.colours.setdefault(text, COLOURS[len(self.colours) % len(COLOURS)])


def draw_svg(timeline: Mapping[str, Any]) -> str:
    """Return the SVG element."""
    rows = timeline["rows"]
    drawing = Drawing(*_window(timeline))
    bottom = ROW * (len(rows) + 1)
    parts = [f'<svg viewBox="0 0 {WIDTH} {bottom + ROW}" role="img" aria-label="timeline">']
    for index, (name, spans) in enumerate(rows, 1):
        parts.append(
            f'<text x="8" y="{ROW * index + 15}" fill="currentColor">{escape(name)}</text>'
        )
        parts += [
            _bar(drawing, name, span, ROW * index + 3) for span in spans if drawing.shows(span)
        ]
    parts += [_mark(drawing, name, at, bottom) for name, at in timeline["marks"]]
    parts.append(f'<text x="{drawing.x(0) + 3:.1f}" y="14" fill="currentColor">fault</text>')
    parts += [
        f'<text x="{drawing.x(at):.1f}" y="{bottom + 16}" fill="currentColor" '
        f'text-anchor="middle">{at:g} ms</text>'
        for at in _ticks(drawing)
    ]
    parts.append(_legend(drawing))
    return "".join(parts) + "</svg>"


def _bar(drawing: Drawing, row: str, span: Mapping[str, Any], y: float) -> str:
    left, right = drawing.x(span["start_ms"]), drawing.x(span["end_ms"])
    colour = drawing.colour(row, span["text"])
    return (
        f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1.5):.1f}" height="{ROW - 8}" '
        f'fill="{colour}"><title>{escape(span["text"])}</title></rect>'
    )


def _mark(drawing: Drawing, name: str, at_ms: float, bottom: float) -> str:
    if not drawing.start_ms <= at_ms <= drawing.end_ms:
        return ""
    x = f"{drawing.x(at_ms):.1f}"
    return (
        f'<line x1="{x}" x2="{x}" y1="{ROW - 6}" y2="{bottom}" stroke="currentColor" '
        f'stroke-dasharray="3 3"><title>{escape(name)} {at_ms:g} ms</title></line>'
    )


def _legend(drawing: Drawing) -> str:
    entries = "".join(
        f'<tspan fill="{colour}">■</tspan> {escape(name)} '
        for name, colour in drawing.colours.items()
    )
    return f'<text x="{LEFT + 160}" y="14" fill="currentColor">{entries}</text>'


def _window(timeline: Mapping[str, Any]) -> tuple[float, float]:
    """Return what to show: from shortly before the fault to shortly after the last loss."""
    ends = [at for _, at in timeline["marks"]]
    for name, spans in timeline["rows"]:
        if name.startswith("lost"):
            ends += [span["end_ms"] for span in spans]
    end = max([500.0, *(1.3 * at for at in ends if at > 0)])
    return -0.15 * end, end


def _ticks(drawing: Drawing) -> list[int]:
    step = next((s for s in TICKS_MS if drawing.end_ms / s <= 8), TICKS_MS[-1])
    return list(range(0, int(drawing.end_ms) + 1, step))
