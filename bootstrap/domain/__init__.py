"""Connections, variables, references and secrets, as every other room speaks of them."""
