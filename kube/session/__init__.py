"""One authenticated HTTP session with the API server."""
