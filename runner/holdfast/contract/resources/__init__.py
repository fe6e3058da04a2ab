"""The resources of `holdfast.dev/v1alpha1` as pydantic models: one noun per module.

They are the one source of the CRDs, of what a manifest may say, and of what `kubectl explain` answers.
Field names are snake_case here and camelCase outside.
"""
