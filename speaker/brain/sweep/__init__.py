"""Removes status objects that the node they tell of cannot remove any more."""
