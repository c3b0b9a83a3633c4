"""Every figure that the README quotes, reproducible by one command: `make bench`."""
