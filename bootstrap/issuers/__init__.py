"""Who mints a key. One file each; its name is what `rotate: {issuer: …}` says.

`kind.py` says what an issuer's module has, and which powers it may have besides; `base.py` what an issuer does.
"""
