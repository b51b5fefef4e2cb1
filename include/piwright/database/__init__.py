"""The truth: connections, migrations, roles. Every stage may use it; it knows none of them."""
