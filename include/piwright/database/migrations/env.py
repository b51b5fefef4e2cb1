"""Alembic's entry: runs our migrations over the connection it is handed (see `piwright.database.migrate`)."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
