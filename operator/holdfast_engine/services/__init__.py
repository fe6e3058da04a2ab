"""The periodic duties of the engine, one per file."""
