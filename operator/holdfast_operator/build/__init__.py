"""Pure builders: values in, objects of the Kubernetes API out."""
