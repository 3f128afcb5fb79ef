"""Why RSC does not work: one file a rung, one function a cause."""
