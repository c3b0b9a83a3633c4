"""Replaces keys of connections, so that running jobs never notice."""
