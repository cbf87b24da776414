"""What `etl_merge` and its Spark twin share: the mapping, the reading of raw files, the ledger's rules, the report."""
