"""What authors import; see ``holdfast``."""
