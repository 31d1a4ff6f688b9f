"""Run migrations in the transaction that ``pipeline.database.migrate`` opened."""

from alembic import context

from pipeline.web.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
