"""The least rights that code needs, in the words of each system: SQL's GRANT, IAM, Terraform. Nothing is asked of a server."""
