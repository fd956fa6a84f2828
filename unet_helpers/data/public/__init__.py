"""The public data sets, one file a field: what each is, and how its release becomes a folder."""
