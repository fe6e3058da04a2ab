"""The process of one attempt: open, replay, execute, record, and park or finish."""
