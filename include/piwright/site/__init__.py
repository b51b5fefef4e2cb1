"""What people see: the home page."""
