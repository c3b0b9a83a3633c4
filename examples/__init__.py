"""A folder for each recipe; a test runs each."""
