"""Who mints a key. One file each; its name is what `rotate: {issuer: …}` says.

An issuer's module has `Options` (what bootstrap.yaml may say), `open_issuer`, `fields` (which fields of a connection a key
fills), and, where a workload's own identity would do away with the key, `KEYLESS`, a sentence that says how.
"""
