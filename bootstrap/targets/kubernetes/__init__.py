"""A Secret for `envFrom`."""
