"""What the check `spark` submits; spark-submit runs it, with the Python of the driver.

Its arguments: the file for its result ("-": none) and the run's id. The JVM alone counts, so that the executors need
no Python. It is run by its path, so that Python looks for modules beside it first, and imports none before that is over:
`http` would be the check of that name, and where a cluster runs it, anybody's.
"""

import sys

NUMBERS = 1000
PARTITIONS = 2


def main() -> None:
    """Count on the executors, and write what came of it."""
    import json
    from pathlib import Path

    from pyspark import SparkContext

    file, run_id = sys.argv[1:]
    context = SparkContext.getOrCreate()
    count = context._jsc.sc().range(0, NUMBERS, 1, PARTITIONS).count()  # noqa: SLF001
    if file != "-":
        Path(file).write_text(json.dumps({"run": run_id, "count": count, "version": context.version}))
    context.stop()


if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    main()
