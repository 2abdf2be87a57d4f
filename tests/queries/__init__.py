"""Group-by queries over drawn tables: the answers of zmr beside those of DuckDB's SQL."""
