"""bootstrap.yaml: its models, its loader, and its JSON Schema."""
