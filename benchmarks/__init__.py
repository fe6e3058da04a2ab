"""What Holdfast costs, beside the raw database and its peers: ``make bench``."""
