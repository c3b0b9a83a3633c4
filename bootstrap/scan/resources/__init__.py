"""What calls touch through a connection: tables, buckets, endpoints, and the checks that prove them."""
