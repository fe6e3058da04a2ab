"""What both sides agree on: resources, environment names, labels, limits, reasons, exit codes.

Nothing is imported here. The pod needs the names and numbers but not the resources, and those bring pydantic.
"""
