"""Bidirectional Forwarding Detection, RFC 5880 and 5881, asynchronous mode. Pure."""
