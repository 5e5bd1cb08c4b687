"""The registered data sources: ``load(split, options) -> Split`` each."""
