"""The web side: its database, pages and API."""
