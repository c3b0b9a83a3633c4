"""Which arguments of which operators and hooks name what they touch: one table per family of systems, to be read and added to."""
