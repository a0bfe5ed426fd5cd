"""Admission: objects that could not be used are refused before they are stored."""
