"""What the manifest wants: each connection and variable with its secrets read and interpreted."""
