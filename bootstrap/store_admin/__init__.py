"""The `store` commands: put, get, list, copy, and policies."""
