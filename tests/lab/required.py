"""Skips that are failures where every check is asked for."""

import os

import pytest


def required() -> bool:
    """Tell whether what can't be checked here is a failure."""
    return os.environ.get("HERALD_REQUIRE_LAB") == "1"


def skip_without(there: object, reason: str) -> pytest.MarkDecorator:
    """Skip where something is missing, unless every check is asked for."""
    return pytest.mark.skipif(not there and not required(), reason=reason)
