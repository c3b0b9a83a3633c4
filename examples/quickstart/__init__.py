"""The first run: three real systems, one command."""
