"""`fix`: from findings to what is asked of TAPs and edited in definitions."""
