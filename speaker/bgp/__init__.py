"""The process that keeps ExaBGP: neighbours, routes, drain."""
