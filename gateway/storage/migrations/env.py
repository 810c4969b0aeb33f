"""Alembic's entry: runs the versions on the connection that `gateway.storage.schema` hands over."""

from alembic import context

from gateway.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the caller's transaction holds all versions together
)
context.run_migrations()
