"""What users wrote, as messages quote it: never so long that the remedy behind it is cut off."""

MAX_QUOTED = 100
"""Two IPv6 addresses with a dash between are 79 characters, most names less than 63."""


def quoted(text: str) -> str:
    """Return the text in quotes, without its end when it is long."""
    return f'"{text}"' if len(text) <= MAX_QUOTED else f'"{text[:MAX_QUOTED]}…"'
