"""A manifest from what the code needs."""
