"""Registering: the difference between existing and desired connections, as a plan."""
