"""What the process of one attempt says to Postgres: the functions of schema ``holdfast_v1``, typed."""
