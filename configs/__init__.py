"""One file, one experiment. Installed as ``jagree.configs``, so that any config can import it."""
