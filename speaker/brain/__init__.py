"""The process that talks to the API: it decides, asks the health gates and writes statuses."""
