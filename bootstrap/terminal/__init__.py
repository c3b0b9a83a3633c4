"""Output for people: messages, tables, progress."""
