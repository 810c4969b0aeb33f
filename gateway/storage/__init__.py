"""SQLAlchemy engine, tables and Alembic migrations."""
