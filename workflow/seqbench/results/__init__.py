"""From shards to tables: collecting cells, the measures taken of them, their statistics."""
