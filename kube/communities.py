"""BGP communities as `metallb.io` writes them.

`a:b` of two 16-bit numbers (RFC 1997) and `large:a:b:c` of three 32-bit numbers (RFC 8092).
"""

LARGE = "large:"


class CommunityError(ValueError):
    """The text is no community; the message says which part is wrong."""


def parse_community(text: str) -> str:
    """Return the community in its shortest spelling."""
    if text.startswith(LARGE):
        sections = text.removeprefix(LARGE).split(":")
        if len(sections) != 3:
            raise CommunityError(
                f"invalid community value: expected community to be of format large:a:b:c, "
                f'got "{text}"'
            )
        return LARGE + ":".join(_section(each, 32, text) for each in sections)
    sections = text.split(":")
    if len(sections) == 3:
        raise CommunityError(
            f'invalid community value: expected community to be of format large: "{text}" '
            f"has three sections, write {LARGE}{text}"
        )
    if len(sections) != 2:
        raise CommunityError(
            f'invalid community value: invalid section count in "{text}", write a:b'
        )
    return ":".join(_section(each, 16, text) for each in sections)


def is_alias(text: str) -> bool:
    """Tell whether the text names an alias instead of being a community itself."""
    return ":" not in text


def _section(text: str, bits: int, whole: str) -> str:
    if text.isascii() and text.isdigit() and int(text) < 2**bits:
        return str(int(text))
    raise CommunityError(
        f'invalid community value: invalid section "{text}" of community "{whole}": '
        f"it is not a number from 0 to {2**bits - 1}"
    )
