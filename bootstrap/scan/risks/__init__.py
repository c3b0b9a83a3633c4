"""What works today and won't some day: rules over the calls of DAG code, each with a code, an explanation and a fix."""
