"""The desired state: each connection and variable of the manifest, with its secrets read and interpreted."""
