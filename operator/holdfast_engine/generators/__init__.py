"""Files that are derived from code, and the code that derives them."""
