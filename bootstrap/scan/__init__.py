"""What DAG code needs: its connections, the systems that they reach and the rights there, read without running it."""
