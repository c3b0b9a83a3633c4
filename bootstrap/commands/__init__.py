"""One file per command: parse, call one function, print. Core modules are imported inside the functions."""
