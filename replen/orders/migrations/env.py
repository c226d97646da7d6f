"""How alembic runs the revisions: on the connection that `replen.orders.upgrade` hands in, inside its transaction."""

from alembic import context

from replen.orders.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
