"""Follows code without running it: what each expression can be, and every call of what is not the project's own."""
