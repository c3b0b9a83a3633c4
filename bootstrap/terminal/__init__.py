"""What people see: messages, tables, progress."""
