"""The messages between the speaker's three processes. Pure."""
