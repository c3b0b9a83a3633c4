"""People's commands on stores: put, get, list, copy, and policies."""
