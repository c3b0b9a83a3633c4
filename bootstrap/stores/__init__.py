"""Where secrets are kept. One file per kind; its name is the kind.

`kind.py` says what a kind's module has, and which powers it may have besides; `base.py` what a store does.
"""
