"""Read one frozen snapshot: the resource, its pods, its row."""
